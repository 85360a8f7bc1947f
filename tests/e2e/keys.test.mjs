// SPDX-License-Identifier: Apache-2.0
// Several keys of one upstream: what it refuses to one request is no reason to refuse others.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { CANARY, Gateway, Simulator, finish, secret, tempDir } from './lib/harness.mjs';

after(finish);

const KEYS = [1, 2, 3, 4, 5].map((n) => secret(`sk-upstream-keys-${n}`, 'a key'));
let sim;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ api_keys: KEYS.join(','), models: ['big', 'small'], native: false });
});

async function start(keys) {
  await sim.clearFaults();
  const file = path.join(tempDir(), 'gateway.yaml');
  const text = `default_model: big
upstreams:
  - name: up
    provider: openai
    base_url: ${sim.url}/v1
    api_keys: [${KEYS.slice(0, keys).join(', ')}]
    models: [big, small]
`;
  fs.writeFileSync(file, text, { mode: 0o600 });
  return Gateway.start({ args: ['--config', file], env: { STORE_URL: 'memory:' } });
}

const ask = (gw, model = 'big') =>
  gw.post({ model, messages: [{ role: 'user', content: `${CANARY}\n!echo here` }] });
const embed = (gw) => gw.post({ model: 'big', input: 'x' }, { path: '/v1/embeddings' });
const up = async (gw) =>
  (await gw.get('/readyz')).json().parts.find((part) => part.name === 'up');

test('a request that no key may make leaves the keys as they are', async () => {
  for (const [where, once] of [
    ['completions', ask],
    ['embeddings', embed],
  ]) {
    for (const status of [401, 402, 403, 429]) {
      const gw = await start(2);
      await sim.fault({ where, status, times: 2 });
      const answer = await once(gw);
      assert.notEqual(answer.status, 200);
      assert.equal(answer.headers['x-attempts'], '2');
      for (const next of [ask, embed, (gw) => ask(gw, 'small')]) {
        const { status: got, text } = await next(gw);
        assert.equal(got, 200, `${status} at ${where}: ${text}`);
      }
      await gw.stop();
    }
  }
});

test('a Retry-After is kept for its model, and no longer than 15 minutes', async () => {
  const gw = await start(2);
  await sim.fault({ where: 'completions', status: 429, retry_after: '86400', times: 2 });
  assert.equal((await ask(gw)).status, 429);
  await sim.clearLog();
  const answer = await ask(gw);
  assert.equal(answer.status, 429);
  const left = Number(answer.headers['retry-after']);
  assert.ok(left > 880 && left <= 900, `${left} s`);
  assert.deepEqual(await sim.log('completion'), [], 'the upstream said that it is not to be asked');
  assert.equal((await ask(gw, 'small')).status, 200);
  const part = await up(gw);
  assert.equal(part.ready, true);
  assert.match(part.problem, /^2 of 2 keys rest: key 1 reached its limit for big, \d+ s left$/);
});

test('one prompt goes out with three keys at most', async () => {
  for (const status of [401, 403, 408, 429]) {
    const gw = await start(5);
    await sim.clearLog();
    await sim.fault({ where: 'completions', status, times: -1 });
    assert.equal((await ask(gw)).headers['x-attempts'], '3');
    assert.equal((await sim.log('completion')).length, 3);
    await gw.stop();
  }
});
