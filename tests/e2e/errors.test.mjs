// SPDX-License-Identifier: Apache-2.0
// What the gateway itself refuses: wrong requests, limits, too many, too slow (interface.md,
// "Errors" and "Decided"). What upstreams do wrong is in upstream_errors.test.mjs.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertBrokenOff, assertError } from './lib/errors.mjs';
import { CANARY, KEY, finish, gate, onEnd, pair, until, world } from './lib/harness.mjs';
import { RawSocket, askOnce, requestText } from './lib/raw.mjs';
import { deltas, finished, piece, running } from './lib/upstream.mjs';

let sim, gw, slow;

const user = (content) => [{ role: 'user', content }];

/** Two requests that stop in the middle, and one that trickles; their 408 comes long after. */
async function beginSlowly() {
  const head = await RawSocket.open(gw.port);
  head.send('POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Ty');
  const body = await RawSocket.open(gw.port);
  const headers = {
    Host: 'localhost',
    Authorization: `Bearer ${KEY}`,
    'Content-Type': 'application/json',
    'Content-Length': 100,
  };
  body.send(requestText('POST', '/v1/chat/completions', headers, '{"messages":'));
  const trickle = await RawSocket.open(gw.port);
  trickle.send(requestText('POST', '/v1/chat/completions', headers));
  const drip = setInterval(() => trickle.send(' '), 5000);
  onEnd(() => clearInterval(drip));
  return { head, body, trickle };
}

/** A gateway with `env` that streams an answer, which ends when end.open() is called. */
async function inTheMiddle(env) {
  const { upstream, gw } = await pair(env);
  const end = gate();
  upstream.answer = () => [running, piece('one '), end.opened, piece('two'), finished];
  const stream = await gw.stream({ messages: user('the first') });
  await stream.readUntil((chunk) => chunk.choices[0].delta.content);
  upstream.answer = () => deltas('an answer');
  return { upstream, gw, stream, end };
}

before(async () => {
  ({ sim, gw } = await world());
  slow = await beginSlowly();
});
after(finish);

const deep = '['.repeat(5000) + ']'.repeat(5000);

describe('a body that is no proper request is refused with 400', () => {
  const notJson = {
    empty: '',
    'a brace': '{',
    'a string': '"hello"',
    'an array': '[]',
    null: 'null',
    'a trailing comma': '{"messages":[],}',
    'something behind it': '{"messages":[{"role":"user","content":"x"}]} x',
    'single quotes': "{'messages':[]}",
    'a control character': '{"messages":[{"role":"user","content":"a\u0001b"}]}',
    'invalid UTF-8': Buffer.from('{"messages":[{"role":"user","content":"\xff"}]}', 'latin1'),
    'half a surrogate pair': '{"messages":[{"role":"user","content":"\\ud83d"}]}',
    'the other half': '{"messages":[{"role":"user","content":"\\ude00 x"}]}',
    'nesting without end': '['.repeat(200_000),
    'deep nesting': `{"messages":[{"role":"user","content":"x"}],"x":${deep}}`,
    'a number with a leading zero': '{"n":01,"messages":[{"role":"user","content":"x"}]}',
  };
  for (const [name, body] of Object.entries(notJson))
    test(name, async () => {
      assertError(await gw.post(body), { status: 400, shouldRetry: undefined });
    });

  const hello = { role: 'user', content: 'hello' };
  const rows = [
    [{}, 'messages'],
    [{ messages: null }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: {} }, 'messages'],
    [{ messages: 'hello' }, 'messages'],
    [{ messages: ['hello'] }, 'messages[0]'],
    [{ messages: [{ content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 5, content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content'],
    [{ messages: [hello, hello, { role: 'user', content: { a: 1 } }] }, 'messages[2].content'],
    [{ messages: [{ role: 'user', content: ['x'] }] }, 'messages[0].content[0]'],
    [{ messages: [hello], stream: 'true' }, 'stream'],
    [{ messages: [hello], stream: 1 }, 'stream'],
    [{ messages: [hello], model: 5 }, 'model'],
    [{ messages: [hello], model: ['GPT5'] }, 'model'],
    [{ messages: [hello], stream: true, stream_options: 'usage' }, 'stream_options'],
    [
      { messages: [hello], stream: true, stream_options: { include_usage: 'yes' } },
      'stream_options.include_usage',
    ],
    [{ messages: [hello], n: 0 }, 'n'],
    [{ messages: [hello], n: 'two' }, 'n'],
  ];
  for (const [body, param] of rows)
    test(`${JSON.stringify(body)} names ${param}`, async () => {
      const { message } = assertError(await gw.post(body), { status: 400, param, code: null });
      assert.ok(message.includes(param.split(/[.[]/)[0]), message);
    });

  test('an image, which this upstream cannot take, is named and not dropped', async () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0=' } };
    const content = [{ type: 'text', text: 'look' }, image];
    const answer = await gw.post({ messages: [hello, { role: 'user', content }] });
    const { param } = assertError(answer, { status: 400 });
    assert.ok(param.startsWith('messages[1].content[1]'), param);
  });

  test('streamed or not makes no difference', async () => {
    const answer = await gw.post({ stream: true, messages: [{ content: 'x' }] });
    assertError(answer, { status: 400, param: 'messages[0].role' });
  });

  test('none of it reached the upstream', async () => {
    assert.deepEqual(await sim.posts(), []);
  });
});

describe('a prompt that is too long', () => {
  const tooLong = { status: 400, code: 'context_length_exceeded' };

  test('in characters is refused, and one of just the limit goes through', async () => {
    assert.equal((await gw.post({ messages: user('x'.repeat(20_000)) })).status, 200);
    assertError(await gw.post({ messages: user('x'.repeat(20_001)) }), tooLong);
    assertError(await gw.post({ stream: true, messages: user('x'.repeat(20_001)) }), tooLong);
  });

  test('in bytes is refused', async () => {
    assert.equal((await gw.post({ messages: user('\u4f60'.repeat(10_000)) })).status, 200);
    assertError(await gw.post({ messages: user('\u4f60'.repeat(12_000)) }), tooLong);
  });

  test('as a whole conversation is refused', async () => {
    const messages = [];
    for (let i = 0; i < 5; i++)
      messages.push(...user('y'.repeat(5000)), { role: 'assistant', content: `old ${i}` });
    assertError(await gw.post({ messages: [...messages, ...user('end')] }), tooLong);
  });

  test('goes through when the limits are lifted', async () => {
    const lifted = await world({
      env: { ENGINELABS_MAX_PROMPT_CHARS: 0, ENGINELABS_MAX_PROMPT_BYTES: 0 },
      settings: { max_message_bytes: 0, max_message_chars: 0 },
    });
    const prompt = '\u4f60'.repeat(50_000);
    assert.equal((await lifted.gw.post({ messages: user(prompt) })).status, 200);
    assert.ok((await lifted.sim.posts())[0].prompt === prompt);
  });

  test('for the upstream alone (413) is the same to the client, and not sent again', async () => {
    const own = await world();
    await own.sim.fault({ where: 'post', status: 413, times: -1 });
    assertError(await own.gw.post({ messages: user('hello') }), tooLong);
    assert.equal((await own.sim.posts()).length, 1);
  });

  test('is trimmed when the settings say so, and the answer tells', async () => {
    const own = await world({ env: { ENGINELABS_OVERFLOW: 'trim' } });
    const messages = [{ role: 'system', content: 'SYSTEM stays' }];
    for (let i = 0; i < 8; i++)
      messages.push(...user(`turn ${i} ${'z'.repeat(4000)}`), { role: 'assistant', content: 'a' });
    const answer = await own.gw.post({ messages: [...messages, ...user('LAST question')] });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(Number(answer.headers['x-trimmed-messages']) > 0, 'x-trimmed-messages');
    const [{ prompt }] = await own.sim.posts();
    assert.match(prompt, /LAST question/);
    assert.match(prompt, /SYSTEM stays/);
    assert.doesNotMatch(prompt, /turn 0 /);
  });
});

describe('keys, models, paths', () => {
  test('a missing key is 401, a wrong one 403', async () => {
    const { key } = gw;
    gw.key = undefined;
    assertError(await gw.post({}), { status: 401, code: 'missing_api_key' });
    gw.key = 'wrong';
    assertError(await gw.post({}), { status: 403, code: 'invalid_api_key' });
    gw.key = key;
  });

  test('an unknown model is 404 and never sent on', async () => {
    for (const stream of [false, true]) {
      const answer = await gw.post({ model: 'gpt-unknown', stream, messages: user('x') });
      assertError(answer, { status: 404, code: 'model_not_found' });
    }
    assertError(await gw.get('/v1/models/gpt-unknown'), { status: 404, code: 'model_not_found' });
    assert.ok((await sim.posts()).every((post) => post.adapter === 'ClaudeSonnet4_5'));
  });

  test('an unknown path is 404, a wrong method 405 with Allow', async () => {
    assertError(await gw.get('/v1/nothing'), { status: 404 });
    assertError(await gw.get('/v1/'), { status: 404 });
    const wrong = await gw.get('/v1/chat/completions');
    assertError(wrong, { status: 405 });
    assert.match(wrong.headers.allow, /POST/);
    const models = await gw.post({}, { path: '/v1/models' });
    assertError(models, { status: 405 });
    assert.match(models.headers.allow, /GET/);
    assert.match(models.headers.allow, /HEAD/);
  });
});

describe('too much', () => {
  test('a body beyond MAX_BODY_BYTES is 413', async () => {
    const own = await world({ env: { MAX_BODY_BYTES: '4KiB' } });
    const big = { messages: user('x'.repeat(5000)) };
    assertError(await own.gw.post(big), { status: 413 });
    const chunked = { headers: { 'transfer-encoding': 'chunked' } };
    assertError(await own.gw.post(big, chunked), { status: 413 });
    assert.equal((await own.gw.post({ messages: user('x'.repeat(3000)) })).status, 200);
  });

  /** As a blocking client does it: everything is sent before a byte is read. */
  async function sendThenRead(port, path, headers, body) {
    const raw = await RawSocket.open(port);
    raw.socket.pause();
    const length = { 'Content-Length': body.length };
    raw.send(requestText('POST', path, { Host: 'localhost', ...headers, ...length }));
    await new Promise((resolve, reject) => {
      raw.socket.write(body, (error) => (error ? reject(error) : resolve()));
    });
    raw.socket.resume();
    const answer = await raw.response();
    await raw.ended();
    raw.close();
    return answer;
  }

  test('a refusal arrives, however much its request still sends', async () => {
    const own = await world({ env: { MAX_CONNECTIONS: 4, WORKERS: 1 } });
    const held = [];
    for (let i = 0; i < 4; i++) held.push(await RawSocket.open(own.gw.port));
    const key = { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' };
    const chat = '/v1/chat/completions';
    const rows = [
      [gw.port, chat, {}, [1, 3, 34], 401],
      [gw.port, chat, { Authorization: 'Bearer wrong' }, [1, 3, 40], 403],
      [gw.port, '/nowhere', key, [1, 3, 34], 404],
      [gw.port, chat, key, [33, 70], 413],
      [own.gw.port, chat, key, [1, 34], 503],
    ];
    for (const [port, path, headers, sizes, status] of rows)
      for (const size of sizes) {
        const body = Buffer.alloc(size << 20, ' ');
        const what = `${status} to ${size} MiB`;
        assert.equal((await sendThenRead(port, path, headers, body)).status, status, what);
        const fetched = await fetch(`http://127.0.0.1:${port}${path}`, {
          method: 'POST',
          headers,
          body,
        });
        assert.equal(fetched.status, status, `${what}, by fetch`);
        assert.ok((await fetched.json()).error.message);
      }
    for (const raw of held) raw.close();
  });

  test('a refusal ends the connection of who waits with the body, at once', async () => {
    const raw = await RawSocket.open(gw.port);
    const headers = { Host: 'localhost', Expect: '100-continue', 'Content-Length': 3 << 20 };
    raw.send(requestText('POST', '/v1/chat/completions', headers));
    const answer = await raw.response();
    assert.equal(answer.status, 401);
    assert.equal(answer.headers.connection, 'close');
    await raw.ended(4000); // who sends on is given 5 s
    raw.close();
  });

  test('headers without measure are 431', async () => {
    assertError(await gw.get('/v1/models', { 'x-big': 'x'.repeat(150_000) }), { status: 431 });
  });

  test('a hundred headers are taken, one more is 431', async () => {
    const ofMany = (n) => {
      const more = Array.from({ length: n - 2 }, (_, i) => [`X-${i}`, 'v']);
      const headers = { Host: 'localhost', Authorization: `Bearer ${KEY}` };
      return requestText('GET', '/v1/models', { ...headers, ...Object.fromEntries(more) });
    };
    assert.equal((await askOnce(gw.port, ofMany(100))).status, 200);
    for (const n of [101, 2000]) assertError(await askOnce(gw.port, ofMany(n)), { status: 431 });
  });

  test('beyond MAX_CONNECTIONS is 503 with Retry-After, until some leave', async () => {
    const own = await world({ env: { MAX_CONNECTIONS: 4, WORKERS: 1 } });
    const held = [];
    for (let i = 0; i < 4; i++) held.push(await RawSocket.open(own.gw.port));
    const fifth = await RawSocket.open(own.gw.port);
    const answer = await fifth.response();
    assertError(answer, { status: 503, code: 'overloaded' });
    assert.match(answer.headers['retry-after'], /^\d+$/);
    await fifth.ended();
    for (const raw of held) raw.close();
    await until(async () => (await own.gw.get('/healthz')).status === 200, 'it serves again');
  });

  test('beyond MEMORY_LIMIT new requests are 503, and those that run go on', async () => {
    const own = await inTheMiddle({ MEMORY_LIMIT: '16MiB', WORKERS: 1 });
    const held = [];
    const headers = {
      Host: 'localhost',
      Authorization: `Bearer ${KEY}`,
      'Content-Type': 'application/json',
      'Content-Length': 4 << 20,
    };
    const part = requestText('POST', '/v1/chat/completions', headers, ' '.repeat(3 << 20));
    await until(async () => {
      const raw = await RawSocket.open(own.gw.port);
      held.push(raw.send(part));
      const { status } = await own.gw.post({ messages: user('x') });
      return status === 503 || held.some((one) => one.received.includes('503 '));
    }, 'the memory is used up');
    own.end.open();
    await own.stream.whole();
    assert.equal(own.stream.text, 'one two');
    assert.deepEqual(own.stream.finishReasons, ['stop']);
    for (const raw of held) raw.close();
    await until(async () => (await own.gw.post({ messages: user('x') })).status === 200, 'again');
  });

  test('who only announces large bodies uses up no memory', async () => {
    const own = await world({ env: { MEMORY_LIMIT: '40MiB', WORKERS: 1 } });
    const headers = { Host: 'localhost', Authorization: `Bearer ${KEY}` };
    const length = { 'Content-Length': 32 << 20 };
    const held = [];
    for (let i = 0; i < 20; i++) {
      const raw = await RawSocket.open(own.gw.port);
      held.push(raw.send(requestText('POST', '/v1/chat/completions', { ...headers, ...length })));
    }
    const requests = async () => (await own.gw.metrics()).http_server_requests_total;
    await until(async () => (await requests()) >= 20, 'all are in');
    assert.equal((await own.gw.post({ messages: user('x') })).status, 200);
    for (const raw of held) {
      assert.equal(raw.received.length, 0);
      raw.close();
    }
  });

  test('all accounts busy beyond QUEUE_TIMEOUT is 429 queue_timeout', async () => {
    const own = await inTheMiddle({ ENGINELABS_MAX_PARALLEL: 1, QUEUE_TIMEOUT: 0.3 });
    const want = { status: 429, code: 'queue_timeout', shouldRetry: undefined };
    assertError(await own.gw.post({ messages: user('x') }), want);
    assertError(await own.gw.post({ stream: true, messages: user('x') }), want);
    assert.equal(own.upstream.posts.length, 1);
    own.end.open();
    await own.stream.whole();
    assert.deepEqual(own.stream.finishReasons, ['stop']);
    await until(async () => (await own.gw.post({ messages: user('x') })).status === 200, 'again');
  });

  test('who waits in the queue is served when there is room', async () => {
    const own = await world({ env: { ENGINELABS_MAX_PARALLEL: 1, QUEUE_TIMEOUT: 30 } });
    const answers = Array.from({ length: 6 }, (_, i) =>
      own.gw.post({ messages: user(`!pacing 50 5\n!echo answer ${i}`) }),
    );
    for (const [i, answer] of (await Promise.all(answers)).entries())
      assert.equal(answer.json().choices?.[0].message.content, `answer ${i}`, answer.text);
  });
});

describe('time', () => {
  test('API_REQUEST_TIMEOUT ends an answer that takes too long', async () => {
    const own = await world({ env: { API_REQUEST_TIMEOUT: 4 } });
    assert.equal((await own.gw.post({ messages: user('sign in') })).status, 200);
    const messages = user(`${CANARY}\n!frames 10000 every 50`);
    const want = { status: 504, code: 'upstream_timeout' };
    const [whole, stream] = await Promise.all([
      own.gw.post({ messages }),
      own.gw.stream({ messages }).then((s) => s.whole()),
    ]);
    assertError(whole, { ...want, shouldRetry: 'false' });
    assertBrokenOff(stream, want);
    assert.match(stream.text, /^frame1 frame2 /);
    await own.sim.reset();
  });

  test('a request that comes too slowly is 408', async () => {
    for (const raw of [slow.head, slow.body, slow.trickle]) {
      const answer = await raw.response({ patience: 90_000 });
      assertError(answer, { status: 408 });
      await raw.ended();
    }
  });
});

describe('shutting down', () => {
  test('a request that comes then is 503 with Retry-After; what runs is finished', async () => {
    const own = await inTheMiddle({ SHUTDOWN_TIMEOUT: 60 });
    const late = await RawSocket.open(own.gw.port);
    const body = JSON.stringify({ messages: user('too late') });
    const headers = { Host: 'localhost', Authorization: `Bearer ${KEY}` };
    const type = { 'Content-Type': 'application/json', 'Content-Length': body.length };
    late.send(requestText('POST', '/v1/chat/completions', { ...headers, ...type }).slice(0, -2));
    await until(async () => (await own.gw.metrics()).http_server_connections >= 3, 'both are in');
    own.gw.program.signal('SIGTERM');
    await until(() => own.gw.log.includes('shutting down'), 'it says so');
    const refused = () =>
      RawSocket.open(own.gw.port).then(
        () => false,
        () => true,
      );
    await until(refused, 'new connections are refused');
    late.send(`\r\n${body}`);
    const answer = await late.response();
    assertError(answer, { status: 503, code: 'overloaded' });
    assert.match(answer.headers['retry-after'], /^\d+$/);
    own.end.open();
    await own.stream.whole();
    assert.equal(own.stream.text, 'one two');
    assert.deepEqual(own.stream.finishReasons, ['stop']);
    assert.ok(own.stream.done);
    assert.deepEqual(await own.gw.program.end(), { code: 0, signal: null });
  });

  test('a request that is half sent when SHUTDOWN_TIMEOUT ends is 503', async () => {
    const own = await world({ env: { SHUTDOWN_TIMEOUT: 0.3 } });
    const headers = { Host: 'localhost', Authorization: `Bearer ${KEY}`, 'Content-Length': 100 };
    const text = requestText('POST', '/v1/chat/completions', headers, '{"messages":');
    const halves = [];
    for (const part of [text.slice(0, 40), text])
      halves.push((await RawSocket.open(own.gw.port)).send(part));
    await until(async () => (await own.gw.metrics()).http_server_requests_total >= 2, 'it came');
    own.gw.program.signal('SIGTERM');
    for (const raw of halves) {
      const answer = await raw.response();
      assertError(answer, { status: 503, code: 'overloaded' });
      assert.equal(answer.headers.connection, 'close');
      await raw.ended();
      raw.close();
    }
    assert.deepEqual(await own.gw.program.end(), { code: 0, signal: null });
  });

  test('what does not end within SHUTDOWN_TIMEOUT is cut, visibly', async () => {
    const own = await world({ env: { SHUTDOWN_TIMEOUT: 0.3 } });
    const stream = await own.gw.stream({ messages: user('!frames 1000 every 100') });
    await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    own.gw.program.signal('SIGTERM');
    await stream.whole();
    assertBrokenOff(stream, { status: 503, code: 'overloaded' });
    assert.equal(stream.broken, false, 'the error event is the end of a whole body');
    assert.deepEqual(await own.gw.program.end(), { code: 0, signal: null });
  });
});
