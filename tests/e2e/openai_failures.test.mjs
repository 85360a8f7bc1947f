// SPDX-License-Identifier: Apache-2.0
// What a server of OpenAI's format does wrong, as its official client sees it through the gateway:
// no failure may look like an answer, and no answer like a failure.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { CANARY, Gateway, finish, onEnd, run, tempDir, until } from './lib/harness.mjs';
import { PlainUpstream, read, reply } from './lib/plain.mjs';

const messages = [{ role: 'user', content: `${CANARY} hi` }];
const data = (value) => `data: ${JSON.stringify(value)}\n\n`;
const chunk = (...choices) => data({ id: 'c', object: 'chat.completion.chunk', choices });
const says = (content, index = 0) => chunk({ index, delta: { content }, finish_reason: null });
const ends = (index = 0) => chunk({ index, delta: {}, finish_reason: 'stop' });
const DONE = 'data: [DONE]\n\n';
const WHOLE = {
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hey' }, finish_reason: 'stop' }],
};

let first, second, gw, file;

before(async () => {
  first = await PlainUpstream.start();
  second = await PlainUpstream.start();
  file = path.join(tempDir(), 'gateway.yaml');
  const text = `
upstreams:
  - {name: one, provider: openai, base_url: "${first.url}", any_model: true}
  - {name: two, provider: openai, base_url: "${second.url}"}
models:
  - {name: alone, targets: [{upstream: one, model: m}]}
  - {name: both, targets: [{upstream: one, model: m}, {upstream: two, model: m}]}
`;
  fs.writeFileSync(file, text, { mode: 0o600 });
  first.handle = second.handle = reply({ detail: 'Not Found' }, 404);
  const env = { STORE_URL: 'memory:', STREAM_COMMIT_AFTER: '1', CIRCUIT_ERROR_PERCENT: '0' };
  gw = await Gateway.start({ args: ['--config', file], env });
});
after(finish);

beforeEach(() => {
  first.clear();
  second.clear();
  second.handle = reply(WHOLE);
});

/** Events in one piece; then the connection is cut, or the body ends. */
const stream =
  (text, isCut = false) =>
  async (request, response, seen) => {
    await read(seen);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(text, () => (isCut ? response.destroy() : response.end()));
  };

/** What the official client makes of a stream: { text, error }. */
async function ask(params) {
  const seen = { text: '', chunks: 0 };
  try {
    const client = gw.openai({ maxRetries: 0 });
    const answer = await client.chat.completions.create({ messages, stream: true, ...params });
    params.opened?.();
    for await (const { choices } of answer) {
      seen.chunks++;
      seen.text += choices[0]?.delta.content ?? '';
    }
  } catch (error) {
    seen.error = error;
  }
  return seen;
}

describe('a stream that fails is an error to the official client', () => {
  const rows = {
    'an event that is called an error': `event: error\n${data({ message: 'boom' })}`,
    'one that is no JSON': 'event: error\ndata: boom\n\n',
    'a list of errors': data({ error: ['boom'] }) + DONE,
    'an empty error': data({ error: {}, message: 'boom' }) + DONE,
    'an object that calls itself one': data({ object: 'error', message: 'boom', code: 400 }) + DONE,
    'an error': data({ error: { message: 'boom' } }) + DONE,
    'a text as an error': data({ error: 'boom' }) + DONE,
  };
  for (const [name, text] of Object.entries(rows))
    test(`${name}, in the middle and at the beginning`, async () => {
      first.handle = stream(says('a') + text);
      const late = await ask({ model: 'alone' });
      assert.equal(late.text, 'a');
      assert.match(late.error?.message ?? 'none', /boom/);
      first.handle = stream(text);
      const early = await gw.post({ model: 'alone', messages, stream: true });
      assert.ok(early.status >= 400, early.text);
      const { error } = early.json();
      assert.match(error.message ?? error, /boom/);
    });

  const pieces = { three: says('a') + ends(), 'an empty reason': null };
  pieces['an empty reason'] = chunk({ index: 0, delta: { content: 'a' }, finish_reason: '' });
  for (const [name, text] of Object.entries(pieces))
    test(`the connection dies: ${name}`, async () => {
      first.handle = stream(text, true);
      const { text: said, error } = await ask({ model: 'alone', n: name === 'three' ? 3 : 1 });
      assert.equal(said, 'a');
      assert.match(error?.message ?? 'none', /before the answer was complete/);
    });

  const bodies = [
    [422, { detail: [{ msg: 'boom' }] }],
    [429, { message: 'boom' }],
    [400, { object: 'error', message: 'boom' }],
    [404, { error: { message: 'boom' } }],
    [400, ['boom']],
  ];
  for (const [status, body] of bodies)
    test(`a late ${status} of ${JSON.stringify(body)}`, async () => {
      let opened;
      const isOpen = new Promise((resolve) => (opened = resolve));
      first.handle = async (...args) => {
        await isOpen;
        await reply(body, status)(...args);
      };
      const { chunks, error } = await ask({ model: 'alone', opened });
      assert.equal(chunks, 0);
      assert.match(error?.message ?? 'none', /boom/);
    });
});

describe('what is no completion is asked for elsewhere', () => {
  for (const body of [{}, { object: 'list', data: [{ id: 'm' }] }, { choices: [] }])
    test(JSON.stringify(body), async () => {
      first.handle = reply(body);
      const answer = await gw.post({ model: 'both', messages });
      assert.equal(answer.json().choices?.[0].message.content, 'hey', answer.text);
      assert.equal(answer.headers['x-upstream'], 'two');
    });

  test('a stream of [DONE] only', async () => {
    first.handle = stream(DONE);
    second.handle = stream(says('b') + ends() + DONE);
    assert.deepEqual(await ask({ model: 'both' }), { text: 'b', chunks: 2 });
  });
});

describe('a body that says what is wrong with the request', () => {
  const large = JSON.stringify({ detail: [{ msg: 'bad', input: 'y'.repeat(100 * 1024) }] });
  const rows = [
    [422, 'application/json', large],
    [400, 'text/html; charset=utf-8', '<h1>bad</h1>'],
    [404, 'application/json', '[1]'],
    [418, 'text/plain', 'a teapot\n'],
  ];
  for (const [status, type, body] of rows)
    test(`goes through as it is: ${status} ${type}`, async () => {
      first.handle = async (request, response, seen) => {
        await read(seen);
        response.writeHead(status, { 'content-type': type }).end(body);
      };
      for (const streamed of [false, true]) {
        const answer = await gw.post({ model: 'both', messages, stream: streamed });
        assert.equal(answer.status, status);
        assert.equal(answer.headers['content-type'], type);
        assert.equal(answer.text, body);
      }
      assert.equal(second.requests.length, 0);
      const path = '/v1/messages';
      const other = { model: 'both', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] };
      const told = await gw.post(other, { path });
      assert.equal(told.status, status);
      assert.equal(told.json().type, 'error', 'in the shape of the other format');
    });
});

test('sound goes out as it comes', async () => {
  let more;
  const isRead = new Promise((resolve) => (more = resolve));
  const sound = { audio: { data: 'QUJD', transcript: 'a' } };
  first.handle = async (request, response, seen) => {
    await read(seen);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chunk({ index: 0, delta: sound, finish_reason: null }));
    await isRead;
    response.end(ends() + DONE);
  };
  const client = gw.openai({ maxRetries: 0 });
  const answer = await client.chat.completions.create({ model: 'alone', messages, stream: true });
  const deltas = [];
  for await (const { choices } of answer) {
    deltas.push(choices[0].delta);
    more();
  }
  assert.deepEqual(deltas, [sound, {}]);
});

test('a connection that ends just as it is used again costs no answer', async () => {
  let requests = 0;
  const server = net.createServer((socket) => {
    let used = 0;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (!bytes.includes('chat/completions')) return;
      requests++;
      if (++used > 1) return void socket.destroy();
      const body = JSON.stringify(WHOLE);
      const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
      socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
    });
  });
  onEnd(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const own = path.join(tempDir(), 'gateway.yaml');
  const url = `http://127.0.0.1:${server.address().port}/v1`;
  const text = `upstreams:\n  - {name: s, provider: openai, base_url: "${url}", models: [m]}\n`;
  fs.writeFileSync(own, text, { mode: 0o600 });
  const env = { STORE_URL: 'memory:', WORKERS: '1' };
  const other = await Gateway.start({ args: ['--config', own], env });
  for (let i = 1; i <= 4; i++) {
    const answer = await other.post({ model: 'm', messages });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(requests, 2 * i - 1, 'each but the first is sent twice');
  }
});

test('an upstream that answers before it has read the request gets all of it', async () => {
  const pieces = [];
  let began;
  const isBegun = new Promise((resolve) => (began = resolve));
  first.handle = async (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(says('he'));
    await isBegun;
    for await (const piece of request) pieces.push(piece);
    response.end(says('y') + ends() + DONE);
  };
  const long = 'x'.repeat(12 << 20); // more than sockets hold
  const asked = [...messages, { role: 'user', content: long }];
  const client = gw.openai({ maxRetries: 0 });
  const params = { model: 'alone', messages: asked, stream: true };
  let text = '';
  for await (const { choices } of await client.chat.completions.create(params)) {
    text += choices[0]?.delta.content ?? '';
    began();
  }
  assert.equal(text, 'hey');
  assert.deepEqual(JSON.parse(Buffer.concat(pieces)).messages, asked);
});

test('an upstream without a list of models is ready, and no problem to check', async () => {
  first.handle = second.handle = reply({ detail: 'Not Found' }, 404);
  await until(async () => (await gw.get('/readyz')).status === 200, 'ready');
  const env = { ...gw.env, LISTEN: '127.0.0.1:0' };
  const told = await run(['check', '--config', file], { env });
  assert.match(told.stdout, /it lists none: those that are asked for are passed on/);
  assert.doesNotMatch(told.stdout, /PROBLEM/);
  assert.equal(told.code, 0, told.stdout + told.stderr);
});
