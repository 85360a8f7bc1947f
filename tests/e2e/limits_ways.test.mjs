// SPDX-License-Identifier: Apache-2.0
// Limits of keys beside counting: money, other endpoints, another client's errors, a store that
// fails, settings that change, and what keys without limits cost.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, Simulator, finish, secret, tempDir, until } from './lib/harness.mjs';
import { Redis } from './lib/redis.mjs';

after(finish);

const UPSTREAM = secret('sk-limits-ways-upstream-9e', 'a key of the upstream');
const ADMIN = secret('admin-limits-ways-22', 'ADMIN_KEY');
const name = (n) => secret(`sk-limits-ways-${n}-b1d4`, 'a key');
const OUTPUT_PRICE = 10; // millionths a token
const MONEY = 60_000; // millionths

let sim;
before(async () => {
  sim = await Simulator.start();
  await sim.set({ api_keys: UPSTREAM, models: ['big'] });
});

const config = (keys) => `
upstreams:
  - name: there
    provider: openai
    base_url: ${sim.url}/v1
    api_keys: [${UPSTREAM}]
    models: [big]
prices:
  - {model: big, input: 0, output: ${OUTPUT_PRICE}}
keys:
${Object.entries(keys)
  .map(([id, limits]) => `  - {name: ${id}, key: ${name(id)}, ${limits}}`)
  .join('\n')}
`;

async function start(keys, env = {}) {
  const file = path.join(tempDir(), 'gateway.yaml');
  const write = (now) => fs.writeFileSync(file, config(now), { mode: 0o600 });
  write(keys);
  const gw = await Gateway.start({
    env: { STORE_URL: 'memory:', ADMIN_KEY: ADMIN, WORKERS: 3, ...env },
    args: ['--config', file],
  });
  const headers = (id) => ({ authorization: `Bearer ${name(id)}` });
  const ask = (id, say = '!echo yes', more = {}) =>
    gw.post(
      { model: 'big', messages: [{ role: 'user', content: say }], ...more },
      { headers: headers(id) },
    );
  const key = async (id) => (await gw.get(`/admin/api/keys/file%2F${id}`, as(ADMIN))).json();
  return { gw, write, ask, headers, key };
}

const as = (key) => ({ authorization: `Bearer ${key}` });
const codeOf = (answer) => (answer.status === 200 ? 'ok' : answer.json().error.code);
const count = (codes, code) => codes.filter((one) => one === code).length;

/** Enough of this minute is left. */
async function inOneMinute() {
  await until(() => Date.now() % 60_000 < 45_000, 'a minute begins', 61_000);
}

describe('a gateway', () => {
  let here;
  before(async () => {
    here = await start({
      money: 'money_ever: 0.06',
      many: 'money_ever: 0.06',
      free: 'models: [big]',
      relay: 'requests_per_minute: 3, tokens_per_minute: 100000',
      claude: 'requests_per_minute: 1',
      changed: 'requests_per_minute: 2',
      gone: 'requests_per_minute: 50',
    });
  });

  test('counts money, and ends when it is spent', async () => {
    let spent = 0;
    for (;;) {
      const answer = await here.ask('money', '!lorem 300', { max_tokens: 400 });
      if (answer.status !== 200) {
        assert.equal(codeOf(answer), 'insufficient_quota', answer.text);
        assert.match(answer.json().error.message, /has used up its 0.060000 of money in all/);
        break;
      }
      spent += OUTPUT_PRICE * answer.json().usage.completion_tokens;
    }
    assert.ok(spent > 400 * OUTPUT_PRICE && spent <= MONEY, `${spent} of ${MONEY}`);
    await until(async () => (await here.key('money')).budgets[0].used === spent, 'it is settled');
  });

  test('spends no more when many ask at once', async () => {
    const asked = Array.from({ length: 40 }, () =>
      here.ask('many', '!lorem 300', { max_tokens: 400 }),
    );
    const answers = await Promise.all(asked);
    const good = answers.filter(({ status }) => status === 200);
    const spent = good.reduce(
      (sum, answer) => sum + OUTPUT_PRICE * answer.json().usage.completion_tokens,
      0,
    );
    assert.ok(good.length > 0 && good.length < answers.length, `${good.length} answers`);
    assert.ok(spent <= MONEY, `${spent} of ${MONEY}`);
    await until(async () => (await here.key('many')).budgets[0].used === spent, 'it is settled');
  });

  test('counts the requests of other endpoints', async () => {
    await inOneMinute();
    const codes = [];
    for (let i = 0; i < 5; i++) {
      const answer = await here.gw.post(
        { model: 'big', input: 'text' },
        { path: '/v1/embeddings', headers: here.headers('relay') },
      );
      codes.push(codeOf(answer));
      assert.equal(answer.headers['x-ratelimit-limit-requests'], '3');
    }
    assert.deepEqual([count(codes, 'ok'), count(codes, 'rate_limit_exceeded')], [3, 2]);
  });

  test("tells Anthropic's clients in their words", async () => {
    await inOneMinute();
    const ask = () =>
      here.gw.post(
        { model: 'big', max_tokens: 50, messages: [{ role: 'user', content: '!echo yes' }] },
        { path: '/v1/messages', headers: here.headers('claude') },
      );
    assert.equal((await ask()).status, 200);
    const refused = await ask();
    assert.equal(refused.status, 429);
    assert.deepEqual(
      [refused.json().type, refused.json().error.type],
      ['error', 'rate_limit_error'],
    );
    assert.ok(Number(refused.headers['retry-after']) >= 1);
  });

  test('asks its store nothing for keys without limits', async () => {
    const before = await here.gw.metrics();
    const asked = Array.from({ length: 200 }, () => here.ask('free'));
    for (const answer of await Promise.all(asked)) assert.equal(codeOf(answer), 'ok');
    const now = await here.gw.metrics();
    // What is left are the sums of usage, of all requests of a quarter of a second together.
    const operations = now.store_operations_total - before.store_operations_total;
    assert.ok(operations < 100, `${operations} operations`);
  });

  test('takes changed limits at a reload', async () => {
    await inOneMinute();
    const codes = async (n) => {
      const all = [];
      for (let i = 0; i < n; i++) all.push(codeOf(await here.ask('changed')));
      return count(all, 'ok');
    };
    assert.equal(await codes(4), 2);
    assert.equal(codeOf(await here.ask('gone')), 'ok');
    here.write({ changed: 'requests_per_minute: 5' });
    here.gw.program.signal('SIGHUP');
    await until(async () => codeOf(await here.ask('gone')) === 'invalid_api_key', 'it is loaded');
    assert.equal(await codes(6), 3, 'what was counted before still counts');
  });
});

test('a reload that changes nothing but money says so', async () => {
  const here = await start({ paid: 'money_ever: 0.06' });
  here.write({ paid: 'money_ever: 5' });
  here.gw.program.signal('SIGHUP');
  await until(() => here.gw.logLines.some((line) => line.changed === '["keys"]'), 'it is told');
  assert.equal((await here.key('paid')).budgets[0].limit, 5_000_000);
});

test('a gateway whose shared store is silent counts alone, until it is back', async () => {
  const redis = await Redis.start();
  const keys = { shared: 'requests_per_minute: 5, parallel_requests: 4' };
  const here = await start(keys, { STORE_URL: redis.url, WORKERS: 2 });
  assert.equal(codeOf(await here.ask('shared')), 'ok');
  await inOneMinute();
  redis.pause();
  const codes = [];
  for (let i = 0; i < 8; i++) codes.push(codeOf(await here.ask('shared')));
  assert.deepEqual([count(codes, 'ok'), count(codes, 'rate_limit_exceeded')], [5, 3]);
  const { limits_counted_alone_total: alone } = await here.gw.metrics();
  assert.ok(alone >= 8, `${alone} counted alone`);
  redis.resume();
  await until(async () => {
    const before = (await here.gw.metrics()).limits_counted_alone_total;
    await here.ask('shared');
    return (await here.gw.metrics()).limits_counted_alone_total === before;
  }, 'it asks its store again');
  await until(async () => (await here.key('shared')).running === 0, 'no place is left behind');
});

test('a client that leaves while the store is asked leaves nothing behind', async () => {
  const redis = await Redis.start();
  const keys = { place: 'parallel_requests: 2', budget: 'tokens_ever: 100000' };
  const here = await start(keys, { STORE_URL: redis.url, WORKERS: 2 });
  const state = async (id) => {
    const { running, budgets } = await here.key(id);
    return `${running ?? 0} run, ${budgets[0]?.used ?? 0} used`;
  };
  const metrics = () => here.gw.metrics();
  const leave = async (id) => {
    const request = await here.gw.begin(
      { model: 'big', messages: [{ role: 'user', content: '!echo never' }] },
      { headers: here.headers(id) },
    );
    await until(async () => (await metrics()).exchanges === 1, 'the store is asked');
    request.destroy();
    await until(async () => (await metrics()).exchanges === 0, 'the client has left');
  };
  /** Whether the store was waited for all the time, else what was asked of it is lost. */
  const round = async (id) => {
    const before = await state(id);
    const { store_timeouts_total: timeouts } = await metrics();
    redis.pause();
    await leave(id);
    redis.resume();
    const isPatient = (await metrics()).store_timeouts_total === timeouts;
    if (isPatient) await until(async () => (await state(id)) === before, 'all is back', 10_000);
    return isPatient;
  };
  const asked = (await sim.log()).length;
  for (const id of Object.keys(keys)) {
    assert.equal(codeOf(await here.ask(id)), 'ok');
    await until(async () => /^0 run/.test(await state(id)), 'it is over');
    let patient = 0;
    for (let i = 0; i < 20 && patient < 3; i++) patient += await round(id);
    assert.equal(patient, 3);
  }
  assert.equal((await sim.log()).length, asked + 2, 'nothing went upstream');
});
