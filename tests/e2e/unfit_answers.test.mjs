// SPDX-License-Identifier: Apache-2.0
// Answers of a server of OpenAI's format that are none, or of another form than most, as clients of
// every dialect get them: what can be told is told, all else is an error and never an empty answer.

import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CANARY, Gateway, finish, tempDir } from './lib/harness.mjs';
import { PlainUpstream, read, reply } from './lib/plain.mjs';

const say = { role: 'user', content: `${CANARY} hi` };
const data = (value) => `data: ${JSON.stringify(value)}\n\n`;
const chunk = (...choices) => data({ id: 'c', object: 'chat.completion.chunk', choices });
const DONE = 'data: [DONE]\n\n';
const END = chunk({ index: 0, delta: {}, finish_reason: 'stop' });
const whole = (message, more = {}) => ({
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message, finish_reason: 'stop' }],
  ...more,
});
const schema = { type: 'object', properties: {} };

const PATHS = {
  chat: ['/v1/chat/completions', { messages: [say] }],
  messages: ['/v1/messages', { messages: [say], max_tokens: 99 }],
  responses: ['/v1/responses', { input: say.content }],
  completions: ['/v1/completions', { prompt: say.content }],
};
const TOOLS = {
  chat: { tools: [{ type: 'function', function: { name: 'f', parameters: schema } }] },
  messages: { tools: [{ name: 'f', input_schema: schema }] },
  responses: { tools: [{ type: 'function', name: 'f', parameters: schema }] },
  completions: {},
};

let upstream, gw;

before(async () => {
  upstream = await PlainUpstream.start();
  upstream.handle = reply({ detail: 'Not Found' }, 404);
  const file = path.join(tempDir(), 'gateway.yaml');
  const text = `
upstreams:
  - {name: one, provider: openai, base_url: "${upstream.url}"}
models:
  - {name: split, targets: [{upstream: one, model: m, split_think: true}]}
  - {name: plain, targets: [{upstream: one, model: m}]}
`;
  fs.writeFileSync(file, text, { mode: 0o600 });
  const env = { STORE_URL: 'memory:', CIRCUIT_ERROR_PERCENT: '0' };
  gw = await Gateway.start({ args: ['--config', file], env });
});
after(finish);

/** Events, and the end of the body. */
const events = (text) => async (request, response, seen) => {
  await read(seen);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(text);
};

async function post(dialect, more = {}, model = dialect === 'chat' ? 'split' : 'plain') {
  const [url, body] = PATHS[dialect];
  const answer = await fetch(gw.url + url, {
    method: 'POST',
    headers: { authorization: `Bearer ${gw.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, model, ...more }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

describe('a content of parts', () => {
  const parts = [
    { type: 'text', text: 'seen' },
    { type: 'text', text: 'Twice' },
  ];
  for (const dialect of Object.keys(PATHS)) {
    test(`is text in ${dialect}`, async () => {
      upstream.handle = reply(whole({ role: 'assistant', content: parts }));
      const answer = await post(dialect);
      assert.equal(answer.status, 200, answer.text);
      assert.match(answer.text, /"seenTwice"/);
    });
    test(`is text in a stream of ${dialect}`, async () => {
      upstream.handle = events(chunk({ index: 0, delta: { content: parts } }) + END + DONE);
      const answer = await post(dialect, { stream: true });
      assert.match(answer.text, /"seen"/);
      assert.match(answer.text, /"Twice"/);
    });
  }
});

describe('what is no answer is an error', () => {
  const good = { role: 'assistant', content: 'x' };
  const image = { type: 'image_url', image_url: { url: 'data:,' } };
  const nameless = [{ id: 'a', type: 'function', function: { arguments: '{}' } }];
  const broken = [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"a":' } }];
  const odd = [{ id: 'a', type: 'function', function: { name: 'f', arguments: 5 } }];
  const ended = (message) => ({
    choices: [{ index: 0, message, finish_reason: 'tool_calls' }],
  });
  const rows = {
    'a call whose arguments are a number': whole({ content: null, tool_calls: odd }),
    'calls that are a text': ended({ content: null, tool_calls: 'f' }),
    'calls that are none': ended({ content: 'I call.', tool_calls: [] }),
    'a content with an image': whole({ content: [image] }),
    'a content of a part that is no object': whole({ content: ['text'] }),
    'a number as content': whole({ content: 1 }),
    'an object as content': whole({ content: { text: 'x' } }),
    'a message that is null': whole(null),
    'no message': whole(undefined),
    'only choice 1': { choices: [{ index: 1, message: good, finish_reason: 'stop' }] },
    'no choices': { choices: [] },
    'a call without a name': whole({ content: null, tool_calls: nameless }),
    'a call with broken arguments': whole({ content: null, tool_calls: broken }),
  };
  for (const [name, body] of Object.entries(rows))
    for (const dialect of Object.keys(PATHS))
      test(`${name}: ${dialect}`, async () => {
        upstream.handle = reply(body);
        const answer = await post(dialect, TOOLS[dialect]);
        assert.equal(answer.status, 502, answer.text);
        if (dialect !== 'messages') assert.match(answer.text, /upstream_protocol/);
      });

  const streams = {
    'parts that are no text': chunk({ index: 0, delta: { content: [image] } }) + END + DONE,
    'a call with broken arguments': chunk({ index: 0, delta: { tool_calls: broken } }) + END + DONE,
    'a call without a name': chunk({ index: 0, delta: { tool_calls: nameless } }) + END + DONE,
    'a call whose arguments are a number':
      chunk({ index: 0, delta: { tool_calls: odd } }) + END + DONE,
    'calls that are none': chunk({ index: 0, delta: {}, finish_reason: 'tool_calls' }) + DONE,
    'no finish_reason': chunk({ index: 0, delta: { content: 'a' } }) + DONE,
    'only choice 1': chunk({ index: 1, delta: { content: 'a' }, finish_reason: 'stop' }) + DONE,
  };
  const ends = /"finish_reason":"|message_stop|response\.completed/;
  for (const [name, body] of Object.entries(streams))
    for (const dialect of Object.keys(PATHS))
      test(`${name}: a stream of ${dialect}`, async () => {
        upstream.handle = events(body);
        const answer = await post(dialect, { stream: true, ...TOOLS[dialect] });
        assert.match(answer.text, /upstream_protocol|upstream_interrupted|api_error/);
        assert.doesNotMatch(answer.text, ends);
      });
});

describe('a call that ends with stop is told as one, also where the answer is shaped', () => {
  const tool_calls = [{ index: 0, id: 'a', type: 'function', function: { name: 'f' } }];
  const told = { chat: '"finish_reason":"tool_calls"', messages: '"stop_reason":"tool_use"' };
  for (const dialect of Object.keys(told)) {
    test(`whole: ${dialect}`, async () => {
      upstream.handle = reply(whole({ content: null, tool_calls }));
      const answer = await post(dialect, TOOLS[dialect], 'split');
      assert.ok(answer.text.includes(told[dialect]), answer.text);
    });
    test(`streamed: ${dialect}`, async () => {
      upstream.handle = events(chunk({ index: 0, delta: { tool_calls } }) + END + DONE);
      const answer = await post(dialect, { stream: true, ...TOOLS[dialect] }, 'split');
      assert.ok(answer.text.includes(told[dialect]), answer.text);
    });
  }
});

describe('arguments of streamed calls have a bound of 2 MiB together', () => {
  const say = (index, text, more) =>
    chunk({ index: 0, delta: { tool_calls: [{ index, ...more, function: { ...text } }] } });
  /** Two calls with a string of `n` letters each. */
  const calls = (n) => {
    let text = '';
    for (const index of [0, 1]) {
      text += say(index, { name: 'f', arguments: '{"a":"' }, { id: `c${index}` });
      for (let left = n; left > 0; left -= 65536)
        text += say(index, { arguments: 'x'.repeat(Math.min(left, 65536)) });
      text += say(index, { arguments: '"}' });
    }
    return text + chunk({ index: 0, delta: {}, finish_reason: 'tool_calls' }) + DONE;
  };
  const half = 1024 * 1024 - '{"a":""}'.length;
  for (const dialect of ['chat', 'messages', 'responses'])
    test(dialect, async () => {
      upstream.handle = events(calls(half));
      const good = await post(dialect, { stream: true, ...TOOLS[dialect] });
      assert.match(good.text, /"finish_reason":"tool_calls"|message_stop|response\.completed/);
      upstream.handle = events(calls(half + 1));
      const bad = await post(dialect, { stream: true, ...TOOLS[dialect] });
      assert.match(bad.text, /in a stream, 2 MiB of their arguments/);
      assert.doesNotMatch(bad.text, /"finish_reason":"|message_stop|response\.completed/);
    });
  test('bytes that pass untouched have none', async () => {
    upstream.handle = events(calls(2 * half));
    const answer = await post('chat', { stream: true, ...TOOLS.chat }, 'plain');
    assert.match(answer.text, /"finish_reason":"tool_calls"/);
  });
});

describe('a call that nobody could ask for is an error', () => {
  const tool_calls = [{ index: 0, id: 'a', type: 'function', function: { name: 'f' } }];
  test('whole', async () => {
    upstream.handle = reply(whole({ content: 'x', tool_calls }));
    const answer = await post('completions');
    assert.equal(answer.status, 502, answer.text);
    assert.match(answer.text, /called a tool, although none was offered/);
  });
  test('streamed', async () => {
    upstream.handle = events(chunk({ index: 0, delta: { tool_calls } }) + END + DONE);
    const answer = await post('completions', { stream: true });
    assert.match(answer.text, /called a tool, although none was offered/);
    assert.doesNotMatch(answer.text, /"finish_reason":"/);
  });
});

describe('a usage that makes no sense is estimated', () => {
  const usages = [
    { prompt_tokens: '7', completion_tokens: '7' },
    { prompt_tokens: -1, completion_tokens: 3 },
    { prompt_tokens: 1e300, completion_tokens: 3 },
    { prompt_tokens: 1.5, completion_tokens: 2.5 },
    { prompt_tokens: 9007199254740991, completion_tokens: 3 },
    {},
  ];
  for (const usage of usages)
    test(JSON.stringify(usage), async () => {
      upstream.handle = reply(whole({ content: 'hey' }, { usage }));
      const said = JSON.parse((await post('chat')).text).usage;
      assert.equal(said.x_estimated, true);
      assert.ok(said.prompt_tokens > 0 && said.prompt_tokens < 100);
    });
});

test('an answer that was cut in its usage is whole, and its usage estimated', async () => {
  const begin = chunk({ index: 0, delta: { content: 'hey' }, finish_reason: 'stop' });
  upstream.handle = events(`${begin}data: {"choices":[],"usage":{"prompt_tok`);
  const answer = await post('chat', { stream: true, stream_options: { include_usage: true } });
  assert.match(answer.text, /"x_estimated":true/);
  assert.match(answer.text, /\[DONE\]/);
});

test('a compressed answer is named', async () => {
  upstream.handle = async (request, response, seen) => {
    await read(seen);
    const type = { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' };
    response.writeHead(200, type);
    response.end(zlib.gzipSync(END + DONE));
  };
  const answer = await post('messages', { stream: true });
  assert.equal(answer.status, 502);
  assert.match(answer.text, /content-encoding: gzip/);
});

describe('tools that nobody can call', () => {
  const named = (dialect, ...names) => ({
    tools: names.map((name) =>
      dialect === 'messages'
        ? { name, input_schema: schema }
        : dialect === 'responses'
          ? { type: 'function', name }
          : { type: 'function', function: { name } },
    ),
  });
  const choice = {
    chat: { type: 'function', function: { name: 'g' } },
    messages: { type: 'tool', name: 'g' },
    responses: { type: 'function', name: 'g' },
  };
  for (const dialect of Object.keys(choice)) {
    const at = dialect === 'chat' ? 'tools[1].function.name' : 'tools[1].name';
    for (const bad of ['', 'f', 'x'.repeat(257), 'a"b', 'a\nb'])
      test(`${JSON.stringify(bad.slice(0, 9))} is refused: ${dialect}`, async () => {
        const answer = await post(dialect, named(dialect, 'f', bad));
        assert.equal(answer.status, 400, answer.text);
        const { error } = JSON.parse(answer.text);
        if (dialect !== 'messages') assert.equal(error.param, at);
        assert.ok(error.message.startsWith(at));
      });
    test(`a choice that names none of them is refused: ${dialect}`, async () => {
      const params = { ...named(dialect, 'f'), tool_choice: choice[dialect] };
      const answer = await post(dialect, params);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, /tool_choice/);
    });
  }
  test('a capable upstream judges what it gets as it came', async () => {
    upstream.handle = reply(whole({ content: 'hey' }));
    const answer = await post('chat', { ...named('chat', 'f', 'f') }, 'plain');
    assert.equal(answer.status, 200, answer.text);
  });
});
