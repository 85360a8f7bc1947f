// SPDX-License-Identifier: Apache-2.0
// The core of chat, conversation and errors again, on an upstream that shares no code with the
// gateway and looks at every byte (lib/upstream.mjs): a shared mistake cannot cancel out here.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertBrokenOff, assertError } from './lib/errors.mjs';
import { CANARY, Gateway, finish, nowUs, pair, secret, until } from './lib/harness.mjs';
import { Upstream, deltas, finished, messageId, piece, running } from './lib/upstream.mjs';

let upstream, gw;

before(async () => {
  ({ upstream, gw } = await pair());
});
after(finish);

const user = (content) => [{ role: 'user', content: `${CANARY} ${content}` }];

/** One answer made of `steps`, streamed. */
async function streamOf(steps) {
  upstream.answer = () => steps;
  const stream = await (await gw.stream({ messages: user('say it') })).whole();
  assert.deepEqual(upstream.violations, []);
  return stream;
}

function assertWhole(stream, text) {
  assert.equal(stream.text, text);
  assert.equal(stream.error, undefined);
  assert.deepEqual(stream.finishReasons, ['stop']);
  assert.ok(stream.done);
}

describe('an answer', () => {
  test('goes through the official client, streamed and whole', async () => {
    const client = gw.openai();
    upstream.answer = (prompt) => deltas(`You said: ${prompt}`);
    const params = { model: 'GPT5', messages: user('hello') };
    const whole = await client.chat.completions.create(params);
    assert.equal(whole.choices[0].message.content, `You said: ${CANARY} hello`);
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...params, stream: true }))
      text += chunk.choices[0].delta.content ?? '';
    assert.equal(text, `You said: ${CANARY} hello`);
    assert.equal(upstream.posts.length, 2);
    assert.deepEqual(upstream.violations, []);
  });

  test('is a growing snapshot or a delta, told apart by itself', async () => {
    const texts = [
      'A',
      'A growing',
      'A growing text',
      'A growing text that',
      'A growing text that ends',
    ];
    const grow = texts.map((text) => piece(text, 'msg_g'));
    assertWhole(await streamOf([running, ...grow, finished]), texts.at(-1));
    const dots = ['.', '.', '..', '...', 'x'];
    const deltasOfDots = dots.map((text) => piece(text, 'msg_d'));
    assertWhole(await streamOf([running, ...deltasOfDots, finished]), dots.join(''));
  });

  test('has its surrogate pairs whole, and U+FFFD for a half that stays alone', async () => {
    const half = (text) => ({
      type: 'update',
      buffer: `{"id":"msg_s","type":"chat","chat":{"content":"${text}"}}`,
    });
    const pair = [half('a\\ud83d'), half('\\ude00b')];
    assertWhole(await streamOf([running, ...pair, finished]), 'a\u{1F600}b');
    const alone = [half('a\\ud83d'), half('b'), half('\\ude00c')];
    assertWhole(await streamOf([running, ...alone, finished]), 'a\uFFFDb\uFFFDc');
    assertWhole(await streamOf([running, half('end\\ud83d'), finished]), 'end\uFFFD');
    const lost = async () => (await gw.metrics()).enginelabs_surrogates_lost_total;
    await until(async () => (await lost()) === 3, 'they are counted');
  });

  test('has reasoning apart, and a paragraph for each new message', async () => {
    const steps = [
      running,
      piece('thinking ', 'msg_t', 'thinking'),
      piece('aloud', 'msg_t', 'thinking'),
      piece('one', 'msg_a'),
      piece('two', 'msg_b'),
      finished,
    ];
    const stream = await streamOf(steps);
    assertWhole(stream, 'one\n\ntwo');
    assert.equal(stream.deltas('reasoning_content'), 'thinking aloud');
  });

  test('may come fragmented, with pings and unknown things between', async () => {
    const text = JSON.stringify(piece('\u4f60\u597d whole', 'msg_f'));
    const bytes = Buffer.from(text);
    const fragments = (ws) => {
      for (let at = 0; at < bytes.length; at++) {
        ws.send(bytes.subarray(at, at + 1), { fin: at === bytes.length - 1, binary: false });
        if (at === 20) ws.ping('in between');
      }
    };
    const steps = [
      running,
      { type: 'label', label: 'a title' },
      'pong',
      '{broken',
      '[]',
      'null',
      { type: 'update' },
      { type: 'update', buffer: null },
      { type: 'update', buffer: 'no json' },
      { type: 'update', buffer: JSON.stringify({ id: 'm', type: 'tool', tool: {} }) + '\n' },
      { type: 'update', buffer: { id: 'm', role: 'user', content: [{ text: 'an echo' }] } },
      { type: 'state' },
      fragments,
      { type: 'update', buffer: { role: 'assistant', content: [{ type: 'text', text: ' text' }] } },
      finished,
    ];
    const stream = await streamOf(steps);
    assert.match(stream.text, /^\u4f60\u597d whole(\n\n)? text$/);
    assert.deepEqual(stream.finishReasons, ['stop']);
  });

  test('is not ended by an idle state before it began', async () => {
    const idle = { type: 'state', state: { inProgress: false } };
    assertWhole(await streamOf([idle, 50, idle, 50, piece('late', 'msg_l'), finished]), 'late');
  });

  test('ends with a clean close too', async () => {
    const close = (ws) => ws.close(1000);
    assertWhole(await streamOf([running, piece('closed', 'msg_c'), close]), 'closed');
  });

  test('may carry a state with members nobody knows', async () => {
    const state = { inProgress: true, taskId: 'task_1', extra: { deep: [1] } };
    const end = {
      type: 'state',
      state: { inProgress: false, cancelled: false, taskId: 't' },
      x: 1,
    };
    assertWhole(
      await streamOf([{ type: 'state', state }, piece('fine', messageId()), end]),
      'fine',
    );
  });

  test('closes its socket, and keeps the connection for requests', async () => {
    await upstream.quiet();
    await until(async () => (await gw.metrics()).upstream_websockets === 0, 'no sockets');
  });
});

describe('a conversation', () => {
  test('continues its chat with only the new message', async () => {
    upstream.answer = (prompt, chat) => deltas(`${chat.prompts.length} prompts so far`);
    const messages = user('first');
    for (const [turn, content] of ['second', 'third'].entries()) {
      const answer = await gw.post({ messages });
      const { message } = answer.json().choices[0];
      assert.equal(message.content, `${turn + 1} prompts so far`);
      messages.push(message, { role: 'user', content });
    }
    await gw.post({ messages });
    const posts = upstream.posts.slice(-3);
    assert.equal(new Set(posts.map((post) => post.chatHistoryId)).size, 1);
    assert.deepEqual(
      posts.map((post) => post.prompt),
      [`${CANARY} first`, 'second', 'third'],
    );
    assert.deepEqual(upstream.violations, []);
  });

  test('starts anew with all of it when the upstream has lost it', async () => {
    upstream.answer = () => deltas('an answer');
    const messages = user('first of a lost one');
    messages.push((await gw.post({ messages })).json().choices[0].message);
    messages.push({ role: 'user', content: 'second' });
    let refused = 0;
    upstream.on.post = () => (refused++ === 0 ? { status: 404, body: { message: 'gone' } } : null);
    assert.equal((await gw.post({ messages })).status, 200);
    upstream.on.post = null;
    const lost = upstream.posts.at(-1);
    assert.equal(
      lost.prompt,
      `<user>\n${CANARY} first of a lost one\n</user>\n` +
        '<assistant>\nan answer\n</assistant>\n<user>\nsecond\n</user>\n',
    );
    assert.deepEqual(upstream.violations, []);
  });

  test('shows nothing of an earlier turn that the upstream repeats on connect', async () => {
    const own = await pair();
    own.upstream.answer = () => [running, piece('the old', 'msg_old'), finished];
    const messages = user('first');
    messages.push((await own.gw.post({ messages })).json().choices[0].message);
    messages.push({ role: 'user', content: 'second' });
    own.upstream.greeting = () => [
      { type: 'history', messages: [{ id: 'msg_old', role: 'assistant', content: 'the old' }] },
      running,
      piece('the old', 'msg_old'),
      finished,
    ];
    own.upstream.answer = () => [100, running, piece('the new', 'msg_new'), finished];
    const stream = await (await own.gw.stream({ messages })).whole();
    assertWhole(stream, 'the new');
  });
});

describe('the upstream fails', () => {
  const rows = [
    ['post', { status: 500, body: { message: 'oops' } }, 502, 'upstream_unavailable'],
    ['post', { status: 429, headers: { 'retry-after': '9' } }, 429, 'insufficient_quota'],
    ['post', { status: 403, body: { message: 'no plan' } }, 429, 'insufficient_quota'],
    [
      'post',
      {
        status: 403,
        headers: { 'content-type': 'text/html', 'cf-mitigated': 'challenge' },
        body: '<html>Just a moment...</html>',
      },
      502,
      'upstream_challenge',
    ],
    ['post', { destroy: true }, 502, undefined],
    [
      'token',
      { status: 401, body: { errors: [{ code: 'signed_out' }] } },
      502,
      'upstream_auth_failed',
    ],
    ['token', { body: '{"jwt":' }, 502, 'upstream_protocol'],
    ['token', { body: { jwt: 'no.jwt' } }, 502, 'upstream_protocol'],
    ['client', { body: { response: null } }, 502, 'upstream_auth_failed'],
    ['stream', { status: 503 }, 502, 'upstream_unavailable'],
  ];
  for (const [where, given, status, code] of rows)
    test(`${where} gives ${JSON.stringify(given).slice(0, 60)}: ${status} ${code}`, async () => {
      const own = await pair();
      own.upstream.on[where] = () => given;
      assertError(await own.gw.post({ messages: user('x') }), { status, code });
      if (where !== 'post') assert.deepEqual(own.upstream.posts, [], 'no prompt was sent');
    });

  test('in the middle: an error event and nothing that looks like an end', async () => {
    const { upstream: own, gw: gateway } = await pair();
    for (const end of [(ws) => ws.terminate(), (ws) => ws.close(1011), (ws) => ws.close(4000)]) {
      own.answer = () => [running, piece('half an', messageId()), 30, end];
      const stream = await (await gateway.stream({ messages: user('x') })).whole();
      assertBrokenOff(stream, { status: 502, code: 'upstream_interrupted' });
      assert.equal(stream.text, 'half an');
    }
    const cancelled = { type: 'state', state: { inProgress: false, cancelled: true } };
    own.answer = () => [running, piece('half an', messageId()), cancelled];
    const stream = await (await gateway.stream({ messages: user('x') })).whole();
    assertBrokenOff(stream, { status: 502, code: 'upstream_interrupted' });
    assert.equal(own.posts.length, 4, 'nothing was sent twice');
  });

  test('by falling silent: a time-out', async () => {
    const { upstream: own, gw: gateway } = await pair({ UPSTREAM_IDLE_TIMEOUT: 0.4 });
    own.answer = () => [running, piece('half an', messageId()), 60_000];
    const stream = await (await gateway.stream({ messages: user('x') })).whole();
    assertBrokenOff(stream, { status: 504, code: 'upstream_timeout' });
  });
});

describe('connections', () => {
  test('that the upstream ends after each answer cost no request', async () => {
    const { upstream: own, gw: gateway } = await pair();
    own.server.on('request', (request, response) => {
      response.on('finish', () => setImmediate(() => request.socket.destroy()));
    });
    for (let i = 0; i < 40; i++) {
      const answer = await gateway.post({ messages: user(`number ${i}`) });
      assert.equal(answer.status, 200, answer.text);
    }
    assert.equal(own.posts.length, 40, 'and none came twice');
    assert.deepEqual(own.violations, []);
  });

  test('are used again and again', async () => {
    const { upstream: own, gw: gateway } = await pair({ WORKERS: 1 });
    const ask = () => gateway.post({ messages: user('x') });
    for (let i = 0; i < 5; i++) await ask();
    let opened = 0;
    own.server.on('connection', () => opened++);
    const before = own.of('stream').length;
    for (let i = 0; i < 20; i++) await ask();
    const sockets = own.of('stream').length - before;
    assert.equal(sockets, 20);
    // One whose answer is still being read when the task ends is not kept: without reuse it is 20.
    assert.ok(opened - sockets < 16, `${opened - sockets} connections for 20 requests`);
  });
});

describe('signing in', () => {
  test('is done once for many requests', async () => {
    const { upstream: own, gw: gateway } = await pair();
    const many = Array.from({ length: 30 }, () => gateway.post({ messages: user('x') }));
    for (const answer of await Promise.all(many)) assert.equal(answer.status, 200, answer.text);
    assert.equal(own.of('token').length, 1);
    assert.equal(own.of('client').length, 1);
    assert.deepEqual(own.violations, []);
  });

  test('is done again before a token expires, and never with an old one', async () => {
    const { upstream: own, gw: gateway } = await pair();
    own.tokenLife = 2;
    const start_us = nowUs();
    while (own.of('token').length < 5) {
      const answer = await gateway.post({ messages: user('x') });
      assert.equal(answer.status, 200, answer.text);
    }
    const took_ms = (nowUs() - start_us) / 1000;
    assert.ok(took_ms > 2000, `5 tokens in ${took_ms} ms, each good for 2 s`);
    // Who only renews what was refused has all four renewals for that; a busy machine a few.
    const late = own.posts.filter((post) => post.isExpired).length;
    assert.ok(late <= 2, `${late} of 4 renewals came too late`);
    assert.deepEqual(own.violations, []);
  });

  test('takes what the settings say instead of asking', async () => {
    const own = await Upstream.start();
    const env = { CLERK_SESSION_ID: own.session, CLERK_ORGANIZATION_ID: own.organization };
    const gateway = await Gateway.start({ env: { ...own.env(), ...env } });
    assert.equal((await gateway.post({ messages: user('x') })).status, 200);
    assert.deepEqual(own.of('client'), []);
    assert.deepEqual(own.violations, []);
  });

  test('uses each rotated cookie from then on, and never an old one', async () => {
    const { upstream: own, gw: gateway } = await pair();
    const first = own.cookie;
    own.tokenLife = 1;
    own.on.token = (entry) => {
      const given = own.usual(entry);
      own.cookie = secret(`${first}.rotated${own.of('token').length}`, 'a rotated cookie');
      const cookie = `__client=${own.cookie}; Path=/; HttpOnly; Secure; SameSite=Lax`;
      return { ...given, headers: { 'set-cookie': ['__cf_bm=x.y; Path=/', cookie] } };
    };
    await until(async () => {
      const answer = await gateway.post({ messages: user('x') });
      assert.equal(answer.status, 200, answer.text);
      return own.of('token').length >= 4;
    }, 'four tokens');
    assert.deepEqual(own.violations, []);
  });
});
