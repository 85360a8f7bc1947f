// SPDX-License-Identifier: Apache-2.0
// Several upstreams behind one address: two of EngineLabs and a server of OpenAI's format. Who
// answers when one fails, how often was asked, and what the client gets to see of it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BODIES } from './lib/bodies.mjs';
import { assertBrokenOff, assertError } from './lib/errors.mjs';
import { CANARY, Gateway, Simulator, finish, secret, tempDir } from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';

after(finish);

const KEYS = ['sk-upstream-one-71', 'sk-upstream-two-72'].map((key) => secret(key, 'a key'));
const sims = {};

const user = (content) => [{ role: 'user', content: `${CANARY}\n${content}` }];

before(async () => {
  for (const name of ['cto', 'spare', 'local']) {
    sims[name] = await Simulator.start();
    await sims[name].set({ pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600 });
  }
  await sims.local.set({ api_keys: KEYS.join(), models: ['big', 'small'], native: false });
});

const enginelabs = (name) => `
  - name: ${name}
    provider: enginelabs
    api_url: ${sims[name].url}
    clerk_url: ${sims[name].url}
    models: [GPT5, ClaudeSonnet4_5]
    accounts: [{name: main, cookie: "${sims[name].cookie}"}]`;

const openai = (keys) => `
  - name: local
    provider: openai
    base_url: ${sims.local.url}/v1
    api_keys: [${keys.join(', ')}]
    models: [big, small]`;

const ROUTES = `
models:
  - name: first-local
    targets: [{upstream: local, model: big}, {upstream: cto, model: GPT5}]
  - name: first-cto
    targets: [{upstream: cto, model: GPT5}, {upstream: spare, model: ClaudeSonnet4_5}]
  - name: cto-local
    aliases: [both, another]
    targets: [{upstream: cto, model: GPT5}, {upstream: local, model: big}]
  - name: all
    targets:
      - {upstream: cto, model: GPT5}
      - {upstream: spare, model: GPT5}
      - {upstream: local, model: small}
  - name: shared
    strategy: weighted
    targets: [{upstream: cto, model: GPT5}, {upstream: spare, model: GPT5}]
  - name: "local/*"
    targets: [{upstream: local, model: "*"}]
  - name: changed
    targets:
      - upstream: local
        model: big
        set: {temperature: 0.25, seed: 7}
        drop: [logit_bias]
        rename: {max_completion_tokens: max_tokens}
        system_prompt: Be kind.
  - name: changed-cto
    targets: [{upstream: cto, model: GPT5, system_prompt: Be kind.}]
`;

/** A gateway of its own for each test, since keys and accounts that failed rest. */
async function start({ keys = KEYS.slice(0, 1), env = {}, routes = ROUTES } = {}) {
  for (const sim of Object.values(sims)) {
    await sim.clearFaults();
    await sim.clearLog();
  }
  const file = path.join(tempDir(), 'gateway.yaml');
  const upstreams = enginelabs('cto') + enginelabs('spare') + openai(keys);
  const text = `default_model: first-cto\nupstreams:${upstreams}\n${routes}`;
  fs.writeFileSync(file, text, { mode: 0o600 });
  const quick = {
    STREAM_COMMIT_AFTER: 0.3,
    UPSTREAM_FIRST_TOKEN_TIMEOUT: 1,
    UPSTREAM_ACCEPT_TIMEOUT: 1,
    UPSTREAM_CONNECT_TIMEOUT: 1,
    UPSTREAM_IDLE_TIMEOUT: 1,
    QUEUE_TIMEOUT: 2,
  };
  const args = ['--config', file];
  return Gateway.start({ args, env: { STORE_URL: 'memory:', ...quick, ...env } });
}

function assertFrom(answer, upstream, attempts) {
  assert.equal(answer.headers['x-upstream'], upstream, answer.text);
  assert.equal(answer.headers['x-attempts'], String(attempts));
  assert.match(answer.headers['x-gateway-overhead-ms'], /^\d+\.\d\d$/);
}

/** A stream says it in its head, or, where the head went out before, in a comment at its end. */
function assertStreamFrom(stream, upstream, attempts) {
  const comment = stream.reader.comments.find((one) => one.startsWith('upstream='));
  if (comment) assert.equal(comment, `upstream=${upstream} attempts=${attempts}`);
  else assertFrom(stream, upstream, attempts);
  return Boolean(comment);
}

// ---- the matrix ----

const AUTH = { status: 502, code: 'upstream_auth_failed' };

/** [name, fault, what the client gets when nobody else is there; undefined: it moves on] */
const BEFORE_HEAD = [
  ['400', { status: 400 }, { status: 400 }],
  ['401', { status: 401 }],
  ['402', { status: 402 }],
  ['403', { status: 403 }],
  ['404', { status: 404 }, { status: 404 }],
  ['408', { status: 408 }],
  ['409', { status: 409 }],
  ['413', { status: 413 }, { status: 413 }],
  ['422', { status: 422 }, { status: 422 }],
  ['429', { status: 429, retry_after: '30' }],
  ['500', { status: 500 }],
  ['503', { status: 503 }],
  ['a reset', { kind: 'reset' }],
  ['an early reset', { kind: 'reset_early' }],
  ['a close', { kind: 'close' }],
  ['silence', { kind: 'hang' }],
  ['garbage', { kind: 'garbage' }],
  ['a challenge', { kind: 'challenge' }],
];

describe('a server of the format that fails before its head', () => {
  for (const [name, fault, stays] of BEFORE_HEAD)
    test(`with ${name} ${stays ? 'has the last word' : 'is stood in for'}`, async () => {
      const gw = await start({ env: { API_REQUEST_TIMEOUT: 20 } });
      await sims.local.fault({ where: 'completions', times: -1, ...fault });
      // A whole answer of a late upstream has all of the time: only a stream sees its silence.
      const ways = fault.kind === 'hang' ? [true] : [false, true];
      for (const stream of ways) {
        const body = { model: 'first-local', messages: user('!echo here') };
        if (stays) {
          const answer = await gw.post({ ...body, stream });
          assert.equal(answer.status, stays.status, answer.text);
          assertFrom(answer, 'local', 1);
        } else if (stream) {
          const told = await (await gw.stream(body)).whole();
          assert.equal(told.text, 'here');
          // The second time the key may rest: then nobody is asked there.
          const attempts = (await sims.local.log('completion')).length === 2 || ways.length === 1;
          assertStreamFrom(told, 'cto', attempts ? 2 : 1);
        } else {
          const answer = await gw.post(body);
          assert.equal(answer.json().choices?.[0].message.content, 'here', answer.text);
          assertFrom(answer, 'cto', 2);
        }
      }
      assert.equal((await sims.cto.posts()).length, stays ? 0 : ways.length);
      await gw.idle();
    });
});

const IN_STREAM = ['reset', 'cut', 'close', 'silence', 'hang', 'error', 'not_json'];

describe('a server of the format whose stream fails', () => {
  for (const kind of IN_STREAM) {
    test(`with ${kind} before its first word is stood in for`, async () => {
      const gw = await start();
      await sims.local.fault({ where: 'chunks', kind, at: 0, times: -1 });
      const told = await (
        await gw.stream({ model: 'first-local', messages: user('!echo here') })
      ).whole();
      assert.equal(told.text, 'here');
      assert.deepEqual(told.finishReasons, ['stop']);
      const isLate = assertStreamFrom(told, 'cto', 2);
      assert.equal(isLate, kind === 'silence' || kind === 'hang');
      await gw.idle();
    });
    test(`with ${kind} behind its first word is an error`, async () => {
      const gw = await start();
      await sims.local.fault({ where: 'chunks', kind, at: 2, times: -1 });
      const body = { model: 'first-local', messages: user('!lorem 40') };
      const told = await (await gw.stream(body)).whole();
      assert.equal(told.status, 200);
      assert.ok(told.error, 'an error event');
      assert.deepEqual(told.finishReasons, []);
      assert.equal(told.done, false);
      assert.notEqual(told.text, '');
      assertFrom(told, 'local', 1);
      assert.deepEqual(await sims.cto.posts(), []);
      await gw.idle();
    });
  }
});

/** [name, fault] */
const ENGINELABS = [
  ['429', { where: 'post', status: 429 }],
  ['500', { where: 'post', status: 500 }],
  ['a challenge', { where: 'post', kind: 'challenge' }],
  ['a reset', { where: 'post', kind: 'reset' }],
  ['no answer', { where: 'post', kind: 'hang' }],
  ['no sign-in', { where: 'token', kind: 'signed_out' }],
  ['no client', { where: 'client', status: 500 }],
  ['a refused handshake', { where: 'ws', status: 403 }],
  ['a silent task', { where: 'frames', kind: 'silence' }],
  ['a task that is cancelled', { where: 'frames', kind: 'cancelled' }],
  ['a frame of garbage', { where: 'frames', kind: 'masked' }],
  ['too long a prompt', { where: 'post', status: 413 }],
];

describe('an account that fails before the first word', () => {
  for (const [name, fault] of ENGINELABS)
    test(`with ${name} is stood in for by another upstream`, async () => {
      const gw = await start();
      await sims.cto.fault({ times: -1, ...fault });
      const body = { model: 'first-cto', messages: user('!echo here') };
      const answer = await gw.post(body);
      assert.equal(answer.json().choices?.[0].message.content, 'here', answer.text);
      assert.equal(answer.headers['x-upstream'], 'spare');
      assert.ok(Number(answer.headers['x-attempts']) >= 1);
      const told = await (await gw.stream(body)).whole();
      assert.equal(told.text, 'here');
      assert.equal((await sims.spare.posts()).length, 2);
      await gw.idle();
    });

  test('behind it is an error, and nobody else is asked', async () => {
    const gw = await start();
    await sims.cto.fault({ where: 'frames', kind: 'cancelled', at: 2, times: -1 });
    const told = await (await gw.stream({ messages: user('!lorem 40') })).whole();
    assertBrokenOff(told, { status: 502 });
    assert.deepEqual(await sims.spare.posts(), []);
    await gw.idle();
  });

  test('is stood in for by a server of the format', async () => {
    const gw = await start();
    await sims.cto.fault({ where: 'post', status: 500, times: -1 });
    const answer = await gw.post({ model: 'cto-local', messages: user('!echo here') });
    assert.equal(answer.json().choices[0].message.content, 'here');
    assert.equal(answer.json().model, 'cto-local');
    assert.equal(answer.headers['x-upstream'], 'local');
  });

  test('as all others do, is told as the last of them failed', async () => {
    const gw = await start();
    await sims.cto.fault({ where: 'post', status: 500, times: -1 });
    await sims.spare.fault({ where: 'post', status: 500, times: -1 });
    await sims.local.fault({ where: 'completions', status: 401, times: -1 });
    const answer = await gw.post({ model: 'all', messages: user('!echo here') });
    assertError(answer, AUTH);
    assert.equal(answer.headers['x-upstream'], 'local');
  });
});

// ---- keys ----

describe('of two keys', () => {
  for (const status of [401, 403, 429])
    test(`the other is taken when one is answered ${status}`, async () => {
      const gw = await start({ keys: KEYS });
      await sims.local.fault({ where: 'completions', status });
      const answer = await gw.post({ model: 'local/big', messages: user('!echo here') });
      assert.equal(answer.json().choices?.[0].message.content, 'here', answer.text);
      assertFrom(answer, 'local', 2);
      const log = await sims.local.log('completion');
      assert.deepEqual(
        log.map((entry) => entry.status),
        [status, 200],
      );
      assert.notEqual(log[0].key, log[1].key);
      await gw.idle();
    });
});

// ---- names ----

describe('a name', () => {
  const rows = [
    ['of a route', 'cto-local', 'cto'],
    ['that is an alias', 'both', 'cto'],
    ['that is another', 'another', 'cto'],
    ['behind a star', 'local/small', 'local'],
    ['that is left out', undefined, 'cto'],
  ];
  for (const [what, model, upstream] of rows)
    test(`${what} leads to ${upstream}`, async () => {
      const gw = await start();
      const answer = await gw.post({ model, messages: user('!model') });
      assertFrom(answer, upstream, 1);
      assert.equal(answer.json().model, model ?? 'first-cto');
      const said = answer.json().choices[0].message.content;
      assert.equal(said, upstream === 'local' ? 'small' : 'GPT5');
    });

  test('that is unknown is 404, and nobody is asked', async () => {
    const gw = await start();
    for (const model of ['nobody', 'big', 'GPT5', 'local/', 'local/other', 'first-cto ']) {
      const answer = await gw.post({ model, messages: user('x') });
      assertError(answer, { status: 404, code: 'model_not_found', param: 'model' });
    }
    for (const sim of [sims.cto, sims.spare]) assert.deepEqual(await sim.posts(), []);
    assert.deepEqual(await sims.local.log('completion'), []);
  });

  test('is in the list with all others but stars', async () => {
    const gw = await start();
    const { data } = (await gw.get('/v1/models')).json();
    assert.deepEqual(data.map((model) => model.id).toSorted(), [
      'all',
      'another',
      'both',
      'changed',
      'changed-cto',
      'cto-local',
      'first-cto',
      'first-local',
      'shared',
    ]);
    assert.equal(data.find((model) => model.id === 'first-local').owned_by, 'local');
  });
});

test('weights share conversations, and each stays where it is', async () => {
  const gw = await start();
  const where = { cto: 0, spare: 0 };
  for (let i = 0; i < 12; i++) {
    const messages = user(`!echo talk ${i}`);
    const first = await gw.post({ model: 'shared', messages });
    const upstream = first.headers['x-upstream'];
    where[upstream]++;
    messages.push({ role: 'assistant', content: `talk ${i}` });
    messages.push({ role: 'user', content: '!turn' });
    const second = await gw.post({ model: 'shared', messages });
    assert.equal(second.headers['x-upstream'], upstream);
    assert.equal(second.json().choices[0].message.content, '2', 'the same chat goes on');
  }
  assert.ok(where.cto > 0 && where.spare > 0, JSON.stringify(where));
});

// ---- overrides ----

describe('what a target changes', () => {
  test('is changed in the body, and nothing else is', async () => {
    const gw = await start();
    const body =
      `{"model":"changed","logit_bias":{"1":2}, "max_completion_tokens":50,"temperature":1.50,` +
      `"messages":[{"role":"user","content":"${CANARY}"}],"x":1e400}`;
    assert.equal((await gw.post(body)).status, 200);
    const [entry] = await sims.local.log('completion');
    const sent = JSON.parse(entry.body.replace('1e400', '"1e400"'));
    assert.equal(sent.model, 'big');
    assert.equal(sent.temperature, 0.25);
    assert.equal(sent.seed, 7);
    assert.equal(sent.max_tokens, 50);
    assert.equal(sent.x, '1e400');
    assert.ok(!('logit_bias' in sent) && !('max_completion_tokens' in sent), entry.body);
    assert.deepEqual(sent.messages[0], { role: 'system', content: 'Be kind.' });
    assert.equal(sent.messages.length, 2);
  });

  test('stands in front of a prompt', async () => {
    const gw = await start();
    const answer = await gw.post({ model: 'changed-cto', messages: user('!history') });
    assert.match(answer.json().choices[0].message.content, /Be kind\./);
  });
});

// ---- byte for byte ----

describe('straight and through the gateway', () => {
  const routes = 'models: [{name: big, targets: [{upstream: local, model: big}]}]';

  test(`${BODIES.length} requests and their answers are the same bytes`, async () => {
    const gw = await start({ routes, env: { DEFAULT_MODEL: 'big' } });
    assert.ok(BODIES.length >= 60);
    const headers = { authorization: `Bearer ${KEYS[0]}`, 'content-type': 'application/json' };
    for (const body of BODIES) {
      const what = body.slice(0, 200);
      await sims.local.clearLog();
      const options = { method: 'POST', path: '/v1/chat/completions', headers, body };
      const straight = await fetchWhole(sims.local.port, options);
      const through = await gw.post(body);
      const [one, two] = await sims.local.log('completion');
      assert.ok(two, `${what}: ${through.text}`);
      assert.equal(two.sha256, one.sha256, `${what}\n${two.body?.slice(0, 500)}`);
      assert.equal(two.bytes, one.bytes);
      assert.equal(through.status, straight.status, what);
      assert.equal(through.text, straight.text, what);
      const [type, want] = [through, straight].map((one) => one.headers['content-type']);
      assert.equal(type.split(';')[0], want.split(';')[0]);
    }
  });

  test('a stream is asked for its usage, which only the gateway sees', async () => {
    const gw = await start();
    const messages = '[{"role":"user","content":"!echo a"}]';
    const body = `{"model":"local/big","stream":true,"messages":${messages}}`;
    const told = await gw.post(body);
    assert.doesNotMatch(told.text, /"usage":\{/);
    const [entry] = await sims.local.log('completion');
    const usage = ',"stream_options":{"include_usage":true}}';
    const want = body.replace('local/big', 'big').replace(/\}$/, usage);
    assert.equal(entry.body, want);
  });
});
