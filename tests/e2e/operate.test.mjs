// SPDX-License-Identifier: Apache-2.0
// What operators see and do while a gateway of two workers runs (docs/internals/admin-api.md).
// Every answer is held against openapi.json by lib/operator.mjs.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertBrokenOff, assertError } from './lib/errors.mjs';
import { finish, gate, secret, until, world } from './lib/harness.mjs';
import { open } from './lib/http.mjs';
import { ADMIN_KEY, ask, get } from './lib/operator.mjs';
import { reply } from './lib/plain.mjs';
import { Redis } from './lib/redis.mjs';
import { relayWorld } from './lib/relay.mjs';

let sim;
let gw;

before(async () => {
  ({ sim, gw } = await world({ env: { ADMIN_KEY, WORKERS: 2 } }));
});
after(finish);

const ENDLESS = '!frames 10000 every 50';
const user = (content) => [{ role: 'user', content }];

/** Endless streams that have begun to answer. */
async function streams(n, gateway = gw) {
  const all = [];
  for (let i = 0; i < n; i++) {
    const stream = await gateway.stream({ messages: user(`${i}\n${ENDLESS}`) });
    await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    all.push(stream);
  }
  return all;
}

const idOf = (stream) => stream.headers['x-request-id'];

/** Server-sent events of /live as they come: { event, data } each. */
async function* listen(gateway = gw, who = { authorization: `Bearer ${ADMIN_KEY}` }) {
  const { request, response } = await open(gateway.port, {
    path: '/admin/api/live',
    headers: { ...who, accept: 'text/event-stream' },
  });
  assert.equal(response.headers['content-type'], 'text/event-stream');
  assert.equal(response.headers['cache-control'], 'no-store');
  let text = '';
  try {
    for await (const piece of response) {
      const events = (text + piece).split('\n\n');
      text = events.pop();
      for (const event of events) {
        const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(event);
        yield { event: name, data: JSON.parse(data) };
      }
    }
  } finally {
    request.destroy();
  }
}

describe('live', () => {
  test('shows all that runs, on whatever worker', async () => {
    const running = await streams(8);
    const { data } = await get(gw, '/live');
    assert.deepEqual(data.map((l) => l.id).sort(), running.map(idOf).sort());
    for (const live of data) {
      assert.equal(live.key, 'master');
      assert.equal(live.dialect, 'openai_chat');
      assert.equal(live.state, 'answering');
      assert.equal(live.upstream, 'cto');
      assert.equal(live.account, 'default');
      assert.equal(live.model, 'ClaudeSonnet4_5');
      assert.equal(live.is_stream, true);
      assert.ok(live.first_token_ms >= 0 && live.first_token_ms <= live.age_ms);
      assert.ok(live.completion_tokens > 0 && live.prompt_tokens > 0 && live.attempts === 1);
      assert.ok(Math.abs(live.started - Date.now() / 1000) < 60);
    }
    assert.equal((await get(gw, '/overview')).running, 8);
    for (const stream of running) stream.leave();
    await until(async () => (await get(gw, '/live')).data.length === 0, 'nothing runs');
    await sim.reset();
  });

  test('ends a stream when it is asked to, and no other', async () => {
    const [one, two] = await streams(2);
    assert.equal((await ask(gw, 'DELETE', `/live/${idOf(one)}`)).status, 204);
    await one.whole();
    assertBrokenOff(one, { status: 503, code: 'canceled_by_operator' });
    const gone = await ask(gw, 'DELETE', `/live/${idOf(one)}`);
    assertError(gone, { status: 404, code: 'not_found' });
    assert.deepEqual((await get(gw, '/live')).data.map((l) => l.id), [idOf(two)]);
    two.leave();
    const line = await until(
      () => gw.logLines.find((l) => l.message === 'exchange' && l.request_id === idOf(one)),
      'its log line',
    );
    assert.deepEqual([line.outcome, line.code], ['canceled', 'canceled_by_operator']);
    await sim.reset();
  });

  test('ends what has not begun to answer, with an error that ends all tries', async () => {
    const headers = { 'x-request-id': 'to-be-canceled' };
    const answered = gw.post({ messages: user(ENDLESS) }, { headers });
    await until(async () => (await get(gw, '/live')).data.length === 1, 'it runs');
    assert.equal((await ask(gw, 'DELETE', '/live/to-be-canceled')).status, 204);
    const want = { status: 503, code: 'canceled_by_operator', shouldRetry: 'false' };
    assertError(await answered, want);
    await sim.waitFor('ws_close', (entry) => entry.by === 'client');
    await sim.reset();
  });

  test('ends what is passed on unread, too', async () => {
    const { plain, start } = await relayWorld();
    const relay = await start({ ADMIN_KEY, WORKERS: 2 });
    const left = gate();
    plain.handle = (request, response) => response.on('close', left.open);
    const headers = { 'x-request-id': 'relayed' };
    const answered = relay.post({ model: 'big' }, { path: '/v1/rerank', headers });
    await until(() => plain.last, 'the upstream got it');
    const [live] = (await get(relay, '/live')).data;
    const seen = [live.id, live.dialect, live.model, live.upstream, live.state];
    assert.deepEqual(seen, ['relayed', 'relay', 'big', 'plain', 'sent']);
    assert.equal((await ask(relay, 'DELETE', '/live/relayed')).status, 204);
    const want = { status: 503, code: 'canceled_by_operator', shouldRetry: 'false' };
    assertError(await answered, want);
    await left.opened;
  });

  test('has who waits for the limits of their key', async () => {
    const redis = await Redis.start();
    const { plain, start } = await relayWorld();
    const limited = await start({ ADMIN_KEY, WORKERS: 2, STORE_URL: redis.url });
    plain.handle = reply({});
    const wanted = { name: 'limited', requests_per_minute: 1000 };
    const { secret: key } = (await ask(limited, 'POST', '/keys', { body: wanted })).json();
    secret(key, 'a key that was made');
    const headers = { authorization: `Bearer ${key}`, 'x-request-id': 'counted' };
    const post = () => limited.post({ model: 'big' }, { path: '/v1/rerank', headers });
    await until(async () => (await post()).status === 200, 'each worker knows the key');
    // Whoever counts is told within a moment, which is over when it is looked for too late.
    await until(async () => {
      redis.pause();
      let isOver = false;
      const answered = post().finally(() => (isOver = true));
      const look = async () => (await get(limited, '/live')).data[0] ?? isOver;
      const seen = await until(look, 'it is there, or over');
      redis.resume();
      await answered;
      return seen.id === 'counted' && seen.state === 'waiting' && seen.upstream === null;
    }, 'it waits');
  });

  test('tells whoever listens once a second, until they leave', async () => {
    const [one] = await streams(1);
    const seen = { live: [], overview: [] };
    const began = Date.now();
    for await (const { event, data } of listen()) {
      seen[event].push(data);
      if (seen.overview.length === 3) break;
    }
    assert.ok(Date.now() - began >= 1900, 'the third came after two seconds');
    assert.ok(seen.live.every(({ data }) => data.length === 1 && data[0].id === idOf(one)));
    const tokens = seen.live.map(({ data }) => data[0].completion_tokens);
    assert.ok(tokens[0] < tokens[2], `tokens as they come: ${tokens}`);
    assert.ok(seen.overview.every((o) => o.running === 1 && !('minutes' in o)));
    one.leave();
    await sim.reset();
  });

  test('tells of very many the hundred oldest of each worker, and how many run', async () => {
    const { gw: own } = await world({ env: { ADMIN_KEY, WORKERS: 1 } });
    const running = await streams(103, own);
    assert.equal((await get(own, '/live')).data.length, 103);
    for await (const { event, data } of listen(own))
      if (event === 'live') {
        assert.deepEqual(data.data.map((l) => l.id), running.slice(0, 100).map(idOf));
        assert.equal(data.total, 103);
        break;
      }
    for (const stream of running) stream.leave();
  });

  test('ends for listeners when the gateway does', async () => {
    const { gw: other } = await world({ env: { ADMIN_KEY, WORKERS: 2 } });
    const began = Date.now();
    for await (const { event } of listen(other)) if (event === 'live') void other.stop();
    assert.ok(Date.now() - began < 8000, 'it did not wait for SHUTDOWN_TIMEOUT');
  });

  test('ends for listeners when their session does', async () => {
    const made = await ask(gw, 'POST', '/session', { body: { key: ADMIN_KEY }, key: null });
    const [cookie] = made.headers['set-cookie'][0].split(';');
    const headers = { cookie, 'x-csrf-token': made.json().csrf };
    let n = 0;
    for await (const { event } of listen(gw, { cookie }))
      if (event === 'live' && ++n === 1)
        assert.equal((await ask(gw, 'DELETE', '/session', { key: null, headers })).status, 204);
    assert.ok(n <= 2, `${n} events`);
  });

  test('shows what began under settings that were replaced meanwhile', async () => {
    const [one] = await streams(1);
    gw.program.signal('SIGHUP');
    await until(() => gw.logLines.some((l) => l.message === 'settings reloaded'), 'it is reloaded');
    const { data } = await get(gw, '/live');
    assert.deepEqual(data.map((l) => [l.id, l.upstream]), [[idOf(one), 'cto']]);
    assert.equal((await ask(gw, 'DELETE', `/live/${idOf(one)}`)).status, 204);
    await one.whole();
    assert.equal(one.error.code, 'canceled_by_operator');
    await sim.reset();
  });

  test('has room for sixteen listeners', async () => {
    const all = await Promise.all(
      Array.from({ length: 16 }, async () => {
        const listener = listen();
        await listener.next();
        return listener;
      }),
    );
    const headers = { accept: 'text/event-stream' };
    const answer = await ask(gw, 'GET', '/live', { headers });
    assertError(answer, { status: 429, code: 'rate_limit_exceeded' });
    assert.equal(answer.headers['retry-after'], '10');
    for (const listener of all) await listener.return();
    const listener = await until(async () => {
      const again = listen();
      await again.next();
      return again;
    }, 'there is room again');
    await listener.return();
  });
});

describe('the overview', () => {
  test('counts what came, by the minute too', async () => {
    const before = await get(gw, '/overview');
    assert.equal(before.minutes.length, 60);
    assert.equal(before.store.name, 'sqlite');
    for (let i = 0; i < 5; i++)
      assert.equal((await gw.post({ messages: user('!echo one two three') })).status, 200);
    await sim.fault({ where: 'post', kind: 'status', status: 402, times: -1 });
    assert.equal((await gw.post({ messages: user('!echo four') })).status, 429);
    await sim.clearFaults();
    const now = await get(gw, '/overview');
    assert.equal(now.requests - before.requests, 6);
    assert.equal(now.failed - before.failed, 1);
    assert.ok(now.completion_tokens > before.completion_tokens);
    const sum = (o, name) => o.minutes.reduce((n, minute) => n + minute[name], 0);
    for (const name of ['requests', 'failed', 'prompt_tokens', 'completion_tokens'])
      assert.equal(sum(now, name), now[name], name);
    const times = now.minutes.map((minute) => minute.at);
    assert.ok(times.every((at, i) => at % 60 === 0 && (i === 0 || at === times[i - 1] + 60)));
    assert.ok(now.first_token_ms.p50 >= 0 && now.first_token_ms.p50 <= now.duration_ms.p99);
    assert.ok(now.memory_bytes > 1e6 && now.cpu_ms >= 0 && now.uptime_s >= 0);
    assert.equal(now.state, 'running');
  });
});
