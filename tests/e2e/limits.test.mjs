// SPDX-License-Identifier: Apache-2.0
// Limits of keys, counted exactly: across workers, across replicas, and whatever becomes of a
// request. A minute of the clock is a window, so a test that counts begins where one is left.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, Simulator, finish, secret, tempDir, until } from './lib/harness.mjs';
import { Redis } from './lib/redis.mjs';

after(finish);

const name = (n) => secret(`sk-limits-${n}-7f3a`, 'a key');
const KEYS = {
  minute: 'requests_per_minute: 20',
  tokens: 'tokens_per_minute: 3000',
  small: 'tokens_per_minute: 500',
  parallel: 'parallel_requests: 5',
  budget: 'tokens_ever: 4000',
  daily: 'tokens_per_day: 10',
  today: 'tokens_per_day: 1100',
};

let sim;
before(async () => {
  sim = await Simulator.start();
});

async function start(env = {}) {
  const lines = Object.entries(KEYS).map(
    ([id, limit]) => `  - {name: ${id}, key: ${name(id)}, ${limit}}`,
  );
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(file, `keys:\n${lines.join('\n')}\n`, { mode: 0o600 });
  return Gateway.start({ env: { ...sim.env(), ...env }, args: ['--config', file] });
}

const headers = (id) => ({ authorization: `Bearer ${name(id)}` });
const ask = (gw, id, say = 'hello', more = {}) =>
  gw.post(
    { model: 'GPT5', messages: [{ role: 'user', content: say }], ...more },
    { headers: headers(id) },
  );

/** Enough of this minute is left. */
async function inOneMinute() {
  await until(() => Date.now() % 60_000 < 40_000, 'a minute begins', 60_000);
}

const code = (answer) => (answer.status === 200 ? 'ok' : answer.json().error.code);

/** How many of `n` at once are answered, from all gateways in turn; every other is refused. */
async function answered(gateways, id, n) {
  const asked = Array.from({ length: n }, (_, i) => ask(gateways[i % gateways.length], id));
  const codes = (await Promise.all(asked)).map(code);
  assert.deepEqual([...new Set(codes)].sort(), ['ok', 'rate_limit_exceeded']);
  return codes.filter((one) => one === 'ok').length;
}

const stores = { memory: () => 'memory:', SQLite: () => 'sqlite:', Redis: redisUrl };
let redis;
async function redisUrl() {
  redis ??= await Redis.start();
  return redis.url;
}

for (const [store, url] of Object.entries(stores))
  describe(`with the store in ${store}`, () => {
    let gateways;
    before(async () => {
      const env = { WORKERS: 4, STORE_URL: await url() };
      if (store === 'SQLite') env.STATE_DIRECTORY = tempDir();
      gateways = [await start(env)];
      if (store === 'Redis') gateways.push(await start(env), await start(env));
    });

    test('20 requests a minute are 20', async () => {
      await inOneMinute();
      assert.equal(await answered(gateways, 'minute', 60), 20);
      const refused = await ask(gateways[0], 'minute');
      assert.equal(refused.status, 429);
      assert.match(refused.json().error.message, /"minute" has reached its limit of 20 requests/);
      const wait = Number(refused.headers['retry-after']);
      assert.ok(wait >= 1 && wait <= 60, `Retry-After: ${wait}`);
      assert.equal(refused.headers['x-ratelimit-limit-requests'], '20');
      assert.equal(refused.headers['x-ratelimit-remaining-requests'], '0');
      assert.match(refused.headers['x-ratelimit-reset-requests'], /^([1-5]?\ds|1m0s)$/);
    });

    test('5 requests at once are 5', async () => {
      const opened = [];
      for (let i = 0; i < 5; i++) opened.push(await slow(gateways[i % gateways.length]));
      const sixth = await ask(gateways[0], 'parallel');
      assert.equal(code(sixth), 'rate_limit_exceeded');
      assert.match(sixth.json().error.message, /5 requests running/);
      opened.pop().request.destroy();
      await until(async () => code(await ask(gateways[0], 'parallel')) === 'ok', 'a place is free');
      for (const stream of opened) stream.request.destroy();
      await until(async () => {
        const all = Array.from({ length: 5 }, () => ask(gateways[0], 'parallel'));
        return (await Promise.all(all)).every((one) => code(one) === 'ok');
      }, 'all places are free');
    });

    test('tokens are reserved, and what was too much is given back', async () => {
      await inOneMinute();
      const gw = gateways[0];
      const first = await ask(gw, 'tokens', 'hello', { max_tokens: 2900 });
      assert.equal(code(first), 'ok', first.text);
      const used = first.json().usage.total_tokens;
      const left = Number(first.headers['x-ratelimit-remaining-tokens']);
      assert.ok(left < 100, `${left} left while it ran`);
      await until(async () => {
        const next = await ask(gw, 'tokens', 'hello', { max_tokens: 1 });
        return Number(next.headers['x-ratelimit-remaining-tokens']) > 2900 - 20 * used;
      }, 'it is settled');
      const much = await ask(gw, 'small', 'hello', { max_tokens: 501 });
      assert.equal(code(much), 'rate_limit_exceeded');
      assert.match(much.json().error.message, /may need \d+ tokens, and the API key "small"/);
      assert.equal(much.headers['x-should-retry'], 'false');
      assert.equal(much.headers['retry-after'], undefined);
    });

    test('a budget that is used up ends with insufficient_quota', async () => {
      let total = 0;
      for (;;) {
        const answer = await ask(gateways[0], 'budget', '!lorem 300', { max_tokens: 400 });
        if (answer.status !== 200) {
          assert.equal(code(answer), 'insufficient_quota', answer.text);
          assert.equal(answer.headers['retry-after'], undefined);
          break;
        }
        total += answer.json().usage.total_tokens;
        assert.ok(total <= 4000, `${total} of 4000`);
      }
      assert.ok(total > 3000, `${total} of 4000`);
      const today = (say, more) => ask(gateways[0], 'today', say, more);
      assert.equal(code(await today('!lorem 300', { max_tokens: 400 })), 'ok');
      const spent = await today('hello');
      assert.equal(code(spent), 'insufficient_quota');
      assert.ok(Number(spent.headers['retry-after']) > 0);
      const daily = await ask(gateways[0], 'daily');
      assert.equal(code(daily), 'insufficient_quota');
      assert.match(daily.json().error.message, /"daily" has 10 tokens a day.*does not help/);
      assert.equal(daily.headers['retry-after'], undefined);
    });
  });

/** A stream that has begun, and goes on until it is left. */
async function slow(gw) {
  const stream = await gw.stream(
    { model: 'GPT5', messages: [{ role: 'user', content: '!frames 10000 every 200' }] },
    { headers: headers('parallel') },
  );
  await stream.readUntil(() => true);
  return stream;
}
