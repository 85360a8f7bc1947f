// SPDX-License-Identifier: Apache-2.0
// The numbers of the gateway as those see them who read them: promtool, a Prometheus that scrapes,
// the dashboard's queries, the rules, and the table for people.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CANARY, Gateway, Simulator, finish, secret, tempDir } from './lib/harness.mjs';
import { DEPLOY, Prometheus, promtool } from './lib/prometheus.mjs';
import { until } from './lib/until.mjs';

after(() => prometheus?.program.kill());
after(finish);

const KEY = secret('sk-upstream-metrics-3', 'a key');
const OPENMETRICS = 'application/openmetrics-text; version=1.0.0';
let cto, local, gw, prometheus;

before(async () => {
  cto = await Simulator.start();
  local = await Simulator.start();
  await local.set({ api_keys: KEY, models: ['big', 'sick'], native: false });
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(
    file,
    `upstreams:
  - name: cto
    provider: enginelabs
    api_url: ${cto.url}
    clerk_url: ${cto.url}
    accounts: [{name: one, cookie: "${cto.cookie}"}]
  - name: local
    provider: openai
    base_url: ${local.url}/v1
    api_key: ${KEY}
    models: [big, sick]
`,
  );
  gw = await Gateway.start({ args: ['--config', file] });
  prometheus = await Prometheus.start(`127.0.0.1:${gw.port}`);
});

const ask = (model, prompt = CANARY) =>
  gw.post({ model, messages: [{ role: 'user', content: prompt }] });

async function read(accept) {
  const answer = await gw.get('/metrics', accept ? { accept } : {});
  assert.equal(answer.status, 200);
  return answer;
}

/** [{ name, labels, value }] of a text, without comments. */
function samplesOf(text) {
  return text
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => {
      const [, name, inner, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      const pairs = [...(inner ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      return { name, labels: Object.fromEntries(pairs.map(([, k, v]) => [k, v])), value: +value };
    });
}

const sum = (samples, name, labels) =>
  samples
    .filter((s) => s.name === name && Object.keys(labels).every((k) => s.labels[k] === labels[k]))
    .reduce((total, s) => total + s.value, 0);

describe('after requests of all kinds', () => {
  let text;

  before(async () => {
    assert.equal((await ask('GPT5', '!think hm hm hm\n!echo so be it')).status, 200);
    assert.equal((await ask('big')).status, 200);
    assert.equal((await ask('nobody-has-this')).status, 404);
    const stream = await gw.begin({
      model: 'GPT5',
      stream: true,
      messages: [{ role: 'user', content: '!frames 500 every 20' }],
    });
    await until(async () => (await gw.metrics()).enginelabs_leases === 1, 'it runs');
    stream.destroy();
    await until(async () => (await gw.metrics()).exchanges === 0, 'it is over');
    await local.fault({ where: 'completions', status: 500, times: -1 });
    for (let i = 0; i < 12; i++) await ask('sick');
    text = (await read()).text;
  });

  test('counts by model, upstream and outcome', () => {
    const samples = samplesOf(text);
    const requests = (labels) => sum(samples, 'enginelabs2api_requests_total', labels);
    assert.equal(requests({ upstream: 'cto', model: 'GPT5', outcome: 'completed' }), 1);
    assert.equal(requests({ upstream: 'cto', model: 'GPT5', outcome: 'canceled' }), 1);
    assert.equal(requests({ upstream: 'local', model: 'big', outcome: 'completed' }), 1);
    assert.equal(requests({ upstream: 'local', model: 'sick', outcome: 'completed' }), 0);
    assert.ok(requests({ upstream: 'local', model: 'sick', outcome: 'failed' }) >= 10);
    assert.ok(!text.includes('nobody-has-this'));
    assert.ok(sum(samples, 'enginelabs2api_tokens_total', { upstream: 'cto' }) > 0);
  });

  test('names the circuit that opened, and where accounts stand', () => {
    const samples = samplesOf(text);
    const open = { target: 'local/sick', state: 'open' };
    assert.equal(sum(samples, 'enginelabs2api_circuit_state', open), 1);
    const ready = (upstream) =>
      sum(samples, 'enginelabs2api_accounts', { upstream, state: 'ready' });
    assert.equal(ready('cto'), 1);
    assert.equal(ready('local'), 1);
    assert.equal(sum(samples, 'enginelabs2api_accounts', {}), 2);
  });

  test('observes times', () => {
    const samples = samplesOf(text);
    for (const name of ['first_token', 'request_duration', 'queue_wait', 'gateway_overhead'])
      assert.ok(sum(samples, `enginelabs2api_${name}_seconds_count`, {}) >= 2, name);
    assert.ok(sum(samples, 'enginelabs2api_store_operation_seconds_count', {}) > 0);
  });

  test('promtool finds nothing to blame', () => {
    const check = (what) => promtool(['check', 'metrics'], what);
    assert.deepEqual(check(text), { status: 0, said: '' });
    assert.notEqual(check(text.replaceAll('timeouts_total', 'timeouts')).said, '');
  });

  test('speaks OpenMetrics to who asks for it, with the same samples', async () => {
    const plain = await read('text/plain');
    assert.equal(plain.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    const open = await read(`${OPENMETRICS},text/plain;q=0.5`);
    assert.equal(open.headers['content-type'], `${OPENMETRICS}; charset=utf-8`);
    assert.ok(open.text.endsWith('\n# EOF\n'));
    assert.ok(open.text.includes('# UNIT enginelabs2api_first_token_seconds seconds\n'));
    assert.ok(open.text.includes('# TYPE enginelabs2api_requests counter\n'));
    const keys = (answer) =>
      samplesOf(answer.text).map((s) => `${s.name} ${JSON.stringify(s.labels)}`);
    assert.deepEqual(keys(open), keys(plain));
  });

  test('a Prometheus reads it', async () => {
    const done = 'enginelabs2api_requests_total{outcome="completed",model="GPT5"}';
    const [sample] = await until(async () => {
      const result = await prometheus.query(done);
      return result.length > 0 && result;
    }, 'it scraped');
    assert.equal(sample.value[1], '1');
    assert.equal(sample.metric.job, 'enginelabs-2api');
    assert.equal((await prometheus.target()).lastError, '');
    assert.equal((await prometheus.query('up'))[0].value[1], '1');
  });

  describe('every metric that is named somewhere exists', () => {
    let names;

    before(() => {
      names = new Set(samplesOf(text).map((s) => s.name));
      const rules = fs.readFileSync(
        path.join(DEPLOY, 'prometheus', 'enginelabs-2api.rules.yml'),
        'utf8',
      );
      for (const [, name] of rules.matchAll(/record: (\S+)/g)) names.add(name);
    });

    const named = (expr) =>
      expr.replace(/"[^"]*"/g, '').match(/\b(?:enginelabs2api|process)[_:][a-z0-9_:]+/g) ?? [];

    function expectKnown(expr) {
      assert.notEqual(named(expr).length, 0, expr);
      for (const name of named(expr)) assert.ok(names.has(name), `${name} in ${expr}`);
    }

    test('in the dashboard, whose queries all run', async () => {
      const file = path.join(DEPLOY, 'grafana', 'enginelabs-2api.json');
      const dashboard = JSON.parse(fs.readFileSync(file, 'utf8'));
      const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
      assert.ok(targets.length > 40);
      for (const { expr } of targets) {
        expectKnown(expr);
        const filled = expr
          .replaceAll('$__rate_interval', '1m')
          .replaceAll('$job', 'enginelabs-2api')
          .replaceAll('$instance', '.*');
        await prometheus.query(filled);
      }
      const ids = dashboard.panels.map((panel) => panel.id);
      assert.equal(new Set(ids).size, ids.length, 'ids are unique');
      for (const { gridPos } of dashboard.panels) assert.ok(gridPos.x + gridPos.w <= 24);
    });

    test('in the rules, which Prometheus can evaluate', async () => {
      const rules = await until(async () => {
        const all = await prometheus.rules();
        const isOver = (rule) => rule.health !== 'unknown';
        /* The circuit is open, and not for long enough. */
        const circuit = all.find((rule) => rule.name === 'CircuitOpen');
        return all.every(isOver) && circuit.state === 'pending' && all;
      }, 'all were evaluated, and the circuit noticed');
      assert.ok(rules.length >= 14);
      for (const rule of rules) {
        assert.equal(rule.health, 'ok', `${rule.name}: ${rule.lastError}`);
        if (rule.name !== 'GatewayDown') expectKnown(rule.query);
      }
    });

    test('every alert is in the table for people', async () => {
      const doc = fs.readFileSync(path.join(DEPLOY, '../docs/operations.md'), 'utf8');
      const table = [...doc.matchAll(/^\| `([A-Z]\w+)` \|/gm)].map(([, name]) => name);
      const alerts = (await prometheus.rules()).filter((rule) => rule.type === 'alerting');
      assert.deepEqual(table.sort(), alerts.map((rule) => rule.name).sort());
    });

    test('in the table for people, with its type and labels', () => {
      const doc = fs.readFileSync(path.join(DEPLOY, '../docs/operations.md'), 'utf8');
      const row = /^\| `((?:enginelabs2api|process)_\w+)` \| (\w+) \| (.*?) \| (.+) \|$/gm;
      const table = new Map(
        [...doc.matchAll(row)].map(([, name, type, labels]) => [name, { type, labels }]),
      );
      const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
      assert.deepEqual([...table.keys()].sort(), types.map(([, name]) => name).sort());
      for (const [, name, type] of types) {
        assert.equal(table.get(name).type, type, name);
        const one = samplesOf(text).find((s) => s.name.replace(/_bucket$/, '') === name);
        if (!one) continue;
        const has = Object.keys(one.labels).filter((label) => label !== 'le');
        const want = [...table.get(name).labels.matchAll(/`(\w+)`/g)].map(([, label]) => label);
        assert.deepEqual(has, want, name);
      }
    });
  });
});

test('promtool accepts the rules, and each does what its tests say', () => {
  const dir = path.join(DEPLOY, 'prometheus');
  const check = promtool(['check', 'config', path.join(dir, 'prometheus.yml')]);
  assert.equal(check.status, 0, check.said);
  const rules = promtool(['test', 'rules', path.join(dir, 'enginelabs-2api.rules.test.yml')]);
  assert.equal(rules.status, 0, rules.said);
});

test('a request that waits for an account says how long', async () => {
  const one = await Gateway.start({ env: { ...cto.env(), ENGINELABS_MAX_PARALLEL: 1 } });
  const body = (prompt) => ({ model: 'GPT5', messages: [{ role: 'user', content: prompt }] });
  const first = one.post(body('!frames 100 every 10'));
  await until(async () => (await one.metrics()).enginelabs_leases === 1, 'the first runs');
  const second = await one.post(body('hi'));
  assert.equal(second.status, 200);
  await first;
  const lines = await until(() => {
    const ended = one.logLines.filter((line) => line.message === 'exchange');
    return ended.length === 2 && ended;
  }, 'both are told');
  const waits = lines.map((line) => line.queued_ms).sort((a, b) => a - b);
  assert.ok(waits[0] < 300 && waits[1] > 300, `${waits}`);
  const samples = samplesOf((await one.get('/metrics')).text);
  const seconds = sum(samples, 'enginelabs2api_queue_wait_seconds_sum', { upstream: 'cto' });
  assert.equal(Math.round(seconds * 1000), waits[0] + waits[1]);
});
