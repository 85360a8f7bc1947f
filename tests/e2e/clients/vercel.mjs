// SPDX-License-Identifier: Apache-2.0
// Vercel's client, for tests beside this package.

export { createOpenAI } from '@ai-sdk/openai';
export { generateText, jsonSchema, streamText, tool } from 'ai';
