// SPDX-License-Identifier: Apache-2.0
// Client libraries of OpenAI's API. Each holds a conversation as its documentation tells: what it
// gave as an answer goes back with the next turn.

import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { AIMessage, HumanMessage, SystemMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { OpenAI as LlamaIndex } from '@llamaindex/openai';
import { Agent, Runner, setTracingDisabled, user } from '@openai/agents-core';
import { OpenAIProvider } from '@openai/agents-openai';
import { generateText, streamText } from 'ai';
import Groq from 'groq-sdk';
import OpenAI from 'openai';
import { OpenAIClient } from 'openai-fetch';
import Together from 'together-ai';
import * as xsai from 'xsai';

const MODEL = 'GPT5';
const SYSTEM = 'Be brief.';

setTracingDisabled(true);

const openai = ({ url, key }) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 20000 });

/** The client of OpenAI, whose streams can be taken as a whole. */
const official = (how, server) => {
  const { completions } = openai(server).chat;
  const messages = [{ role: 'system', content: SYSTEM }];
  return async (content) => {
    messages.push({ role: 'user', content });
    const body = { model: MODEL, messages };
    const done =
      how === 'whole'
        ? await completions.create(body)
        : await completions.stream(body).finalChatCompletion();
    messages.push(done.choices[0].message);
    return done.choices[0].message.content ?? '';
  };
};

/** Clients made like that of OpenAI, whose streams are put together by who uses them. */
const pieces = (client) => (how, server) => {
  const { whole, stream } = client(server);
  const messages = [{ role: 'system', content: SYSTEM }];
  return async (content) => {
    messages.push({ role: 'user', content });
    const body = { model: MODEL, messages };
    let message = { role: 'assistant', content: '' };
    if (how === 'whole') message = (await whole(body)).choices[0].message;
    else
      for await (const { choices } of await stream(body))
        message.content += choices[0]?.delta.content ?? '';
    messages.push(message);
    return message.content;
  };
};

const completionsOf = ({ chat: { completions } }) => ({
  whole: (body) => completions.create(body),
  stream: (body) => completions.create({ ...body, stream: true }),
});

const fetching = ({ url, key }) => {
  const client = new OpenAIClient({ baseUrl: `${url}/v1`, apiKey: key });
  return {
    whole: (body) => client.createChatCompletion(body),
    stream: (body) => client.streamChatCompletion(body),
  };
};

const langchain = (how, { url, key }) => {
  const configuration = { baseURL: `${url}/v1` };
  const model = new ChatOpenAI({ model: MODEL, apiKey: key, maxRetries: 0, configuration });
  const messages = [new SystemMessage(SYSTEM)];
  return async (content) => {
    messages.push(new HumanMessage(content));
    let message;
    if (how === 'whole') message = await model.invoke(messages);
    else
      for await (const chunk of await model.stream(messages))
        message = message ? message.concat(chunk) : chunk;
    messages.push(how === 'whole' ? message : new AIMessage(message.content));
    return message.content;
  };
};

/** For the libraries of Vercel: what a model is, and how a turn goes. */
const vercel = (modelOf) => (how, { url, key }) => {
  const model = modelOf({ name: 'gw', baseURL: `${url}/v1`, apiKey: key });
  const messages = [];
  return async (content) => {
    messages.push({ role: 'user', content });
    const options = { model, system: SYSTEM, messages, maxRetries: 0 };
    const result = how === 'whole' ? await generateText(options) : streamText(options);
    const text = await result.text;
    messages.push(...(await result.response).messages);
    return text;
  };
};

const llamaindex = (how, { url, key }) => {
  const session = { baseURL: `${url}/v1` };
  const llm = new LlamaIndex({ model: MODEL, apiKey: key, maxRetries: 0, ...session });
  const messages = [{ role: 'system', content: SYSTEM }];
  return async (content) => {
    messages.push({ role: 'user', content });
    let message = { role: 'assistant', content: '' };
    if (how === 'whole') ({ message } = await llm.chat({ messages }));
    else
      for await (const { delta } of await llm.chat({ messages, stream: true }))
        message.content += delta;
    messages.push(message);
    return message.content;
  };
};

const agents = (how, server) => {
  const modelProvider = new OpenAIProvider({ openAIClient: openai(server), useResponses: false });
  const runner = new Runner({ modelProvider });
  const agent = new Agent({ name: 'agent', instructions: SYSTEM, model: MODEL });
  let history = [];
  return async (content) => {
    const stream = how === 'streamed';
    const result = await runner.run(agent, [...history, user(content)], { stream });
    if (stream) await result.completed;
    history = result.history;
    return result.finalOutput;
  };
};

const small = (how, { url, key }) => {
  let messages = [{ role: 'system', content: SYSTEM }];
  return async (content) => {
    messages.push({ role: 'user', content });
    const options = { baseURL: `${url}/v1/`, apiKey: key, model: MODEL, messages };
    const result = await (how === 'whole' ? xsai.generateText : xsai.streamText)(options);
    let text = '';
    if (how === 'whole') ({ text } = result);
    else for await (const piece of result.textStream) text += piece;
    messages = await result.messages;
    return text;
  };
};

/** name -> (how, { url, key }) -> a conversation: say(content) resolves with the answer's text.
 *  `how` is "whole" or "streamed"; `url` is the server's, without a path. */
export const LIBRARIES = {
  openai: official,
  '@langchain/openai': langchain,
  '@ai-sdk/openai': vercel((options) => createOpenAI(options).chat(MODEL)),
  '@ai-sdk/openai-compatible': vercel((options) => createOpenAICompatible(options)(MODEL)),
  '@llamaindex/openai': llamaindex,
  '@openai/agents-openai': agents,
  'groq-sdk': pieces(({ url, key }) =>
    completionsOf(new Groq({ baseURL: url, apiKey: key, maxRetries: 0 })),
  ),
  'openai-fetch': pieces(fetching),
  'together-ai': pieces(({ url, key }) =>
    completionsOf(new Together({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 })),
  ),
  xsai: small,
};
