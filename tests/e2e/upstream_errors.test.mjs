// SPDX-License-Identifier: Apache-2.0
// What an upstream does wrong, and what the client gets to see of it: with its own status before
// the answer has begun, as an error event after (interface.md, "Errors", "Streaming", "Decided").

import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import OpenAI from 'openai';
import { assertBrokenOff, assertError, assertErrorObject } from './lib/errors.mjs';
import { CANARY, Gateway, Simulator, finish, onEnd, until, world } from './lib/harness.mjs';

after(finish);

const user = (content) => [{ role: 'user', content: `${CANARY}\n${content}` }];
const unavailable = { status: 502, code: 'upstream_unavailable' };
const protocol = { status: 502, code: 'upstream_protocol' };
const interrupted = { status: 502, code: 'upstream_interrupted' };
const authFailed = { status: 502, code: 'upstream_auth_failed' };
const challenge = { status: 502, code: 'upstream_challenge' };
const timeout = { status: 504, code: 'upstream_timeout' };

/** A world in which something is wrong, asked twice: for a whole answer and for a stream. */
async function askBoth(options, faults, want, content = '!echo never seen') {
  const own = await world(options);
  if (faults.length > 0) await own.sim.fault(...faults.map((fault) => ({ times: -1, ...fault })));
  for (const stream of [false, true]) {
    const answer = await own.gw.post({ stream, messages: user(content) });
    assertError(answer, want);
    assert.doesNotMatch(answer.text, /never seen/);
  }
  return own;
}

describe('signing in', () => {
  const rows = [
    ['who has signed out', { where: 'token', kind: 'signed_out' }, authFailed],
    ['whose session is gone', { where: 'client', kind: 'signed_out' }, authFailed],
    ['who meets the browser check', { where: 'token', kind: 'challenge' }, challenge],
    ['who meets it at once', { where: 'client', kind: 'challenge', status: 503 }, challenge],
    ['that fails', { where: 'token', status: 500 }, unavailable],
    ['that is cut off', { where: 'token', kind: 'close' }, unavailable],
    ['that gives no JSON', { where: 'token', kind: 'invalid_json' }, protocol],
    ['that gives another shape', { where: 'token', kind: 'wrong_type' }, protocol],
    ['that gives nothing', { where: 'token', kind: 'no_body' }, protocol],
    ['that gives too much', { where: 'token', kind: 'huge', bytes: 33554432 }, protocol],
    ['that speaks no HTTP', { where: 'token', kind: 'garbage' }, protocol],
  ];
  for (const [name, fault, want] of rows)
    test(`of somebody ${name} is ${want.code}`, async () => {
      const { sim } = await askBoth({}, [fault], want);
      assert.deepEqual(await sim.posts(), [], 'no prompt was sent');
    });

  test('with a wrong cookie is upstream_auth_failed and says what to do', async () => {
    const sim = await Simulator.start();
    const env = { ...sim.env(), CLERK_COOKIE: '__client=eyJhbGciOiJSUzI1NiJ9.bm8.bm8' };
    const gw = await Gateway.start({ env });
    const { message } = assertError(await gw.post({ messages: user('x') }), authFailed);
    assert.match(message, /cookie/i);
  });

  test('again is done once when a token is refused', async () => {
    const { sim, gw } = await world();
    assert.equal((await gw.post({ messages: user('!echo a') })).status, 200);
    await sim.fault({ where: 'post', status: 401 });
    const answer = await gw.post({ messages: user('!echo b') });
    assert.equal(answer.json().choices?.[0].message.content, 'b', answer.text);
    assert.equal((await sim.log('token')).length, 2);
    assert.equal((await sim.posts()).length, 3);
  });

  test('again and again is not: 401 for ever is upstream_auth_failed', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'post', status: 401, times: -1 });
    assertError(await gw.post({ messages: user('x') }), authFailed);
    assert.equal((await sim.posts()).length, 2);
  });
});

describe('a prompt that is refused', () => {
  const quota = { status: 429, code: 'insufficient_quota' };
  const rows = [
    ['402', { status: 402 }, quota],
    ['403', { status: 403 }, quota],
    ['429 with Retry-After', { status: 429, retry_after: '7' }, { ...quota, retryAfter: '7' }],
    ['429 without', { status: 429 }, quota],
    ['503', { status: 503 }, unavailable],
    ['500', { status: 500 }, unavailable],
    ['a page of the browser check', { kind: 'challenge' }, challenge],
    ['another page of it', { kind: 'challenge', status: 503 }, challenge],
    ['a redirect', { kind: 'redirect' }, { status: 502 }],
    ['garbage', { kind: 'garbage' }, protocol],
  ];
  for (const [name, fault, want] of rows)
    test(`with ${name} is ${want.status} ${want.code ?? ''}`, async () => {
      const own = await world();
      await own.sim.fault({ where: 'post', times: -1, ...fault });
      assertError(await own.gw.post({ messages: user('x') }), want);
    });

  test('with 503 in the stream has its own status too', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'post', status: 503, times: -1 });
    assertError(await gw.post({ stream: true, messages: user('x') }), unavailable);
  });

  test('for its schema is given up after three tries', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'post', kind: 'schema', times: -1 });
    assertError(await gw.post({ messages: user('x') }), { status: 502 });
    const posts = await sim.posts();
    assert.equal(posts.length, 3);
    assert.equal(new Set(posts.map((post) => post.chat)).size, 3, 'each in a chat of its own');
  });

  test('does not stop others from being answered after it', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'post', status: 500, prompt: 'unlucky', times: -1 });
    assertError(await gw.post({ messages: user('unlucky') }), unavailable);
    assert.equal((await gw.post({ messages: user('lucky') })).status, 200);
  });
});

describe('an upstream that is not there', () => {
  async function closedPort() {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  for (const name of ['ENGINELABS_API_URL', 'CLERK_URL'])
    test(`is upstream_unavailable (${name})`, async () => {
      const env = { [name]: `http://127.0.0.1:${await closedPort()}` };
      await askBoth({ env }, [], unavailable);
    });

  test('by name either', async () => {
    const env = { ENGINELABS_API_URL: 'http://no-such-host.invalid' };
    const own = await world({ env: { ...env, UPSTREAM_CONNECT_TIMEOUT: 3 } });
    const answer = await own.gw.post({ messages: user('x') });
    assert.ok([502, 504].includes(answer.status), answer.text);
  });

  test('any more resets connections: upstream_unavailable', async () => {
    await askBoth({}, [{ where: 'accept', kind: 'reset' }], unavailable);
  });
});

describe('a socket', () => {
  const rows = [
    ['that is refused with 503', { status: 503 }, unavailable],
    ['behind the browser check', { kind: 'challenge' }, challenge],
    ['with the wrong accept key', { kind: 'wrong_accept' }, protocol],
    ['with an extension nobody asked for', { kind: 'extension' }, protocol],
    ['that is no WebSocket', { kind: 'no_upgrade' }, protocol],
    ['that speaks no HTTP', { kind: 'garbage' }, protocol],
    ['that is reset', { kind: 'reset' }, unavailable],
  ];
  for (const [name, fault, want] of rows)
    test(`${name} is ${want.code}`, async () => {
      await askBoth({}, [{ where: 'ws', ...fault }], want);
    });
});

describe('an answer', () => {
  const noReplay = '!set replay=none\n';

  test('that the upstream cancelled is never an answer', async () => {
    const { gw } = await world();
    const early = user('!echo nothing\n!fault frames cancelled at=0');
    assertError(await gw.post({ messages: early }), { ...interrupted, shouldRetry: 'false' });
    assertError(await gw.post({ stream: true, messages: early }), interrupted);
    const late = user('!echo one two three four five six seven\n!fault frames cancelled at=2');
    assertError(await gw.post({ messages: late }), { ...interrupted, shouldRetry: 'false' });
    const stream = await (await gw.stream({ messages: late })).whole();
    assertBrokenOff(stream, interrupted);
    assert.equal(stream.text, 'one two three four five six ');
  });

  const cuts = ['reset at=2', 'cut at=2', 'close at=2 code=1011', 'close at=2 code=1006'];
  for (const cut of cuts.slice(0, 3))
    test(`that breaks off (${cut}) and cannot be resumed is upstream_interrupted`, async () => {
      const { sim, gw } = await world({ settings: { replay: 'none' } });
      const messages = user(`!echo one two three four five six seven eight\n!fault frames ${cut}`);
      assertError(await gw.post({ messages }), { ...interrupted, shouldRetry: 'false' });
      const stream = await (await gw.stream({ messages })).whole();
      assertBrokenOff(stream, interrupted);
      assert.ok('one two three four five six seven eight'.startsWith(stream.text), stream.text);
      assert.equal((await sim.posts()).length, 2, 'no prompt was sent twice');
    });

  for (const cut of cuts.slice(0, 3))
    test(`that breaks off (${cut}) is whole or never passed off as such`, async () => {
      const { sim, gw } = await world();
      const text = Array.from({ length: 40 }, (_, i) => `word${i}`).join(' ');
      const messages = user(`!pacing 5 20\n!echo ${text}\n!fault frames ${cut}`);
      const stream = await (await gw.stream({ messages })).whole();
      assert.equal((await sim.posts()).length, 1);
      if (stream.done) {
        assert.equal(stream.text, text);
        assert.deepEqual(stream.finishReasons, ['stop']);
        return;
      }
      assert.ok(text.startsWith(stream.text) && stream.text.length < text.length);
      assertBrokenOff(stream, interrupted);
    });

  const harmless = ['not_json', 'unknown', 'bad_buffer', 'binary', 'pong', 'ping', 'label'];
  for (const kind of [...harmless, 'activity', 'echo', 'history'])
    test(`with a stray frame (${kind}) in it goes on`, async () => {
      const { gw } = await world();
      const before = (await gw.metrics()).enginelabs_frames_unknown_total;
      const messages = user(`!echo one two three four five six\n!fault frames ${kind} at=1`);
      const stream = await (await gw.stream({ messages })).whole();
      assert.equal(stream.text, 'one two three four five six');
      assert.deepEqual(stream.finishReasons, ['stop']);
      if (!['not_json', 'unknown', 'bad_buffer'].includes(kind)) return;
      const counted = async () => (await gw.metrics()).enginelabs_frames_unknown_total - before;
      await until(async () => (await counted()) === 1, 'it is counted');
    });

  for (const kind of ['bad_utf8', 'masked', 'reserved', 'endless', 'oversized bytes=33554432'])
    test(`that breaks the rules of WebSocket (${kind}) is nonsense, not an answer`, async () => {
      const { gw } = await world({ settings: { replay: 'none' } });
      const messages = user(`${noReplay}!echo one two three four\n!fault frames ${kind} at=1`);
      const want = { status: 502, code: 'upstream_protocol', shouldRetry: 'false' };
      assertError(await gw.post({ messages }), want);
    });

  test('without any text is an error', async () => {
    const { gw } = await world();
    const answer = await gw.post({ messages: user('!echo x\n!fault frames empty') });
    assertError(answer, { status: 502 });
  });

  test('that ends by a clean close after text is whole', async () => {
    const { gw } = await world();
    const messages = user('!echo all of it is here\n!fault frames no_final');
    const stream = await (await gw.stream({ messages })).whole();
    assert.equal(stream.text, 'all of it is here');
    assert.deepEqual(stream.finishReasons, ['stop']);
  });
});

describe('silence', () => {
  const env = { UPSTREAM_ACCEPT_TIMEOUT: 0.4, UPSTREAM_CONNECT_TIMEOUT: 0.4 };

  for (const where of ['token', 'client', 'ws', 'post'])
    test(`instead of an answer to ${where} is upstream_timeout`, async () => {
      await askBoth({ env }, [{ where, kind: 'hang' }], timeout);
    });

  test('instead of a TLS handshake is upstream_timeout', async () => {
    const server = net.createServer((socket) => socket.on('error', () => {}));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onEnd(() => server.close());
    const url = `https://127.0.0.1:${server.address().port}`;
    await askBoth({ env: { ...env, ENGINELABS_API_URL: url } }, [], timeout);
  });

  test('before the first text is upstream_timeout', async () => {
    const first = { env: { UPSTREAM_FIRST_TOKEN_TIMEOUT: 0.4 } };
    await askBoth(first, [], timeout, '!echo never seen\n!fault frames silence at=0');
  });

  test('in the middle of it is upstream_timeout', async () => {
    const { gw } = await world({ env: { UPSTREAM_IDLE_TIMEOUT: 0.4 } });
    const messages = user('!echo one two three four five six\n!fault frames silence at=1');
    assertError(await gw.post({ messages }), { ...timeout, shouldRetry: 'false' });
    const stream = await (await gw.stream({ messages })).whole();
    assertBrokenOff(stream, timeout);
    assert.equal(stream.text, 'one two three ');
  });
});

describe('after the stream was committed', () => {
  const env = { STREAM_COMMIT_AFTER: 0.1, STREAM_KEEPALIVE: 0.1 };

  test('a time-out is one error event, without finish_reason and [DONE]', async () => {
    const { sim, gw } = await world({ env: { ...env, UPSTREAM_ACCEPT_TIMEOUT: 3 } });
    await sim.fault({ where: 'post', kind: 'hang' });
    const stream = await (await gw.stream({ messages: user('x') })).whole();
    assertBrokenOff(stream, timeout);
    assert.equal(stream.text, '');
    assert.ok(stream.reader.comments.length >= 3, 'it was kept alive');
  });

  test('so is a task that is cancelled', async () => {
    const { gw } = await world({ env });
    const messages = user(
      '!pacing 900 5\n!echo x\n!fault frames pause delay_ms=2500\n!fault frames cancelled',
    );
    const stream = await (await gw.stream({ messages })).whole();
    assertBrokenOff(stream, interrupted);
    assert.equal(stream.text, '');
  });

  test('an answer cut off raises in the official client', async () => {
    const { gw } = await world({ env, settings: { replay: 'none' } });
    const messages = user('!echo one two three four five six\n!fault frames reset at=1');
    const stream = await gw.openai().chat.completions.create({
      model: 'GPT5',
      stream: true,
      messages,
    });
    const read = async () => {
      for await (const chunk of stream) assert.equal(chunk.choices[0].finish_reason, null);
    };
    await assert.rejects(read, (error) => {
      assert.ok(error instanceof OpenAI.APIError, `${error}`);
      assertErrorObject(error.error, interrupted);
      return true;
    });
  });
});

test('the official client gets its own classes of errors', async () => {
  const { sim, gw } = await world();
  const client = gw.openai();
  const ask = (content, model = 'GPT5') =>
    client.chat.completions.create({ model, messages: user(content) });
  await assert.rejects(ask('x'.repeat(30_000)), OpenAI.BadRequestError);
  await assert.rejects(
    client.chat.completions.create({ model: 'none', messages: user('x') }),
    OpenAI.NotFoundError,
  );
  await assert.rejects(ask('x\n!fault post 402', 'ClaudeSonnet4_5'), OpenAI.RateLimitError);
  await assert.rejects(ask('x\n!fault frames cancelled'), OpenAI.InternalServerError);
  const wrong = gw.openai({ apiKey: 'sk-wrong' });
  await assert.rejects(wrong.models.list(), OpenAI.PermissionDeniedError);
  const posts = (await sim.posts()).length;
  const retrying = gw.openai({ maxRetries: 2 });
  const cancelled = user('y\n!fault frames cancelled');
  await assert.rejects(
    retrying.chat.completions.create({ model: 'GPT5', messages: cancelled }),
    OpenAI.InternalServerError,
  );
  assert.equal((await sim.posts()).length, posts + 1, 'an accepted prompt is not sent again');
});
