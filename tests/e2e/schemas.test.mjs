// SPDX-License-Identifier: Apache-2.0
// Every answer and every event of every dialect has the shape that the vendor's own client declares
// for it, on an upstream that speaks OpenAI's format and on one that only knows a prompt.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CANARY, finish, world } from './lib/harness.mjs';
import { NATIVE_MODEL, nativeWorld } from './lib/native.mjs';
import { assertShape } from './schemas/shapes.mjs';

after(finish);

const ANTHROPIC = { 'anthropic-version': '2023-06-01' };
const PARAMETERS = { type: 'object', properties: { at: { type: 'string' } } };

/** Each dialect: how it asks, and what its answers and events are. */
const DIALECTS = {
  chat: {
    path: '/v1/chat/completions',
    body: (content) => ({ messages: [{ role: 'user', content }] }),
    tools: [{ type: 'function', function: { name: 'look', parameters: PARAMETERS } }],
    limit: { max_tokens: 2 },
    streamed: { stream_options: { include_usage: true } },
    whole: 'ChatCompletion',
    event: () => 'ChatCompletionChunk',
    error: 'ErrorOfOpenAI',
  },
  completions: {
    path: '/v1/completions',
    body: (prompt) => ({ prompt }),
    limit: { max_tokens: 2 },
    streamed: { stream_options: { include_usage: true } },
    whole: 'Completion',
    event: () => 'CompletionChunk',
    error: 'ErrorOfOpenAI',
  },
  responses: {
    path: '/v1/responses',
    body: (input) => ({ input }),
    tools: [{ type: 'function', name: 'look', parameters: PARAMETERS, strict: true }],
    limit: { max_output_tokens: 2 },
    whole: 'OpenAIResponse',
    event: () => 'ResponseEvent',
    error: 'ErrorOfOpenAI',
    named: true,
  },
  messages: {
    path: '/v1/messages',
    body: (content) => ({ messages: [{ role: 'user', content }] }),
    tools: [{ name: 'look', input_schema: PARAMETERS }],
    limit: { max_tokens: 2 },
    thinks: { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 },
    whole: 'Message',
    event: ({ type }) => ({ ping: 'Ping', error: 'ErrorOfAnthropic' })[type] ?? 'MessageEvent',
    error: 'ErrorOfAnthropic',
    named: true,
  },
};

/** The events of a stream, each with its name if it has one; a last [DONE] is left out. */
function eventsOf(text) {
  const blocks = text.split('\n\n').filter((block) => block && !block.startsWith(':'));
  const events = blocks.map((block) => {
    const name = /^event: (.*)$/m.exec(block)?.[1];
    const data = /^data: (.*)$/m.exec(block)[1];
    return { name, data: data === '[DONE]' ? null : JSON.parse(data) };
  });
  return events.filter(({ data }) => data !== null);
}

const seen = {};

/** Asks once whole and once as a stream, and looks at all that comes: { answer, events }. */
async function look(gw, model, dialect, content, more = {}) {
  const { path, body, streamed, whole, event, error, named } = DIALECTS[dialect];
  const asked = { model, ...body(content), ...more };
  const options = { path, headers: dialect === 'messages' ? ANTHROPIC : {} };
  const answer = await gw.post(asked, options);
  assertShape(answer.status === 200 ? whole : error, answer.json());
  const stream = await gw.post({ ...asked, stream: true, ...streamed }, options);
  if (stream.status !== 200) {
    assertShape(error, stream.json());
    return { answer, events: [] };
  }
  const events = eventsOf(stream.text);
  assert.ok(events.length > 0);
  for (const { name, data } of events) {
    assertShape(data.error && !data.type ? error : event(data), data);
    assert.equal(name, named ? data.type : undefined);
    (seen[dialect] ??= new Set()).add(data.type ?? 'chunk');
  }
  return { answer: answer.json(), events: events.map(({ data }) => data) };
}

/** The same for what is to be answered. */
async function check(...args) {
  const found = await look(...args);
  assert.ok(found.events.length > 0, found.answer.text);
  return found;
}

const EVENTS = {
  responses: [
    ...['created', 'in_progress', 'completed', 'incomplete', 'failed'],
    ...['output_item.added', 'output_item.done', 'content_part.added', 'content_part.done'],
    ...['output_text.delta', 'output_text.done'],
    ...['reasoning_summary_part.added', 'reasoning_summary_part.done'],
    ...['reasoning_summary_text.delta', 'reasoning_summary_text.done'],
    ...['function_call_arguments.delta', 'function_call_arguments.done'],
    ...['custom_tool_call_input.delta', 'custom_tool_call_input.done'],
  ].map((name) => `response.${name}`),
  messages: [
    ...['message_start', 'message_delta', 'message_stop'],
    ...['content_block_start', 'content_block_delta', 'content_block_stop'],
  ],
};

for (const dialect of Object.keys(DIALECTS)) {
  const { tools, thinks = {}, limit, path } = DIALECTS[dialect];

  describe(dialect, () => {
    let native, prompt;
    before(async () => {
      ({ gw: native } = await nativeWorld());
      ({ gw: prompt } = await world());
    });

    test('text', async () => {
      await check(native, NATIVE_MODEL, dialect, `!echo ${CANARY}`);
      await check(prompt, 'GPT5', dialect, `!echo ${CANARY}`);
    });

    test('a text that is cut', async () => {
      await check(native, NATIVE_MODEL, dialect, '!echo one two three four five six', limit);
    });

    test('thoughts', async () => {
      const content = '!think deep\n!echo so';
      const { answer } = await check(native, NATIVE_MODEL, dialect, content, thinks);
      if (dialect === 'messages') assert.equal(answer.content[0].type, 'thinking');
      if (dialect === 'responses') assert.equal(answer.output[0].type, 'reasoning');
    });

    if (tools)
      test('tools', async () => {
        const content = '!tool look {"at":"the \\"sky\\""}';
        const { answer } = await check(native, NATIVE_MODEL, dialect, content, { tools });
        assert.ok(JSON.stringify(answer).includes('look'));
      });

    if (dialect === 'responses')
      test('custom tools', async () => {
        const more = { tools: [{ type: 'custom', name: 'look' }] };
        const content = '!tool look {"input":"the \\"sky\\""}';
        const { answer } = await check(native, NATIVE_MODEL, dialect, content, more);
        assert.equal(answer.output[0].input, 'the "sky"');
        const call = '<tool_call name="look">\n{"input":"the sea"}\n</tool_call>';
        const said = `!say ${JSON.stringify(call)}`;
        const { answer: other } = await check(prompt, 'GPT5', dialect, said, more);
        assert.equal(other.output[0].input, 'the sea');
      });

    test('refusals', async () => {
      for (const more of [{ model: 'none' }, { model: 7 }]) {
        const { answer } = await look(prompt, 'GPT5', dialect, 'x', more);
        assert.ok(answer.status >= 400);
      }
      assertShape(DIALECTS[dialect].error, (await prompt.post('{', { path })).json());
      const headers = { authorization: 'Bearer wrong' };
      assertShape(DIALECTS[dialect].error, (await prompt.post('{}', { path, headers })).json());
    });

    test('an answer that breaks off', async () => {
      const content = '!fault frames cancelled at=1\n!lorem 20';
      const { events } = await look(prompt, 'GPT5', dialect, content);
      assert.ok(events.some((event) => event.error || event.type === 'error'));
    });

    test('every kind of event was seen', () => {
      for (const name of EVENTS[dialect] ?? ['chunk']) assert.ok(seen[dialect].has(name), name);
    });
  });
}

test('kept responses, and counts', async () => {
  const { gw } = await world();
  const path = '/v1/responses';
  const first = (await gw.post({ model: 'GPT5', input: 'x' }, { path })).json();
  const input = [
    { role: 'user', content: [{ type: 'input_text', text: 'y' }] },
    { role: 'assistant', content: 'z' },
    { type: 'function_call', call_id: 'c', name: 'look', arguments: '{}' },
    { type: 'function_call_output', call_id: 'c', output: 'blue' },
    { type: 'custom_tool_call', call_id: 'd', name: 'free', input: 'x' },
    { type: 'custom_tool_call_output', call_id: 'd', output: 'y' },
  ];
  const body = { model: 'GPT5', input, previous_response_id: first.id };
  const { id } = (await gw.post(body, { path })).json();
  assertShape('OpenAIResponse', (await gw.get(`${path}/${id}`)).json());
  const items = (await gw.get(`${path}/${id}/input_items`)).json();
  assert.equal(items.data.length, 8);
  assertShape('ResponseItems', items);
  assertShape('ErrorOfOpenAI', (await gw.get(`${path}/resp_none`)).json());
  const count = { model: 'GPT5', messages: [{ role: 'user', content: 'x' }] };
  const counted = await gw.post(count, { path: '/v1/messages/count_tokens' });
  assertShape('Tokens', counted.json());
});

test('lists of models', async () => {
  const { gw } = await world();
  const anthropic = (await gw.get('/v1/models', ANTHROPIC)).json();
  assertShape('AnthropicModels', anthropic);
  const one = (await gw.get(`/v1/models/${anthropic.last_id}`, ANTHROPIC)).json();
  assertShape('AnthropicModel', one);
  assertShape('ErrorOfAnthropic', (await gw.get('/v1/models/none', ANTHROPIC)).json());
  const list = (await gw.get('/v1/models')).json();
  assertShape('Models', list);
  assertShape('OpenAIModel', (await gw.get(`/v1/models/${list.data[0].id}`)).json());
});
