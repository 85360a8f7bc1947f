// SPDX-License-Identifier: Apache-2.0
// A target that fails too often is passed over as long as there is another, and gets its requests
// back when it answers again.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { CANARY, Gateway, Simulator, finish, secret, tempDir } from './lib/harness.mjs';
import { until } from './lib/until.mjs';

after(finish);

const KEY = secret('sk-upstream-circuit-9', 'a key');
const sims = {};

before(async () => {
  for (const name of ['sick', 'well']) {
    sims[name] = await Simulator.start();
    await sims[name].set({ api_keys: KEY, models: ['big', 'small'], native: false });
  }
});

const upstream = (name) => `
  - name: ${name}
    provider: openai
    base_url: ${sims[name].url}/v1
    api_key: ${KEY}
    models: [big, small]`;

async function start(env = {}) {
  for (const sim of Object.values(sims)) {
    await sim.clearFaults();
    await sim.clearLog();
  }
  const file = path.join(tempDir(), 'gateway.yaml');
  const text = `default_model: both
upstreams:${upstream('sick')}${upstream('well')}
models:
  - name: both
    targets: [{upstream: sick, model: big}, {upstream: well, model: big}]
  - name: small
    targets: [{upstream: sick, model: small}, {upstream: well, model: small}]
  - name: alone
    targets: [{upstream: sick, model: big}]
  - name: other
    targets: [{upstream: well, model: big}]
`;
  fs.writeFileSync(file, text, { mode: 0o600 });
  const quick = { CIRCUIT_OPEN_FOR: 3, CIRCUIT_SLOW_START: 0, STORE_URL: 'memory:' };
  return Gateway.start({ args: ['--config', file], env: { ...quick, ...env } });
}

const ask = (gw, model = 'both', stream = false) =>
  gw.post({ model, stream, messages: [{ role: 'user', content: `${CANARY}\n!echo here` }] });

const circuits = async (gw) =>
  (await gw.get('/readyz')).json().parts.filter((part) => part.name.includes('/'));

/** Fails until its circuit is open. */
async function breakIt(gw) {
  await sims.sick.fault({ where: 'completions', status: 500, times: -1 });
  for (let i = 0; i < 10; i++) {
    const answer = await ask(gw);
    assert.equal(answer.headers['x-upstream'], 'well', answer.text);
    assert.equal(answer.headers['x-attempts'], '2');
  }
  const [part, ...rest] = await circuits(gw);
  assert.deepEqual(rest, []);
  assert.equal(part.name, 'sick/big');
  assert.equal(part.ready, false);
  assert.match(part.problem, /^10 of the last 10 answers failed; .* tried again in \d+ s$/);
}

test('a sick target is passed over, and tried again when its time is over', async () => {
  const gw = await start();
  await breakIt(gw);
  assert.equal((await gw.metrics()).circuits_open, 1);
  await sims.sick.clearLog();
  for (let i = 0; i < 5; i++) {
    const answer = await ask(gw);
    assert.equal(answer.headers['x-upstream'], 'well');
    assert.equal(answer.headers['x-attempts'], '1');
  }
  assert.deepEqual(await sims.sick.log('completion'), []);
  assert.equal((await gw.get('/readyz')).status, 200, 'there is another');
  // Its other model is another target.
  assert.equal((await ask(gw, 'small')).headers['x-attempts'], '2');
  await sims.sick.clearFaults();
  await until(async () => (await ask(gw)).headers['x-upstream'] === 'sick', 'it is tried again');
  assert.deepEqual(await circuits(gw), []);
  const metrics = await gw.metrics();
  assert.equal(metrics.circuits_open, 0);
  assert.equal(metrics.circuit_openings_total, 1);
  assert.ok(metrics.circuit_skips_total >= 5);
  await gw.idle();
});

test('requests that are passed on count, and pass it over, too', async () => {
  const gw = await start({ CIRCUIT_OPEN_FOR: 60 });
  const embed = () => gw.post({ model: 'both', input: 'x' }, { path: '/v1/embeddings' });
  assert.equal((await embed()).headers['x-upstream'], 'sick');
  await sims.sick.fault({ where: 'embeddings', status: 500, times: -1 });
  for (let i = 0; i < 10; i++) {
    const answer = await embed();
    assert.equal(answer.headers['x-upstream'], 'well', answer.text);
  }
  assert.equal((await circuits(gw))[0].name, 'sick/big');
  const answer = await embed();
  assert.equal(answer.headers['x-upstream'], 'well');
  assert.equal(answer.headers['x-attempts'], '1');
  assert.equal((await ask(gw)).headers['x-attempts'], '1', 'it is one target for all of them');
  await gw.idle();
});

test('the only target of a route is always asked', async () => {
  const gw = await start({ CIRCUIT_OPEN_FOR: 60 });
  await breakIt(gw);
  assert.equal((await ask(gw, 'alone')).status, 502);
  await sims.sick.clearFaults();
  assert.equal((await ask(gw, 'alone')).status, 200);
  assert.deepEqual(await circuits(gw), [], 'that showed that it is well');
});

test('where all are sick, the one that is well again is found at once', async () => {
  for (const [body, path] of [
    [{ messages: [{ role: 'user', content: '!echo here' }] }, '/v1/chat/completions'],
    [{ input: 'x' }, '/v1/embeddings'],
  ]) {
    const gw = await start({ CIRCUIT_OPEN_FOR: 60, CIRCUIT_SLOW_START: 60 });
    const post = () => gw.post({ model: 'both', ...body }, { path });
    for (const sim of Object.values(sims))
      for (const where of ['completions', 'embeddings'])
        await sim.fault({ where, status: 500, times: -1 });
    for (let i = 0; i < 11; i++) {
      const answer = await post();
      assert.equal(answer.status, 502);
      assert.equal(answer.headers['x-attempts'], '2', 'each is asked, sick or not');
    }
    assert.equal((await circuits(gw)).length, 2);
    await sims.well.clearFaults();
    assert.equal((await post()).headers['x-attempts'], '2');
    for (let i = 0; i < 30; i++) {
      const answer = await post();
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers['x-attempts'], '1', 'it answers again: no luck is needed');
    }
    await gw.idle();
  }
});

test('a sick target is asked before the error of another goes to the client', async () => {
  const gw = await start({ CIRCUIT_OPEN_FOR: 60, CIRCUIT_SLOW_START: 60 });
  await sims.well.fault({ where: 'completions', status: 500, times: -1 });
  for (let i = 0; i < 10; i++) assert.equal((await ask(gw, 'other')).status, 502);
  assert.equal((await circuits(gw))[0].name, 'well/big');
  await sims.well.clearFaults();
  await sims.sick.fault({ where: 'completions', status: 429, times: -1 });
  for (let i = 0; i < 10; i++) {
    const answer = await ask(gw);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-upstream'], 'well');
  }
  await gw.idle();
});

test('a gateway all of whose targets are sick is not ready until one is tried again', async () => {
  const gw = await start();
  await breakIt(gw);
  await sims.well.fault({ where: 'completions', status: 500, times: -1 });
  assert.equal((await gw.get('/readyz')).status, 200, 'there is another');
  for (let i = 0; i < 10; i++) {
    await ask(gw);
    await ask(gw, 'small');
  }
  const { status, parts } = (await gw.get('/readyz')).json();
  assert.equal(status, 'not ready');
  assert.equal((await gw.get('/readyz')).status, 503);
  for (const name of ['sick', 'well']) {
    const part = parts.find((one) => one.name === name);
    assert.equal(part.ready, false, name);
    assert.match(part.problem, /failed too often lately/);
  }
  await until(async () => (await gw.get('/readyz')).status === 200, 'the next request tries one');
  await gw.idle();
});

test('an upstream without a list of models is ready where a route names one of its', async () => {
  const sim = sims.well;
  const up = `upstreams:
  - {name: plain, provider: openai, base_url: "${sim.url}/v1", api_key: ${KEY}`;
  const rows = [
    [`${up}}\nmodels: [{name: m, targets: [{upstream: plain, model: big}]}]`, 'm'],
    [`${up}, any_model: true}`, 'big'],
    [`${up}}`, undefined],
  ];
  for (const [text, model] of rows) {
    await sim.clearFaults();
    await sim.fault({ where: 'models', status: 404, times: -1 });
    const file = path.join(tempDir(), 'gateway.yaml');
    fs.writeFileSync(file, `default_model: ${model ?? 'big'}\n${text}\n`, { mode: 0o600 });
    const env = { STORE_URL: 'memory:' };
    const gw = await Gateway.start({ args: ['--config', file], env });
    if (model) {
      await until(async () => (await gw.get('/readyz')).status === 200, `it is ready: ${text}`);
      assert.equal((await ask(gw, model)).status, 200);
    } else {
      const problem = async () => (await gw.get('/readyz')).json().parts[1].problem;
      await until(async () => /lists no models: name them/.test(await problem()), 'it says why');
    }
    await gw.stop();
  }
});

test('while a sick target is silent, one request at a time waits for it', async () => {
  const gw = await start({ UPSTREAM_FIRST_TOKEN_TIMEOUT: 2 });
  await breakIt(gw);
  await sims.sick.clearFaults();
  await sims.sick.fault({ where: 'completions', kind: 'hang', times: -1 });
  await until(
    async () => (await circuits(gw))[0].problem.includes('the next request tries it'),
    'its time is over',
  );
  await sims.sick.clearLog();
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(gw, 'both', true)));
  for (const answer of answers) assert.equal(answer.status, 200, answer.text);
  assert.equal((await sims.sick.log('completion')).length, 1);
  await gw.idle();
});

test('under load nobody sees an error, before, while and after it is sick', async () => {
  const gw = await start();
  const load = async (n) => {
    const answers = await Promise.all(Array.from({ length: n }, () => ask(gw)));
    for (const answer of answers) {
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json().choices[0].message.content, 'here');
    }
  };
  await load(50);
  await sims.sick.fault({ where: 'completions', kind: 'reset', times: -1 });
  for (let i = 0; i < 4; i++) await load(50);
  assert.equal((await circuits(gw)).length, 1);
  await sims.sick.clearFaults();
  await until(async () => {
    await load(20);
    return (await circuits(gw)).length === 0;
  }, 'it gets its requests back');
  await gw.idle();
});
