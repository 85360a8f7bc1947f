// SPDX-License-Identifier: Apache-2.0
// Many clients with one key, at all workers of all gateways at once: what got through is counted at
// the upstream. LIMITS_STORM=8x3x200 are 8 workers, 3 gateways on one Redis, 200 clients, and
// minutes that change in the middle (2x2x40 in one minute).

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, Simulator, finish, secret, sleep, tempDir, until } from './lib/harness.mjs';
import { Redis } from './lib/redis.mjs';

after(finish);

const IS_LARGE = process.env.LIMITS_STORM !== undefined;
const [WORKERS, GATEWAYS, CLIENTS] = (process.env.LIMITS_STORM ?? '2x2x40').split('x').map(Number);
const SECONDS = IS_LARGE ? 10 : 3;
const ADMIN = secret('admin-limits-storm-0b7e', 'ADMIN_KEY');
const UPSTREAM = secret('sk-limits-storm-upstream-3c', 'a key of the upstream');
const PER_MINUTE = 100;
const AT_ONCE = 5;
const BUDGET = 20_000;
const ANSWER = 60; // words

const config = (sim) => `
upstreams:
  - name: there
    provider: openai
    base_url: ${sim.url}/v1
    api_keys: [${UPSTREAM}]
    models: [big]
`;

class World {
  static async start(storeUrl, n) {
    const world = new World();
    world.sim = await Simulator.start();
    await world.sim.set({ api_keys: UPSTREAM, models: ['big'], log_entries: 1_000_000 });
    const dir = tempDir();
    const file = path.join(dir, 'gateway.yaml');
    fs.writeFileSync(file, config(world.sim), { mode: 0o600 });
    const env = {
      ...{ ADMIN_KEY: ADMIN, STORE_URL: storeUrl, STATE_DIRECTORY: dir },
      ...{ WORKERS, LOG_LEVEL: 'info' },
    };
    world.gateways = [];
    for (let i = 0; i < n; i++)
      world.gateways.push(await Gateway.start({ env, args: ['--config', file] }));
    return world;
  }

  async call(method, where, body) {
    const answer = await fetch(`${this.gateways[0].url}/admin/api/keys${where}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    return answer.json();
  }

  /** A key of the store that all gateways know. */
  async key(limits) {
    const made = await this.call('POST', '', { name: 'storm', ...limits });
    secret(made.secret, 'a key that was made');
    const headers = { authorization: `Bearer ${made.secret}` };
    for (const gw of this.gateways)
      await until(
        async () => (await gw.get('/v1/models', headers)).status === 200,
        'all gateways know the key',
        10_000,
      );
    return { id: made.key.id, headers };
  }

  state(key) {
    return this.call('GET', `/${key.id}`);
  }

  /** Each client asks its gateway until `isOver()`; what they were told, by its code. */
  async storm(key, body, isOver) {
    const told = {};
    const one = async (i) => {
      const gw = this.gateways[i % this.gateways.length];
      while (!isOver(told)) {
        const answer = await gw.post(body, { headers: key.headers });
        const what = answer.status === 200 ? 'ok' : answer.json().error.code;
        told[what] = (told[what] ?? 0) + 1;
        if (answer.status !== 200) {
          assert.equal(answer.status, 429, answer.text);
          await sleep(20);
        }
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => one(i)));
    return told;
  }

  /** What the log lines of all gateways say that this key used. */
  tokensInLogs(key) {
    return this.gateways
      .flatMap((gw) => gw.logLines)
      .filter((line) => line.message === 'exchange' && line.key === key.id)
      .reduce((sum, line) => sum + line.prompt_tokens + line.completion_tokens, 0);
  }
}

const ask = (say, more = {}) => ({
  model: 'big',
  messages: [{ role: 'user', content: say }],
  ...more,
});

const stores = {
  SQLite: { n: 1, url: () => 'sqlite:' },
  Redis: { n: GATEWAYS, url: async () => (await Redis.start()).url },
};

for (const [store, { n, url }] of Object.entries(stores))
  describe(`${CLIENTS} clients, ${n} x ${WORKERS} workers, ${store}`, () => {
    let world;
    before(async () => {
      world = await World.start(await url(), n);
    });

    test(`${PER_MINUTE} requests a minute`, async (t) => {
      const key = await world.key({ requests_per_minute: PER_MINUTE });
      // Large: the minute changes in the middle of it.
      const from = IS_LARGE ? 60_000 - 500 * SECONDS : 0;
      const to = IS_LARGE ? from + 200 : 50_000 - 1000 * SECONDS;
      const isTime = () => Date.now() % 60_000 >= from && Date.now() % 60_000 < to;
      await until(isTime, 'the right moment of a minute', 61_000);
      const minutes = IS_LARGE ? 2 : 1;
      await world.sim.clearLog();
      const end = Date.now() + 1000 * SECONDS;
      const told = await world.storm(key, ask('!echo yes'), () => Date.now() > end);
      const seen = (await world.sim.log('completion')).length;
      t.diagnostic(`${minutes} minutes: ${seen} upstream; ${JSON.stringify(told)}`);
      assert.equal(seen, minutes * PER_MINUTE);
      assert.equal(told.ok, minutes * PER_MINUTE);
      assert.deepEqual(Object.keys(told).sort(), ['ok', 'rate_limit_exceeded']);
    });

    test(`${AT_ONCE} requests at once`, async (t) => {
      const key = await world.key({ parallel_requests: AT_ONCE });
      await world.sim.clearLog();
      const end = Date.now() + 1000 * SECONDS;
      const body = ask('!frames 5 every 20', { stream: true });
      const told = await world.storm(key, body, () => Date.now() > end);
      let now = 0;
      let most = 0;
      for (const { kind } of await world.sim.log()) {
        now += kind === 'completion' ? 1 : kind === 'completion_end' ? -1 : 0;
        most = Math.max(most, now);
      }
      t.diagnostic(`at most ${most} at once upstream; ${JSON.stringify(told)}`);
      assert.deepEqual([most, now], [AT_ONCE, 0]);
      assert.ok(told.ok > 2 * AT_ONCE && told.rate_limit_exceeded > 0, JSON.stringify(told));
      await until(async () => (await world.state(key)).running === 0, 'all places are free');
    });

    test(`a budget of ${BUDGET} tokens, of which many clients leave`, async (t) => {
      const key = await world.key({ budgets: [{ unit: 'tokens', per: 'ever', limit: BUDGET }] });
      const body = ask(`!frames ${ANSWER} every 1`, { max_tokens: ANSWER });
      const isUsedUp = (told) => (told.insufficient_quota ?? 0) >= CLIENTS;
      let left = 0;
      const leave = async (i) => {
        const gw = world.gateways[i % n];
        for (; left < CLIENTS; left++) {
          const opened = await gw.beginStream({ ...body, stream: true }, { headers: key.headers });
          await Promise.race([opened.answered, sleep(200)]);
          opened.request.destroy();
        }
      };
      const [told] = await Promise.all([
        world.storm(key, body, isUsedUp),
        ...Array.from({ length: 8 }, (_, i) => leave(i)),
      ]);
      await Promise.all(world.gateways.map((gw) => gw.idle()));
      // What was reserved when the others stopped is there again.
      const more = () => world.gateways[0].post(body, { headers: key.headers });
      while ((await more()).status === 200);
      await Promise.all(world.gateways.map((gw) => gw.idle()));
      let used;
      await until(async () => {
        [{ used }] = (await world.state(key)).budgets;
        return used === world.tokensInLogs(key);
      }, 'the counter is what the log lines say').catch(() => {});
      t.diagnostic(`${used} of ${BUDGET}; ${left} left early; ${JSON.stringify(told)}`);
      assert.equal(used, world.tokensInLogs(key));
      assert.ok(used <= BUDGET && used > BUDGET - 2 * ANSWER, `${used} of ${BUDGET}`);
    });
  });
