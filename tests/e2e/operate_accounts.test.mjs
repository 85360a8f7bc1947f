// SPDX-License-Identifier: Apache-2.0
// What operators see and do about accounts, targets, settings and problems
// (docs/internals/admin-api.md). Every answer is held against openapi.json by lib/operator.mjs.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { answeredBy, gatewayOf, service } from './lib/accounts.mjs';
import { assertError } from './lib/errors.mjs';
import { Gateway, KEY, Simulator, finish, secret, tempDir, until, world } from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { ADMIN_KEY, ask, assertDescribed, get } from './lib/operator.mjs';

after(finish);

const env = { ADMIN_KEY, WORKERS: 2 };
const user = (content) => [{ role: 'user', content }];
const say = (gw, model = 'GPT5') => gw.post({ model, messages: user('!echo yes') });
const accountsOf = async (gw) => (await get(gw, '/accounts')).data;
const problemsOf = async (gw) => (await get(gw, '/problems')).data;

describe('accounts', () => {
  test('tell how they stand: plan, quota, what runs', async () => {
    const sim = await service(2);
    const gw = await gatewayOf(sim, 2, { env, account: { max_parallel: 3 } });
    const checked = await ask(gw, 'POST', '/accounts/cto/A/check');
    assert.equal(checked.status, 200, checked.text);
    const account = checked.json();
    assert.equal(account.state, 'signed_in');
    assert.equal(account.problem, null);
    assert.ok(account.plan, 'its plan is known');
    const [day] = account.quota;
    assert.equal(day.name, 'day');
    assert.ok(day.limit > 0 && day.used >= 0 && day.share === day.used / day.limit);
    assert.deepEqual([account.running, account.max_parallel, account.waiting], [0, 3, 0]);
    const stream = await gw.stream({ model: 'GPT5', messages: user('!frames 10000 every 50') });
    await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    const all = await accountsOf(gw);
    assert.deepEqual(all.map((a) => `${a.upstream}/${a.name}`), ['cto/A', 'cto/B']);
    assert.equal(all[0].running + all[1].running, 1);
    assert.deepEqual(await problemsOf(gw), []);
    stream.leave();
    await sim.reset();
  });

  test('that rest say why, and are asked again when that is ended', async () => {
    const sim = await service(1);
    const gw = await gatewayOf(sim, 1, { env });
    await sim.fault({ where: 'post', status: 429, retry_after: '300', times: 1 });
    assertError(await say(gw), { status: 429 });
    const [{ cooldowns, state }] = await accountsOf(gw);
    assert.equal(state, 'signed_in');
    assert.equal(cooldowns.length, 1);
    assert.equal(cooldowns[0].model, 'GPT5');
    const left = cooldowns[0].until - Date.now() / 1000;
    assert.ok(left > 250 && left < 400, `${left} s`);
    const problem = (await problemsOf(gw)).find((p) => p.what === 'account cto/A');
    assert.match(problem.problem, /^It rests for GPT5, \d+ s more: /);
    assert.equal(problem.severity, 'warning');
    assertError(await say(gw), { status: 429 });
    assert.equal((await ask(gw, 'POST', '/accounts/cto/A/clear')).status, 204);
    assert.deepEqual((await accountsOf(gw))[0].cooldowns, []);
    assert.equal((await say(gw)).status, 200);
    assert.deepEqual(await answeredBy(sim), [0]);
  });

  test('that are signed out are a problem with a remedy, until they are checked', async () => {
    const sim = await service(1);
    const gw = await gatewayOf(sim, 1, { env });
    await sim.fault({ where: 'token', kind: 'signed_out', times: -1 });
    const out = (await ask(gw, 'POST', '/accounts/cto/A/check')).json();
    assert.equal(out.state, 'signed_out');
    assert.ok(out.problem.length > 10);
    const problems = await problemsOf(gw);
    const problem = problems.find((p) => p.what === 'account cto/A');
    assert.equal(problem.severity, 'error');
    assert.match(problem.remedy, /cookie/);
    assert.ok(problems.some((p) => p.what === 'upstream cto' && p.severity === 'error'));
    await sim.clearFaults();
    const back = (await ask(gw, 'POST', '/accounts/cto/A/check')).json();
    assert.deepEqual([back.state, back.problem], ['signed_in', null]);
    assert.deepEqual(await problemsOf(gw), []);
  });

  test('that nobody knows are 404', async () => {
    const { gw } = await world({ env });
    for (const target of ['cto/nobody/clear', 'cto/nobody/check', 'x/y/clear', 'x/y/check']) {
      const answer = await ask(gw, 'POST', `/accounts/${target}`);
      assertError(answer, { status: 404, code: 'not_found' });
    }
  });

  test('are checked one at a time, and who leaves meanwhile holds nothing up', async () => {
    const sim = await service(1);
    const gw = await gatewayOf(sim, 1, { env });
    await sim.fault({ where: 'token', kind: 'hang', times: 1 });
    const left = new AbortController();
    const first = fetch(`${gw.url}/admin/api/accounts/cto/A/check`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
      signal: left.signal,
    }).catch(() => {});
    await sim.waitFor('token');
    const second = await ask(gw, 'POST', '/accounts/cto/A/check');
    assertError(second, { status: 409, code: 'conflict' });
    left.abort();
    await first;
    const began = Date.now();
    gw.disown();
    await gw.stop();
    assert.ok(Date.now() - began < 8000, 'it ended at once');
  });
});

const UPSTREAM_KEYS = ['one', 'two'].map((k) => secret(`sk-upstream-operate-${k}`, 'a key'));

/** A gateway of routes to `big` of two upstreams; the first of the first one's keys is none. */
async function routed(more = {}) {
  const sims = [await Simulator.start(), await Simulator.start()];
  for (const sim of sims)
    await sim.set({ api_keys: UPSTREAM_KEYS[1], models: ['big'], native: false });
  const file = path.join(tempDir(), 'gateway.yaml');
  const provider = 'openai';
  const upstreams = [
    { name: 'sick', provider, base_url: `${sims[0].url}/v1`, api_keys: UPSTREAM_KEYS },
    { name: 'well', provider, base_url: `${sims[1].url}/v1`, api_key: UPSTREAM_KEYS[1] },
  ].map((u) => ({ ...u, models: ['big'] }));
  const targets = upstreams.map(({ name }, i) => ({ upstream: name, model: 'big', weight: i + 1 }));
  const models = [
    { name: 'both', aliases: ['b', 'c'], targets },
    { name: 'shared', strategy: 'weighted', targets },
  ];
  fs.writeFileSync(file, JSON.stringify({ default_model: 'both', upstreams, models, ...more }));
  const settings = { ...env, STORE_URL: 'memory:' };
  const gw = await Gateway.start({ args: ['--config', file], env: settings });
  return { gw, sims, file };
}

describe('keys of an upstream', () => {
  test('are its accounts; one that is refused is a problem', async () => {
    const { gw } = await routed();
    for (let i = 0; i < 2; i++) assert.equal((await say(gw, 'both')).status, 200);
    const sick = async () => (await accountsOf(gw)).filter((a) => a.upstream === 'sick');
    const all = await sick();
    assert.deepEqual(all.map((a) => a.name), ['key 1', 'key 2']);
    assert.deepEqual(all.map((a) => a.state), ['signed_out', 'signed_in']);
    assert.equal(all[0].cooldowns.length, 1);
    assert.deepEqual(all[0].quota, []);
    const [problem] = await problemsOf(gw);
    assert.deepEqual([problem.what, problem.severity], ['account sick/key 1', 'error']);
    assert.match(problem.remedy, /api_keys/);
    assert.equal((await ask(gw, 'POST', '/accounts/sick/key%201/clear')).status, 204);
    assert.deepEqual((await sick()).map((a) => a.state), ['signed_in', 'signed_in']);
    const checked = await ask(gw, 'POST', '/accounts/sick/key%201/check');
    assert.equal(checked.json().state, 'signed_out');
  });
});

describe('routes', () => {
  test('say where names lead, and how the targets fare', async () => {
    const { gw, sims } = await routed();
    const { data } = await get(gw, '/routes');
    const good = { model: 'big', health: 'good', until: null, failures_percent: 0 };
    const targets = (weights) =>
      ['sick', 'well'].map((upstream, i) => ({ upstream, weight: weights[i], ...good }));
    assert.deepEqual(data, [
      { model: 'both', aliases: ['b', 'c'], strategy: 'fallback', targets: targets([null, null]) },
      { model: 'shared', aliases: [], strategy: 'weighted', targets: targets([1, 2]) },
    ]);
    await sims[0].fault({ where: 'completions', status: 500, times: -1 });
    for (let i = 0; i < 10; i++) assert.equal((await say(gw, 'both')).status, 200);
    const [sick, well] = (await get(gw, '/routes')).data[0].targets;
    assert.deepEqual([sick.health, well.health], ['open', 'good']);
    assert.ok(sick.failures_percent >= 50 && sick.until > Date.now() / 1000 - 1);
    const problem = (await problemsOf(gw)).find((p) => p.what === 'target sick/big');
    assert.match(problem.problem, /answers failed/);
  });

  test('are the models by their names where the settings have none', async () => {
    const { gw } = await world({ env });
    const { data } = await get(gw, '/routes');
    assert.ok(data.length >= 2);
    assert.ok(data.every((r) => r.targets.length === 1 && r.targets[0].upstream === 'cto'));
    assert.ok(data.some((r) => r.model === 'GPT5'));
  });
});

describe('settings', () => {
  test('say what is in effect and where it came from, and no secret', async () => {
    const proxy = secret('proxypass', 'a password');
    const { gw, sims, file } = await routed({
      queue_timeout: 7,
      https_proxy: `http://user:${proxy}@127.0.0.1:9`,
      no_proxy: '127.0.0.1',
    });
    const settings = async () => {
      const { data } = await get(gw, '/settings');
      return Object.fromEntries(data.map((row) => [row.name, row]));
    };
    const found = await settings();
    const row = (name) => [found[name].value, found[name].source];
    assert.deepEqual(row('API_MASTER_KEY'), ['set', 'environment']);
    assert.deepEqual(row('ADMIN_KEY'), ['set', 'environment']);
    assert.deepEqual(row('CLERK_COOKIE'), [null, 'default']);
    assert.deepEqual(row('HTTPS_PROXY'), ['set', 'file']);
    assert.deepEqual(row('QUEUE_TIMEOUT'), ['7', 'file']);
    assert.deepEqual(row('STORE_URL'), ['memory:', 'environment']);
    assert.deepEqual(row('STREAM_KEEPALIVE'), ['15', 'default']);
    assert.equal(found.QUEUE_TIMEOUT.default, '30');
    assert.equal(found.API_MASTER_KEY.is_secret, true);
    assert.equal(found.WORKERS.needs_restart, true);
    const text = JSON.stringify(found);
    for (const hidden of [KEY, ADMIN_KEY, proxy, ...UPSTREAM_KEYS])
      assert.ok(!text.includes(hidden), 'no secret');
    assert.equal(sims.length, 2);
    const yaml = JSON.parse(fs.readFileSync(file, 'utf8'));
    fs.writeFileSync(file, JSON.stringify({ ...yaml, queue_timeout: 9 }));
    gw.program.signal('SIGHUP');
    await until(async () => (await settings()).QUEUE_TIMEOUT.value === '9', 'a reload shows');
  });

  test('of the command line and of a URL with a password', async () => {
    const { gw } = await world({ env, args: ['--listen', '127.0.0.1:0'] });
    const { data } = await get(gw, '/settings');
    const listen = data.find((row) => row.name === 'LISTEN');
    assert.deepEqual([listen.value, listen.source], ['127.0.0.1:0', 'command line']);
  });
});

describe('problems', () => {
  test('are what an operator should know of the settings, too', async () => {
    const open = { ADMIN_KEY: KEY, LISTEN: '0.0.0.0:0', ALLOW_NO_AUTH: 'true' };
    const { gw } = await world({ env: open });
    const same = (await get(gw, '/problems', { key: KEY })).data;
    assert.deepEqual(same.map((p) => p.what), ['ADMIN_KEY']);
    const { gw: bare } = await world({ env: { ...open, ADMIN_KEY, API_MASTER_KEY: undefined } });
    assert.deepEqual((await problemsOf(bare)).map((p) => p.what), ['API_MASTER_KEY']);
  });
});

test('the control socket has the same without a key', async () => {
  const dir = tempDir();
  const off = { STORE_URL: `sqlite:${path.join(dir, 'state.db')}`, WORKERS: 2 };
  const { gw, sim } = await world({ env: off });
  assertError(await ask(gw, 'GET', '/accounts'), { status: 403, code: 'admin_disabled' });
  const stream = await gw.stream({ messages: user('!frames 10000 every 50') });
  await stream.readUntil((chunk) => chunk.choices[0].delta.content);
  const socketPath = path.join(dir, fs.readdirSync(dir).find((name) => name.endsWith('.control')));
  const local = async (method, target) => {
    const answer = await fetchWhole(0, { socketPath, method, path: `/admin/api${target}` });
    assertDescribed(method, target, answer);
    return answer;
  };
  for (const target of ['/accounts', '/routes', '/settings', '/problems', '/overview'])
    assert.equal((await local('GET', target)).status, 200, target);
  const [live] = (await local('GET', '/live')).json().data;
  assert.equal(live.id, stream.headers['x-request-id']);
  assert.equal((await local('DELETE', `/live/${live.id}`)).status, 204);
  await stream.whole();
  assert.equal(stream.error.code, 'canceled_by_operator');
  assert.equal((await local('POST', '/accounts/cto/default/check')).json().state, 'signed_in');
  const answer = await fetchWhole(0, { socketPath, path: '/admin/api/nothing' });
  assertError(answer, { status: 404, code: 'not_found' });
  await sim.reset();
});
