// SPDX-License-Identifier: Apache-2.0
// deploy/nginx.conf in Debian's nginx, in front of two gateways on one simulator.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { freePort } from './lib/certs.mjs';
import { Front } from './lib/deploy.mjs';
import { CANARY, Gateway, KEY, Simulator, finish, until } from './lib/harness.mjs';
import { EventStream, fetchWhole, open } from './lib/http.mjs';

const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
const MAX_BODY_BYTES = 32 * 1024 * 1024;

let sim, one, two, front;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600 });
  const env = { ...sim.env(), STORE_URL: 'memory:' };
  one = await Gateway.start({ env, name: 'one' });
  two = await Gateway.start({ env, name: 'two' });
  front = await Front.start([one.port, two.port]);
});
after(async () => {
  // nginx keeps connections to the gateways, which idle() would take for left behind.
  await front?.program.kill();
  await finish();
});

const chat = (content, rest = {}) => ({
  method: 'POST',
  path: '/v1/chat/completions',
  headers,
  body: JSON.stringify({ messages: [{ role: 'user', content: `${CANARY}\n${content}` }], ...rest }),
});

async function stream(content, { port } = front) {
  const opened = await open(port, chat(content, { stream: true }));
  assert.equal(opened.response.statusCode, 200);
  return new EventStream(opened);
}

const hasText = (event) => event.choices?.[0].delta.content;

/** Prompts that the upstream has seen. */
const nPrompts = async () => (await sim.posts()).length;

async function exchanges() {
  const both = await Promise.all([one.metrics(), two.metrics()]);
  return both.reduce((n, m) => n + m.exchanges, 0);
}

describe('nginx in front of two gateways', () => {
  test('streams piece by piece: the first comes while the upstream is still at it', async () => {
    const answer = await stream('!frames 100000 every 20');
    await answer.readUntil(hasText);
    assert.equal(await exchanges(), 1, 'the answer is not at its end');
    const seen = answer.events.length;
    await answer.readUntil(() => answer.events.length > seen + 3);
    assert.ok(answer.events.length < 1000, 'pieces are not held back');
    answer.leave();
    await until(async () => (await exchanges()) === 0, 'the gateway sees the client leave');
    await sim.reset();
  });

  test('tells the gateway that a client has left before there was anything to send', async () => {
    const { path, method, body } = chat('!set first_ms=60000\n!echo never');
    const request = http.request({ port: front.port, agent: false, method, path, headers });
    request.on('error', () => {});
    request.end(body);
    await until(async () => (await exchanges()) === 1, 'the gateway has it');
    request.destroy();
    await until(async () => (await exchanges()) === 0, 'the gateway sees the client leave');
    await sim.reset();
  });

  test('brings whole answers, from each gateway in turn', async () => {
    for (let i = 0; i < 4; i++) {
      const answer = await fetchWhole(front.port, chat(`!echo whole ${i}`));
      assert.equal(answer.json().choices[0].message.content, `whole ${i}`);
      assert.equal((await (await stream(`!echo whole ${i}`)).whole()).done, true);
    }
    for (const { port } of [one, two])
      assert.ok(
        front.log().some((line) => line.includes(`gateway="127.0.0.1:${port}"`)),
        `nothing came to ${port}`,
      );
  });

  test("passes the gateway's errors, Retry-After and x-request-id", async () => {
    const mine = { ...headers, 'x-request-id': 'chosen-by-the-client' };
    const given = await fetchWhole(front.port, { path: '/v1/models', headers: mine });
    assert.equal(given.headers['x-request-id'], 'chosen-by-the-client');
    const stranger = await fetchWhole(front.port, { path: '/v1/models' });
    assert.equal(stranger.status, 401);
    assert.equal(stranger.json().error.type, 'invalid_request_error');

    const env = { ...sim.env(), STORE_URL: 'memory:', ENGINELABS_MAX_PARALLEL: 1 };
    const narrow = await Gateway.start({ env: { ...env, QUEUE_TIMEOUT: 0.2 }, name: 'narrow' });
    const alone = await Front.start([narrow.port]);
    const running = await stream('!frames 100000 every 20', alone);
    await running.readUntil(hasText);
    const direct = await fetchWhole(narrow.port, chat('!echo no'));
    const refused = await fetchWhole(alone.port, chat('!echo no'));
    assert.equal(refused.status, 429, refused.text);
    assert.equal(refused.json().error.code, 'queue_timeout');
    assert.ok(refused.headers['retry-after'], 'Retry-After');
    assert.deepEqual(Object.keys(refused.json().error), Object.keys(direct.json().error));
    running.leave();
    await alone.program.kill();
    await sim.reset();
  });

  test('answers HEAD, keeps metrics inside', async () => {
    const head = await fetchWhole(front.port, { method: 'HEAD', path: '/healthz' });
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
    assert.equal((await fetchWhole(front.port, { path: '/metrics' })).status, 404);
  });

  test('lets bodies of 32 MiB through, and refuses larger ones as the gateway would', async () => {
    const whole = { messages: [{ role: 'user', content: '!echo much' }], stream: false, user: '' };
    whole.user = 'x'.repeat(MAX_BODY_BYTES - JSON.stringify(whole).length);
    const body = JSON.stringify(whole);
    assert.equal(body.length, MAX_BODY_BYTES);
    const path = '/v1/chat/completions';
    const direct = await fetchWhole(one.port, { method: 'POST', path, headers, body });
    const answer = await fetchWhole(front.port, { method: 'POST', path, headers, body });
    assert.equal(answer.status, direct.status);
    assert.notEqual(answer.status, 413);
    const length = { ...headers, 'content-length': MAX_BODY_BYTES + 1, expect: '100-continue' };
    const larger = await fetchWhole(front.port, { method: 'POST', path, headers: length });
    assert.equal(larger.status, 413);
    assert.equal(larger.json().error.code, 'request_too_large');
  });

  test('passes over a gateway that is not there', async () => {
    const gone = await freePort();
    const half = await Front.start([gone, one.port]);
    const before = await nPrompts();
    for (let i = 0; i < 6; i++) {
      const answer = await fetchWhole(half.port, chat(`!echo over ${i}`));
      assert.equal(answer.json().choices?.[0].message.content, `over ${i}`, answer.text);
    }
    assert.equal((await nPrompts()) - before, 6);
    const both = `"127.0.0.1:${gone}, 127.0.0.1:${one.port}"`;
    assert.ok(half.log().some((line) => line.includes(both)));
    await half.program.kill();
  });

  test('never sends a prompt twice, even if its gateway dies before it answers', async () => {
    const env = { ...sim.env(), STORE_URL: 'memory:' };
    const start = (name) => Gateway.start({ env, name });
    const mortals = await Promise.all(['left', 'right'].map(start));
    const pair = await Front.start(mortals.map((gateway) => gateway.port));
    const before = await nPrompts();
    const asked = fetchWhole(pair.port, chat('!set first_ms=60000\n!echo late'));
    await until(async () => (await nPrompts()) > before, 'the prompt has arrived');
    const counts = await Promise.all(mortals.map((gateway) => gateway.metrics()));
    const holder = mortals[counts.findIndex((m) => m.exchanges === 1)];
    holder.disown();
    await holder.program.kill();
    const answer = await asked;
    assert.equal(answer.status, 502);
    assert.equal(answer.json().error.code, 'gateway_unavailable');
    const next = await fetchWhole(pair.port, chat('!echo next'));
    assert.equal(next.json().choices?.[0].message.content, 'next', next.text);
    assert.equal((await nPrompts()) - before, 2, 'the prompt, and the next one');
    await pair.program.kill();
    await sim.reset();
  });
});
