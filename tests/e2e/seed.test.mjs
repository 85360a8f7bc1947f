// SPDX-License-Identifier: Apache-2.0
// The original Python program's behavior, one by one: what clients and the upstream relied on is
// kept to the byte, and each thing it did wrong is done right (measured.md, "How the original
// behaves"). On the second upstream, which shows every request as it came.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertBrokenOff, assertError } from './lib/errors.mjs';
import { CANARY, Gateway, KEY, finish, gate, pair, until } from './lib/harness.mjs';
import { Upstream, deltas, messageId, piece, running } from './lib/upstream.mjs';

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const user = (content) => [{ role: 'user', content }];
let upstream, gw;

before(async () => {
  ({ upstream, gw } = await pair());
});
after(finish);

describe('kept from the original', () => {
  test('the request for a token, to the byte', async () => {
    await gw.post({ messages: user('x') });
    const [token] = upstream.of('token');
    assert.equal(
      token.url,
      `/v1/client/sessions/${upstream.session}/tokens?__clerk_api_version=2025-04-10`,
    );
    assert.equal(token.headers.cookie, `__client=${upstream.cookie}`);
    assert.equal(token.headers['content-type'], 'application/x-www-form-urlencoded');
    assert.equal(token.headers.origin, 'https://cto.new');
    assert.equal(token.headers.referer, 'https://cto.new/');
    assert.equal(token.body, `organization_id=${upstream.organization}`);
  });

  test('the prompt: three members, a fresh UUID, origin and referer', async () => {
    await gw.post({ model: 'GPT5', messages: user('a prompt') });
    const post = upstream.posts.at(-1);
    const { chatHistoryId, ...rest } = JSON.parse(post.body);
    assert.deepEqual(rest, { prompt: 'a prompt', adapterName: 'GPT5' });
    assert.match(chatHistoryId, new RegExp(`^${UUID}$`));
    assert.match(post.headers.authorization, /^Bearer \S+$/);
    assert.equal(post.headers['content-type'], 'application/json');
    assert.equal(post.headers.origin, 'https://cto.new');
    assert.equal(post.headers.referer, `https://cto.new/${chatHistoryId}`);
  });

  test('the socket: the chat in its path, the user id as token, the origin', async () => {
    await gw.post({ messages: user('x') });
    const socket = upstream.of('stream').at(-1);
    const path = new RegExp(
      `^/engine-agent/chat-histories/${UUID}/buffer/stream\\?token=${upstream.user}$`,
    );
    assert.match(socket.url, path);
    assert.equal(socket.headers.origin, 'https://cto.new');
    assert.ok(!('authorization' in socket.headers));
  });

  test('a whole Cookie header from the browser is taken as well as the bare value', async () => {
    const own = await Upstream.start();
    const whole = `_ga=1; __client=${own.cookie}; __client_uat=1700000000; theme=dark`;
    for (const CLERK_COOKIE of [whole, own.cookie, ` ${whole} \n`]) {
      const gateway = await Gateway.start({ env: { ...own.env(), CLERK_COOKIE } });
      const answer = await gateway.post({ messages: user('x') });
      assert.equal(answer.status, 200, `${CLERK_COOKIE.slice(0, 9)}: ${answer.text}`);
    }
    assert.deepEqual(own.violations, []);
  });

  test('DEFAULT_MODEL, KNOWN_MODELS and the answer to GET /v1/models', async () => {
    const env = { DEFAULT_MODEL: 'GPT5', KNOWN_MODELS: 'GPT5, ClaudeSonnet4_5' };
    const own = await pair(env);
    await own.gw.post({ messages: user('x') });
    assert.equal(JSON.parse(own.upstream.posts[0].body).adapterName, 'GPT5');
    const list = (await own.gw.get('/v1/models')).json();
    assert.equal(list.object, 'list');
    assert.deepEqual(list.data.map(({ id }) => id), ['GPT5', 'ClaudeSonnet4_5']);
    for (const { created, object, owned_by: owner } of list.data) {
      assert.equal(typeof created, 'number');
      assert.equal(object, 'model');
      assert.equal(typeof owner, 'string');
    }
  });

  test('401 without a key, 403 with a wrong one, none needed when none is set', async () => {
    const own = await pair({ API_MASTER_KEY: undefined });
    own.gw.key = undefined;
    assert.equal((await own.gw.post({ messages: user('x') })).status, 200);
    gw.key = undefined;
    assert.equal((await gw.get('/v1/models')).status, 401);
    gw.key = 'wrong-key';
    assert.equal((await gw.get('/v1/models')).status, 403);
    gw.key = KEY;
    assert.equal((await gw.get('/')).status, 200);
  });

  test('ids, objects and the single choice of a chunk', async () => {
    const stream = await (await gw.stream({ messages: user('x') })).whole();
    for (const chunk of stream.chunks) {
      assert.match(chunk.id, /^chatcmpl-/);
      assert.equal(chunk.object, 'chat.completion.chunk');
      assert.equal(chunk.choices.length, 1);
      assert.equal(chunk.choices[0].index, 0);
    }
  });

  test('the upstream socket closes when the client leaves', async () => {
    upstream.answer = () => [running, piece('one', messageId()), 20_000];
    const stream = await gw.stream({ messages: user('x') });
    await stream.readUntil((chunk) => chunk.choices[0].delta.content === 'one');
    assert.equal(upstream.open, 1);
    stream.leave();
    await upstream.quiet();
    upstream.answer = (prompt) => deltas(`You said: ${prompt}`);
  });

  test('redirects are not followed', async () => {
    const own = await pair();
    own.upstream.on.post = () => ({ status: 302, headers: { location: `${own.upstream.url}/x` } });
    assertError(await own.gw.post({ messages: user('x') }), { status: 502 });
    assert.deepEqual(own.upstream.of('other'), []);
  });
});

describe('done right where the original was wrong', () => {
  test('a stream ends with [DONE], one stop, and begins with the role', async () => {
    const stream = await (await gw.stream({ messages: user('x') })).whole();
    assert.ok(stream.done);
    assert.deepEqual(stream.finishReasons, ['stop']);
    assert.equal(stream.chunks[0].choices[0].delta.role, 'assistant');
  });

  test('stream: false is one JSON object', async () => {
    const answer = await gw.post({ stream: false, messages: user('hello') });
    assert.match(answer.headers['content-type'], /^application\/json/);
    assert.equal(answer.json().choices[0].message.content, 'You said: hello');
  });

  test('a second turn goes on in its chat; history and system prompt are there', async () => {
    const messages = [{ role: 'system', content: 'SYS' }, ...user('first')];
    messages.push((await gw.post({ messages })).json().choices[0].message, ...user('second'));
    await gw.post({ messages });
    const [first, second] = upstream.posts.slice(-2);
    assert.match(first.prompt, /SYS[^]*first/);
    assert.equal(second.prompt, 'second');
    assert.equal(second.chatHistoryId, first.chatHistoryId);
  });

  test('first turns of all users have chats of their own', async () => {
    const start = upstream.posts.length;
    await Promise.all(Array.from({ length: 8 }, () => gw.post({ messages: user('hi') })));
    const chats = upstream.posts.slice(start).map((post) => post.chatHistoryId);
    assert.equal(new Set(chats).size, 8);
  });

  test('content in parts reaches the upstream as text', async () => {
    const parts = [
      { type: 'text', text: 'in ' },
      { type: 'text', text: 'parts' },
    ];
    await gw.post({ messages: user(parts) });
    assert.equal(upstream.posts.at(-1).prompt, 'in parts');
  });

  test('an upstream that dies is an error and not an answer', async () => {
    const own = await pair();
    own.upstream.answer = () => [running, piece('half', messageId()), 20, (ws) => ws.terminate()];
    const want = { status: 502, code: 'upstream_interrupted' };
    assertError(await own.gw.post({ messages: user('x') }), want);
    assertBrokenOff(await (await own.gw.stream({ messages: user('x') })).whole(), want);
  });

  test('a failed POST has a status of its own, streamed too', async () => {
    const own = await pair();
    own.upstream.on.post = () => ({ status: 500, body: { message: 'no' } });
    for (const stream of [true, false])
      assertError(await own.gw.post({ stream, messages: user('x') }), { status: 502 });
  });

  test('messages that are empty or missing are a mistake of the client', async () => {
    for (const body of [{ messages: [] }, {}])
      assertError(await gw.post(body), { status: 400, param: 'messages' });
  });

  test('silence does not hang for ever', async () => {
    const own = await pair({ UPSTREAM_FIRST_TOKEN_TIMEOUT: 0.3 });
    own.upstream.answer = () => [running, 20_000];
    assertError(await own.gw.post({ messages: user('x') }), { status: 504 });
  });

  test('a refused sign-in tells what to do, and not the address or the cookie', async () => {
    const own = await pair();
    own.upstream.on.token = () => ({ status: 401, body: { errors: [{ code: 'signed_out' }] } });
    const answer = await own.gw.post({ messages: user('x') });
    const { message } = assertError(answer, { status: 502, code: 'upstream_auth_failed' });
    assert.match(message, /CLERK_COOKIE/);
    assert.ok(!message.includes(own.upstream.session), message);
  });

  test('a body that is no JSON is 400', async () => {
    assertError(await gw.post('not json'), { status: 400 });
  });

  test('"bearer" must be the scheme, and the key the whole of the rest', async () => {
    const rows = [
      [`NotBearer ${KEY}`, 401],
      [`Basic bearer ${KEY}`, 401],
      [`xbearer ${KEY}`, 401],
      [`Bearer x ${KEY}`, 403],
      [`Bearer ${KEY} `, 200],
      [`bearer ${KEY}`, 200],
      [`BEARER ${KEY}`, 200],
    ];
    for (const [authorization, status] of rows)
      assert.equal((await gw.get('/v1/models', { authorization })).status, status, authorization);
  });

  test('a token serves many requests, and many at once ask for one', async () => {
    const own = await pair();
    const ask = () => own.gw.post({ messages: user('x') });
    await Promise.all(Array.from({ length: 20 }, ask));
    for (let i = 0; i < 5; i++) await ask();
    assert.equal(own.upstream.of('token').length, 1);
  });

  test('a slow sign-in or a slow POST does not stop streams that run', async () => {
    const own = await pair();
    let tick = 0;
    own.upstream.answer = async function* () {
      for (yield running; own.upstream.open > 0; yield 10) yield piece(`${tick++} `, 'msg_tick');
    };
    const stream = await own.gw.stream({ messages: user('x') });
    // Ticks that were not said yet: they can only come through while the others wait.
    const goesOn = async () => {
      const next = `${tick + 20} `;
      await stream.readUntil((chunk) => chunk.choices[0].delta.content === next);
    };
    await goesOn();

    const others = [];
    const ask = async () => others.push(await own.gw.begin({ messages: user('y') }));
    const posts = gate();
    own.upstream.on.post = () => posts.opened;
    for (let i = 0; i < 4; i++) await ask();
    await until(() => own.upstream.posts.length === 5, 'slow POSTs');
    await goesOn();

    const tokens = gate();
    own.upstream.on.token = () => tokens.opened;
    own.upstream.on.post = () => ({ status: 401 });
    await ask();
    await until(() => own.upstream.of('token').length === 2, 'a slow sign-in');
    await goesOn();

    for (const request of others) request.destroy();
    stream.leave();
    posts.open();
    tokens.open();
    await own.upstream.quiet();
  });

  test('a request is one line in the log, whatever its length', async () => {
    const own = await pair({ LOG_LEVEL: 'info' });
    own.upstream.answer = () => deltas('word '.repeat(300));
    const before = own.gw.logLines.length;
    await (await own.gw.stream({ messages: user(CANARY) })).whole();
    await until(() => own.gw.logLines.length > before, 'its line');
    const lines = own.gw.logLines.slice(before);
    assert.ok(lines.length <= 2, `${lines.length} lines`);
    assert.ok(!own.gw.log.includes('word word'));
  });

  test('what it remembers of conversations goes with time', async () => {
    const own = await pair({ CONVERSATION_TTL: 1, STORE_URL: 'memory:' });
    await until(async () => {
      for (let i = 0; i < 10; i++) await own.gw.post({ messages: user(`number ${i}`) });
      return (await own.gw.metrics()).store_entries >= 8;
    }, 'they are remembered');
    await until(async () => {
      await own.gw.post({ messages: user('another') });
      return (await own.gw.metrics()).store_entries < 8;
    }, 'old entries go');
  });
});

test('the upstream had nothing to complain about', () => {
  assert.deepEqual(upstream.violations, []);
});
