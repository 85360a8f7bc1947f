// SPDX-License-Identifier: Apache-2.0
// What clients of each API are used for, beyond plain turns: streams, loops of tools, structured
// answers. Each as the library's documentation tells.

import assert from 'node:assert/strict';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { HumanMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai';
import { createAgent } from 'langchain';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const TEXT = 'It is 18 degrees,\n"mild" \u{1F324}.';
const say = (text) => `!say ${JSON.stringify(text)}`;

const City = z.object({ city: z.string() });
const Report = z.object({ city: z.string(), degrees: z.number(), tags: z.array(z.string()) });
const REPORT = { city: 'Zürich', degrees: 18, tags: ['mild'] };
const ASK_REPORT = `Report!\n${say(JSON.stringify(REPORT))}`;

const NAME = 'get_weather';
const DESCRIPTION = 'Weather of a city.';
const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};

/** A tool that is called for two cities, one after the other; its results say what comes next. */
class Weather {
  constructor(call) {
    this.cities = [];
    this.question = `The weather?\n${call(NAME, { city: 'Paris "1"' })}`;
    this.run = ({ city }) => {
      this.cities.push(city);
      const next = this.cities.length === 1 ? call(NAME, { city: 'Zürich' }) : say(TEXT);
      return `18 C\n${next}`;
    };
  }

  check(text) {
    assert.deepEqual(this.cities, ['Paris "1"', 'Zürich'], 'the cities that the tool was asked');
    assert.equal(text, TEXT);
  }
}

const QUESTION = `Say it!\n${say(TEXT)}`;
const messages = [{ role: 'user', content: QUESTION }];

async function collect(pieces, textOf = (piece) => piece) {
  let text = '';
  for await (const piece of pieces) text += textOf(piece) ?? '';
  return text;
}

// ---- OpenAI's ----

const openaiOf = ({ url, key }) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 30000 });

const chatTools = (weather) => [
  {
    type: 'function',
    function: {
      name: NAME,
      description: DESCRIPTION,
      parameters: SCHEMA,
      parse: JSON.parse,
      function: weather.run,
    },
  },
];

async function runTools(server, stream) {
  const weather = new Weather(server.call);
  const runner = openaiOf(server).chat.completions.runTools({
    model: server.model,
    messages: [{ role: 'user', content: weather.question }],
    tools: chatTools(weather),
    stream,
  });
  weather.check(await runner.finalContent());
}

async function responsesWithTools(server, answerOf) {
  const weather = new Weather(server.call);
  const tools = [{ type: 'function', name: NAME, parameters: SCHEMA, strict: true }];
  const input = [{ role: 'user', content: weather.question }];
  for (let round = 0; round < 4; round++) {
    const answer = await answerOf(openaiOf(server), { model: server.model, input, tools });
    const calls = answer.output.filter((item) => item.type === 'function_call');
    if (calls.length === 0) return weather.check(answer.output_text);
    input.push(...answer.output);
    for (const { call_id, arguments: args } of calls)
      input.push({
        type: 'function_call_output',
        call_id,
        output: weather.run(JSON.parse(args)),
      });
  }
  assert.fail('the loop does not end');
}

const openai = {
  chat: async (server) => {
    const { choices, usage } = await openaiOf(server).chat.completions.create({
      model: server.model,
      messages,
    });
    assert.equal(choices[0].message.content, TEXT);
    assert.equal(choices[0].finish_reason, 'stop');
    assert.ok(usage.total_tokens > 0);
  },
  'chat, stream helper': async (server) => {
    const stream = openaiOf(server).chat.completions.stream({ model: server.model, messages });
    const text = await collect(stream, (chunk) => chunk.choices[0]?.delta.content);
    assert.equal(text, TEXT);
    assert.equal(await stream.finalContent(), TEXT);
  },
  'chat, runTools': (server) => runTools(server, false),
  'chat, runTools streamed': (server) => runTools(server, true),
  'chat, parse (structured)': async (server) => {
    const answer = await openaiOf(server).chat.completions.parse({
      model: server.model,
      messages: [{ role: 'user', content: ASK_REPORT }],
      response_format: zodResponseFormat(Report, 'report'),
    });
    assert.deepEqual(answer.choices[0].message.parsed, REPORT);
  },
  responses: async (server) => {
    const body = { model: server.model, input: QUESTION, instructions: 'Be brief.' };
    assert.equal((await openaiOf(server).responses.create(body)).output_text, TEXT);
  },
  'responses, streamed': async (server) => {
    const stream = openaiOf(server).responses.stream({ model: server.model, input: QUESTION });
    const ofText = (event) => event.type === 'response.output_text.delta' && event.delta;
    assert.equal(await collect(stream, (event) => ofText(event) || ''), TEXT);
    assert.equal((await stream.finalResponse()).output_text, TEXT);
  },
  'responses, tools': (server) =>
    responsesWithTools(server, (client, body) => client.responses.create(body)),
  'responses, tools streamed': (server) =>
    responsesWithTools(server, (client, body) => client.responses.stream(body).finalResponse()),
  'responses, parse (structured)': async (server) => {
    const answer = await openaiOf(server).responses.parse({
      model: server.model,
      input: ASK_REPORT,
      text: { format: zodTextFormat(Report, 'report') },
    });
    assert.deepEqual(answer.output_parsed, REPORT);
  },
  'responses, previous_response_id': async (server) => {
    const client = openaiOf(server);
    const first = await client.responses.create({ model: server.model, input: '!echo one' });
    const more = { previous_response_id: first.id, input: QUESTION };
    const second = await client.responses.create({ model: server.model, ...more });
    assert.equal(second.output_text, TEXT);
  },
};

// ---- Anthropic's ----

const anthropicOf = ({ url, key }) =>
  new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 30000 });

const textOf = (message) =>
  message.content
    .filter((block) => block.type === 'text')
    .map((block) => block.text)
    .join('');

async function toolRunner(server, stream) {
  const weather = new Weather(server.call);
  const runner = anthropicOf(server).beta.messages.toolRunner({
    model: server.model,
    max_tokens: 1000,
    messages: [{ role: 'user', content: weather.question }],
    tools: [
      {
        type: 'custom',
        name: NAME,
        description: DESCRIPTION,
        input_schema: SCHEMA,
        parse: (input) => input,
        run: weather.run,
      },
    ],
    stream,
  });
  weather.check(textOf(await runner.runUntilDone()));
}

const anthropic = {
  messages: async (server) => {
    const body = { model: server.model, max_tokens: 1000, system: 'Be brief.', messages };
    const message = await anthropicOf(server).messages.create(body);
    assert.equal(textOf(message), TEXT);
    assert.equal(message.stop_reason, 'end_turn');
    assert.ok(message.usage.output_tokens > 0);
  },
  'messages, stream helper': async (server) => {
    const body = { model: server.model, max_tokens: 1000, messages };
    const stream = anthropicOf(server).messages.stream(body);
    let text = '';
    stream.on('text', (piece) => (text += piece));
    assert.equal(await stream.finalText(), TEXT);
    assert.equal(text, TEXT);
  },
  'messages, thinking streamed': async (server) => {
    const stream = anthropicOf(server).messages.stream({
      model: server.model,
      max_tokens: 4000,
      thinking: { type: 'enabled', budget_tokens: 2000 },
      messages: [{ role: 'user', content: `!think deep thoughts\n${say(TEXT)}` }],
    });
    const { content } = await stream.finalMessage();
    assert.deepEqual(content.map((block) => block.thinking ?? block.text), ['deep thoughts', TEXT]);
  },
  'messages, toolRunner': (server) => toolRunner(server, false),
  'messages, toolRunner streamed': (server) => toolRunner(server, true),
  'messages, parse (structured)': async (server) => {
    const message = await anthropicOf(server).messages.parse({
      model: server.model,
      max_tokens: 1000,
      messages: [{ role: 'user', content: ASK_REPORT }],
      output_config: { format: zodOutputFormat(Report) },
    });
    assert.deepEqual(message.parsed_output, REPORT);
  },
  count_tokens: async (server) => {
    const body = { model: server.model, messages };
    const { input_tokens: tokens } = await anthropicOf(server).messages.countTokens(body);
    assert.ok(tokens > 5 && tokens < 100, `${tokens} tokens`);
  },
};

// ---- Vercel's ----

/** `report` is a prompt whose answer is the report: `asTool` where that is a call of a tool. */
const vercel = (modelOf, { asTool = false } = {}) => {
  const report = (server) => (asTool ? `Report!\n${server.call('json', REPORT)}` : ASK_REPORT);
  const options = (server, prompt) => ({
    model: modelOf({ name: 'gw', url: server.url, apiKey: server.key }, server.model),
    maxRetries: 0,
    prompt,
  });
  const withTools = (server, weather) => ({
    ...options(server, weather.question),
    stopWhen: stepCountIs(5),
    tools: {
      [NAME]: tool({ description: DESCRIPTION, inputSchema: City, execute: weather.run }),
    },
  });
  return {
    streamText: async (server) => {
      const errors = [];
      const onError = ({ error }) => errors.push(error);
      const { textStream } = streamText({ ...options(server, QUESTION), onError });
      const text = await collect(textStream);
      if (errors.length > 0) throw errors[0];
      assert.equal(text, TEXT);
    },
    'tools loop (generateText)': async (server) => {
      const weather = new Weather(server.call);
      weather.check((await generateText(withTools(server, weather))).text);
    },
    'tools loop (streamText)': async (server) => {
      const weather = new Weather(server.call);
      const errors = [];
      const onError = ({ error }) => errors.push(error);
      const result = streamText({ ...withTools(server, weather), onError });
      await result.consumeStream();
      if (errors.length > 0) throw errors[0];
      weather.check(await result.text);
    },
    generateObject: async (server) => {
      const params = { ...options(server, report(server)), schema: Report };
      assert.deepEqual((await generateObject(params)).object, REPORT);
    },
    streamObject: async (server) => {
      const errors = [];
      const onError = ({ error }) => errors.push(error);
      const params = { ...options(server, report(server)), schema: Report, onError };
      const result = streamObject(params);
      await collect(result.partialObjectStream, () => '');
      if (errors.length > 0) throw errors[0];
      assert.deepEqual(await result.object, REPORT);
    },
  };
};

const v1 = ({ name, url, apiKey }) => ({ name, baseURL: `${url}/v1`, apiKey });

// ---- LangChain's ----

const langchainOf = ({ url, key, model }, more = {}) =>
  new ChatOpenAI({
    model,
    apiKey: key,
    maxRetries: 0,
    configuration: { baseURL: `${url}/v1` },
    ...more,
  });

const agentOf = (server, weather, more) =>
  createAgent({
    model: langchainOf(server, more),
    tools: [
      langchainTool(weather.run, { name: NAME, description: DESCRIPTION, schema: City }),
    ],
  });

const asked = (content) => ({ messages: [new HumanMessage(content)] });

async function agent(server, more) {
  const weather = new Weather(server.call);
  const result = await agentOf(server, weather, more).invoke(asked(weather.question));
  weather.check(result.messages.at(-1).text);
}

async function structured(server, method, content) {
  const model = langchainOf(server).withStructuredOutput(Report, { method, name: 'report' });
  assert.deepEqual(await model.invoke(content), REPORT);
}

const langchain = {
  invoke: async (server) => assert.equal((await langchainOf(server).invoke(QUESTION)).text, TEXT),
  stream: async (server) => {
    const stream = await langchainOf(server).stream(QUESTION);
    assert.equal(await collect(stream, (chunk) => chunk.text), TEXT);
  },
  'invoke (responses)': async (server) => {
    const model = langchainOf(server, { useResponsesApi: true });
    assert.equal((await model.invoke(QUESTION)).text, TEXT);
  },
  'tool agent': (server) => agent(server),
  'tool agent (responses)': (server) => agent(server, { useResponsesApi: true }),
  'tool agent streamed': async (server) => {
    const weather = new Weather(server.call);
    const its = agentOf(server, weather, { streaming: true });
    const pieces = await its.stream(asked(weather.question), { streamMode: 'messages' });
    let last;
    let text = '';
    for await (const [piece] of pieces) {
      if (piece.type !== 'ai') continue;
      text = piece.id === last ? text + piece.text : piece.text;
      last = piece.id;
    }
    weather.check(text);
  },
  'structured (jsonSchema)': (server) => structured(server, 'jsonSchema', ASK_REPORT),
  'structured (functionCalling)': (server) =>
    structured(server, 'functionCalling', `Report!\n${server.call('report', REPORT)}`),
  'structured (jsonMode)': (server) => structured(server, 'jsonMode', ASK_REPORT),
};

/**
 * client -> { package, features: { name: async (server) } }; a feature throws where it does not
 * work. `server` is { url, key, model, call }: `call(name, arguments)` is what a prompt ends with
 * to have the upstream call a tool.
 */
export const CLIENTS = {
  openai: { library: 'openai', features: openai },
  '@anthropic-ai/sdk': { library: '@anthropic-ai/sdk', features: anthropic },
  'ai, @ai-sdk/openai': {
    library: '@ai-sdk/openai',
    features: vercel((server, model) => createOpenAI(v1(server))(model)),
  },
  'ai, @ai-sdk/openai, chat': {
    library: '@ai-sdk/openai',
    features: vercel((server, model) => createOpenAI(v1(server)).chat(model)),
  },
  'ai, @ai-sdk/openai-compatible': {
    library: '@ai-sdk/openai-compatible',
    features: vercel((server, model) =>
      createOpenAICompatible({ ...v1(server), supportsStructuredOutputs: true })(model),
    ),
  },
  'ai, @ai-sdk/anthropic': {
    library: '@ai-sdk/anthropic',
    // Of a model that it does not know it asks for a call of a tool, which is named so.
    features: vercel((server, model) => createAnthropic(v1(server))(model), { asTool: true }),
  },
  '@langchain/openai': { library: '@langchain/openai', features: langchain },
};
