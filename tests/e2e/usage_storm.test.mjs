// SPDX-License-Identifier: Apache-2.0
// The ledger after a storm in which many clients leave and answers break off, and after a kill in
// the middle of one: held against what the simulator saw, request by request. USAGE_STORM_SECONDS
// (3) is how long each lasts.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CANARY, Gateway, KEY, Simulator, finish, secret } from './lib/harness.mjs';
import { sleep, tempDir, until } from './lib/harness.mjs';
import { Redis } from './lib/redis.mjs';

after(finish);

const SECONDS = Number(process.env.USAGE_STORM_SECONDS ?? 3);
const CLIENTS = 60;
const ADMIN = secret('ak-usage-storm-77d1', 'the admin key');
const LAPTOP = secret('sk-usage-storm-laptop', 'a key');
const KEYS = { master: KEY, 'file/laptop': LAPTOP };
const MEMBERS = ['prompt_tokens', 'completion_tokens', 'reasoning_tokens', 'cost_micros'];

async function simulator() {
  const sim = await Simulator.start();
  const pacing = { first_ms: 5, every_ms: 2 };
  const settings = { models: ['big', 'small'], api_keys: KEY, log_entries: 1_000_000, pacing };
  await sim.set({ ...settings, native: false });
  return sim;
}

function settingsOf(sim) {
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(
    file,
    `upstreams:
  - name: local
    provider: openai
    base_url: "${sim.url}/v1"
    api_keys: [${KEY}]
    models: [big, small]
keys: [{name: laptop, key: ${LAPTOP}}]
prices: [{model: big, input: 1.25, output: 10}]
`,
    { mode: 0o600 },
  );
  return file;
}

const start = (env, file) =>
  Gateway.start({
    env: { ADMIN_KEY: ADMIN, WORKERS: 2, LOG_LEVEL: 'info', ...env },
    args: ['--config', file],
  });

const admin = { authorization: `Bearer ${ADMIN}` };

async function usage(gw, query) {
  const answer = await gw.get(`/admin/api/usage${query}`, admin);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

async function rowsOf(gw) {
  const answer = await gw.get('/admin/api/usage/rows', admin);
  assert.equal(answer.status, 200, answer.text);
  assert.ok(!answer.text.includes(CANARY), 'a prompt is in the ledger');
  return answer.text.split('\n').filter(Boolean).map(JSON.parse);
}

const words = (text) => text.split(/\s+/).filter(Boolean).length;
const sum = (list, member) => list.reduce((n, one) => n + Number(one[member]), 0);
const idOf = (prompt) => /^(storm-\d+-\d+)$/m.exec(prompt)[1];
const framesOf = (prompt) => Number(/^!frames (\d+)/m.exec(prompt)[1]);

/** Asks over and over: a fifth leaves in the middle, a tenth meets a fault. `told` gets the ids of
 *  the answers that were whole, and when. */
async function client(gw, number, told, isOver) {
  const names = Object.keys(KEYS);
  for (let turn = 0; !isOver(); turn++) {
    const id = `storm-${number}-${turn}`;
    const frames = 3 + ((number * 7 + turn * 3) % 20);
    const lines = [CANARY, id, `!frames ${frames} every 2`];
    const chance = (number + 3 * turn) % 20;
    if (chance === 0) lines.push('!fault completions 500');
    if (chance === 1) lines.push('!fault chunks reset at=2');
    const body = {
      model: number % 3 ? 'big' : 'small',
      messages: [{ role: 'user', content: lines.join('\n') }],
      stream: turn % 3 > 0,
    };
    const headers = {
      'x-request-id': id,
      authorization: `Bearer ${KEYS[names[number % names.length]]}`,
    };
    if (chance > 15) {
      const opened = await gw.beginStream(body, { headers }).catch((error) => {
        if (!isOver()) throw error; // else it was killed
      });
      await sleep((number * 5 + turn) % 40);
      opened?.request.destroy();
      continue;
    }
    const answer = await gw.post(body, { headers }).catch((error) => {
      if (!isOver()) throw error; // else it was killed
    });
    if (answer?.status === 200 && !answer.text.includes('"error"')) told.set(id, Date.now());
  }
}

const storm = (gw, told, isOver) =>
  Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(gw, i, told, isOver)));

/** Each request that reached the simulator has its record, and what was counted is what it said. */
async function judge(sim, records, told, t) {
  const byId = new Map(records.map((record) => [record.request_id, record]));
  assert.equal(byId.size, records.length, 'a request has two records');
  const asked = await sim.log('completion');
  const ends = await sim.log('completion_end');
  const seen = { requests: 0, prompt_tokens: 0, completion_tokens: 0 };
  const counted = [];
  const pieces = new Map(ends.map((end) => [idOf(end.prompt), end.messages]));
  for (const { prompt, status } of asked) {
    const id = idOf(prompt);
    const record = byId.get(id);
    assert.ok(record, `${id} is not in the ledger`);
    if (told.has(id)) assert.ok(!Number(record.estimated), `${id} was whole, and is estimated`);
    if (Number(record.estimated)) {
      // Of an answer that broke off nobody said a number: no more than its pieces may hold.
      assert.ok(!told.has(id) && record.prompt_tokens > 0, id);
      const most = 5 * (status === 200 ? (pieces.get(id) ?? framesOf(prompt)) : 0);
      assert.ok(record.completion_tokens <= most, `${id}: ${record.completion_tokens} of ${most}`);
      continue;
    }
    counted.push(record);
    seen.requests++;
    seen.prompt_tokens += words(prompt);
    seen.completion_tokens += framesOf(prompt);
  }
  const sent = new Set(asked.map(({ prompt }) => idOf(prompt)));
  for (const record of records.filter(({ request_id: id }) => !sent.has(id)))
    assert.equal(record.completion_tokens, 0, 'it never came to the simulator');
  for (const member of ['prompt_tokens', 'completion_tokens'])
    assert.equal(sum(counted, member), seen[member], member);
  const estimated = records.length - counted.length;
  t.diagnostic(
    `${records.length} requests, ${told.size} whole, ${estimated} estimated; ` +
      `simulator and ledger: ${seen.prompt_tokens} in, ${seen.completion_tokens} out`,
  );
  assert.ok(told.size > CLIENTS && estimated > CLIENTS / 2);
}

const stores = {
  memory: () => ({ STORE_URL: 'memory:' }),
  SQLite: () => ({ STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir() }),
  Redis: async () => ({ STORE_URL: (await Redis.start()).url }),
};

for (const [name, env] of Object.entries(stores))
  describe(`${CLIENTS} clients, ${SECONDS} s, ${name}`, () => {
    let sim, gw, records;
    const told = new Map();

    before(async () => {
      sim = await simulator();
      gw = await start(await env(), settingsOf(sim));
      const end = Date.now() + 1000 * SECONDS;
      await storm(gw, told, () => Date.now() > end);
      await gw.idle();
      // Under load a line is written some milliseconds after its request ended.
      records = await until(async () => {
        const { total } = await usage(gw, '?by=key,model');
        const lines = gw.logLines.filter((line) => line.message === 'exchange');
        const ids = new Set(lines.map((line) => line.request_id));
        const isTold = ({ prompt }) => ids.has(idOf(prompt));
        if (!(await sim.log('completion')).every(isTold)) return false;
        return lines.length > CLIENTS && lines.length === total.requests && lines;
      }, 'all is in the log, and in the ledger');
    });

    test('the log lines are what the simulator saw, to the token', (t) =>
      judge(sim, records, told, t));

    test('the sums are those of the log lines, to the token', async () => {
      const { total, data } = await until(async () => {
        const now = await usage(gw, '?by=key,model');
        return now.total.requests >= records.length && now;
      }, 'all is in the ledger');
      assert.equal(total.requests, records.length);
      for (const one of data) {
        const mine = records.filter((r) => r.key === one.key && r.model === one.model);
        assert.equal(one.requests, mine.length);
        assert.equal(one.estimated, sum(mine, 'estimated'));
        for (const member of MEMBERS) assert.equal(one[member], sum(mine, member), member);
      }
      for (const member of MEMBERS) assert.equal(total[member], sum(records, member), member);
      assert.ok(total.cost_micros > 0 && total.canceled > 0 && total.failed > 0);
      assert.equal((await gw.metrics()).usage_dropped_total, 0);
    });

    if (name === 'SQLite')
      test('the rows are what the simulator saw, too', async (t) => {
        const rows = await until(async () => {
          const now = await rowsOf(gw);
          return now.length >= records.length && now;
        }, 'all rows are in the ledger');
        await judge(sim, rows, told, t);
      });
  });

test('kill -9 in the middle of a storm loses the last second at most', async (t) => {
  const sim = await simulator();
  const env = { STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir() };
  const file = settingsOf(sim);
  const gw = await start(env, file);
  const told = new Map();
  let killed = Infinity;
  const running = storm(gw, told, () => Date.now() >= killed);
  await sleep(1000 * SECONDS);
  killed = Date.now();
  gw.program.signal('SIGKILL');
  gw.disown();
  await running;
  await gw.program.end();
  const again = await start(env, file);
  const rows = await rowsOf(again);
  const has = new Set(rows.map((row) => row.request_id));
  const lost = [...told].filter(([id]) => !has.has(id));
  const oldest = Math.max(0, ...lost.map(([, at]) => killed - at));
  const { total } = await usage(again, '');
  t.diagnostic(`${told.size} whole, ${lost.length} lost, the oldest ${oldest} ms before the kill`);
  assert.ok(oldest <= 1000, `${oldest} ms were lost`);
  assert.ok(told.size > CLIENTS && lost.length < told.size);
  assert.equal(total.requests, rows.length, 'sums and rows are of the same requests');
  for (const member of MEMBERS) assert.equal(total[member], sum(rows, member), member);
});
