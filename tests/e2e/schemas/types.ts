// SPDX-License-Identifier: Apache-2.0
// What the vendors' clients declare that their APIs answer, by the names that the test uses.

import type OpenAI from 'openai';
import type Anthropic from '@anthropic-ai/sdk';

export type ChatCompletion = OpenAI.Chat.Completions.ChatCompletion;
export type ChatCompletionChunk = OpenAI.Chat.Completions.ChatCompletionChunk;
export type Completion = OpenAI.Completions.Completion;

/** The client has one type for both; the API's documentation says null of what is yet to come. */
type Choice = OpenAI.Completions.CompletionChoice;
export type CompletionChunk = Omit<Completion, 'choices' | 'usage'> & {
  choices: (Omit<Choice, 'finish_reason'> & { finish_reason: Choice['finish_reason'] | null })[];
  usage?: OpenAI.CompletionUsage | null;
};

export type OpenAIResponse = OpenAI.Responses.Response;
export type ResponseEvent = OpenAI.Responses.ResponseStreamEvent;
export type ResponseItems = OpenAI.Responses.ResponseItemList;

/** With what an upstream tells of its model. */
export interface OpenAIModel extends OpenAI.Models.Model {
  [more: string]: unknown;
}

export type Message = Anthropic.Messages.Message;
export type MessageEvent = Anthropic.Messages.RawMessageStreamEvent;
export type Tokens = Anthropic.Messages.MessageTokensCount;
export type AnthropicModel = Anthropic.Models.ModelInfo;

export interface Models {
  object: 'list';
  data: OpenAIModel[];
}

export interface AnthropicModels {
  data: AnthropicModel[];
  has_more: boolean;
  first_id: string | null;
  last_id: string | null;
}

export interface ErrorOfOpenAI {
  error: OpenAI.ErrorObject;
}

export type ErrorOfAnthropic = Anthropic.ErrorResponse;

/** In Anthropic's documentation of streams; its client takes it out. */
export interface Ping {
  type: 'ping';
}
