// SPDX-License-Identifier: Apache-2.0
// The ledger: it says what the upstream counted, to the token, whoever asked and however it ended.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, KEY, Simulator, finish, run, secret, tempDir, until } from './lib/harness.mjs';
import { Redis } from './lib/redis.mjs';

after(finish);

const ADMIN = secret('ak-usage-3c91f0', 'the admin key');
const LAPTOP = secret('sk-usage-laptop', 'a key');
const today = () => new Date().toISOString().slice(0, 10);

let sim;
before(async () => {
  sim = await Simulator.start();
  await sim.set({ models: ['big', 'small'], native: false, api_keys: KEY });
});

function settings() {
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
prices:
  - {model: big, input: 1.25, output: 10}
`,
    { mode: 0o600 },
  );
  return file;
}

async function start(env = {}, args = ['--config', settings()]) {
  return Gateway.start({
    env: { ADMIN_KEY: ADMIN, WORKERS: 2, STORE_URL: 'memory:', ...env },
    args,
  });
}

const admin = { authorization: `Bearer ${ADMIN}` };
const usage = async (gw, query = '') => {
  const answer = await gw.get(`/admin/api/usage${query}`, admin);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
};

/** What is in it when all of `n` requests are. */
const settled = (gw, n, query = '') =>
  until(async () => {
    const told = await usage(gw, query);
    return told.total.requests >= n && told;
  }, `${n} requests in the ledger`);

const say = (content) => ({ messages: [{ role: 'user', content }] });

const stores = {
  memory: () => ({ STORE_URL: 'memory:' }),
  SQLite: () => ({ STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir() }),
  Redis: async () => ({ STORE_URL: (await Redis.start()).url }),
};

for (const [name, env] of Object.entries(stores))
  describe(`with the store in ${name}`, () => {
    let gw, sums;
    before(async () => {
      gw = await start(await env());
      sums = { prompt: 0, completion: 0, cost: 0 };
      for (const [model, key] of [
        ['big', KEY],
        ['big', LAPTOP],
        ['small', LAPTOP],
      ]) {
        const answer = await gw.post(
          { model, ...say(`!lorem 20`) },
          { headers: { authorization: `Bearer ${key}` } },
        );
        const { usage: used } = answer.json();
        sums.prompt += used.prompt_tokens;
        sums.completion += used.completion_tokens;
        if (model === 'big')
          sums.cost += Math.round(used.prompt_tokens * 1.25 + used.completion_tokens * 10);
      }
      await sim.fault({ where: 'completions', kind: 'status', status: 500 });
      assert.equal((await gw.post({ model: 'big', ...say('x') })).status, 502);
    });

    test('the sums are those that the answers told', async () => {
      const told = await settled(gw, 4);
      assert.deepEqual([told.from < told.to, told.to, told.by], [true, today(), ['day']]);
      assert.equal(told.data.length, 1);
      const { total } = told;
      // The prompt that failed went out: it is estimated, as one token.
      assert.deepEqual(
        [total.requests, total.failed, total.estimated, total.prompt_tokens],
        [4, 1, 1, sums.prompt + 1],
      );
      assert.equal(total.completion_tokens, sums.completion);
      assert.ok(Math.abs(total.cost_micros - sums.cost) <= 2, `${total.cost_micros} ${sums.cost}`);
    });

    test('they can be grouped and filtered', async () => {
      await settled(gw, 4);
      const { data } = await usage(gw, '?by=key,model');
      assert.deepEqual(
        data.map((one) => [one.key, one.model, one.requests]),
        [
          ['file/laptop', 'big', 1],
          ['file/laptop', 'small', 1],
          ['master', 'big', 2],
        ],
      );
      const { data: mine } = await usage(gw, '?by=upstream&key=file%2Flaptop');
      assert.deepEqual(
        mine.map((one) => [one.upstream, one.requests]),
        [['local', 2]],
      );
      assert.equal((await usage(gw, '?from=2020-01-01&to=2020-12-31')).total.requests, 0);
    });
  });

test('what is wrong in a question is told', async () => {
  const gw = await start();
  for (const [query, param] of [
    ['?by=hour', 'by'],
    ['?from=yesterday', 'from'],
    ['?to=2026-1-1', 'to'],
    ['?from=2026-02-01&to=2026-01-01', 'from'],
  ]) {
    const answer = await gw.get(`/admin/api/usage${query}`, admin);
    assert.deepEqual([answer.status, answer.json().error.param], [400, param], answer.text);
  }
  const rows = await gw.get('/admin/api/usage/rows', admin);
  assert.equal(rows.status, 404);
  assert.match(rows.json().error.message, /STORE_URL=sqlite:/);
  assert.equal((await gw.get('/admin/api/usage')).status, 403);
});

describe('rows of single requests', () => {
  let gw;
  const rows = async (query = '') => {
    const answer = await gw.get(`/admin/api/usage/rows${query}`, admin);
    assert.equal(answer.status, 200, answer.text);
    return answer;
  };
  const list = async (query) =>
    (await rows(query)).text.split('\n').filter(Boolean).map(JSON.parse);

  before(async () => {
    gw = await start({ STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir() });
    const id = { 'x-request-id': 'row-1' };
    await gw.post({ model: 'big', ...say('a secret prompt\n!lorem 5') }, { headers: id });
    const stream = await gw.stream({ model: 'big', ...say('!frames 10000 every 50') });
    await stream.readUntil(() => true);
    stream.request.destroy();
    await until(async () => (await list()).length >= 2, 'two rows');
  });

  test('a row has the facts of its request, and not a word of it', async () => {
    const [first, second] = await list();
    assert.equal(first.request_id, 'row-1');
    assert.deepEqual(
      [first.key, first.dialect, first.endpoint, first.model, first.upstream, first.status],
      ['master', 'openai_chat', '/chat/completions', 'big', 'local', 200],
    );
    assert.equal(first.finish, 'stop');
    assert.ok(first.prompt_tokens > 0 && first.bytes_in > 0 && first.bytes_out > 0);
    assert.deepEqual([second.aborted, second.status], [true, 499]);
    assert.ok(!(await rows()).text.includes('secret'));
  });

  test('they can be filtered, limited and had as CSV', async () => {
    assert.equal((await list('?limit=1')).length, 1);
    assert.equal((await list('?model=small')).length, 0);
    assert.equal((await list('?to=2020-01-01&from=2020-01-01')).length, 0);
    const csv = await rows('?format=csv');
    assert.match(csv.headers['content-type'], /^text\/csv/);
    const [head, line] = csv.text.split('\r\n');
    assert.equal(head.split(',')[1], 'request_id');
    assert.equal(line.split(',')[1], '"row-1"');
  });

  test('a model that would be a formula in a spreadsheet is text there', async () => {
    await gw.post({ model: '=1+1"', ...say('x') });
    await gw.post({ model: 'big', ...say('x') }, { headers: { 'x-request-id': '-2-' } });
    const text = await until(async () => {
      const got = (await rows('?format=csv')).text;
      return got.includes('-2-') && got;
    }, 'the row');
    assert.match(text, /,"'-2-",/);
  });
});

test('what was used survives a restart, and kill -9 loses the last second at most', async () => {
  const env = { STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir() };
  const file = settings();
  const first = await start(env, ['--config', file]);
  await first.post({ model: 'big', ...say('one') });
  await settled(first, 1);
  await first.post({ model: 'big', ...say('two') });
  await first.stop();
  const second = await start(env, ['--config', file]);
  assert.equal((await usage(second)).total.requests, 2);
  await second.post({ model: 'big', ...say('three') });
  await settled(second, 3);
  second.program.signal('SIGKILL');
  second.disown();
  await second.program.end();
  const third = await start(env, ['--config', file]);
  assert.equal((await usage(third)).total.requests, 3);
});

describe('the command', () => {
  let gw, env, file;
  const ask = (...words) => run(['usage', '--config', file, ...words], { env });
  before(async () => {
    file = settings();
    env = { STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir(), LISTEN: '127.0.0.1:0' };
    gw = await start(env, ['--config', file]);
    await gw.post({ model: 'big', ...say('!lorem 5') });
    await gw.post({ model: 'small', ...say('!lorem 50') });
    await settled(gw, 2);
  });

  for (const state of ['runs', 'does not run'])
    test(`tells of a gateway that ${state}`, async () => {
      if (state !== 'runs') await gw.stop();
      const { total } = state === 'runs' ? await usage(gw) : { total: null };
      const { code, stdout, stderr } = await ask('by=model');
      assert.equal(code, 0, stderr);
      const lines = stdout.split('\n');
      assert.match(lines[0], /^model +requests +failed +input +output +cached +cost +tokens$/);
      assert.match(lines[1], /^big +1 +0 +\d+ +\d+ +0 +0\.\d{4} +#*$/);
      assert.match(lines[2], /^small +1 +0 +\d+ +\d+ +0 +0\.0000 +#{24}$/);
      assert.match(lines[3], /^total +2 /);
      if (total) assert.ok(lines[3].includes(` ${total.completion_tokens} `), lines[3]);
      const csv = (await ask('by=model', 'format=csv')).stdout.split('\n');
      assert.match(csv[0], /^model,requests,failed,prompt_tokens/);
      assert.match(csv[2], /^"small",1,0,/);
      const jsonl = (await ask('by=model', 'format=jsonl')).stdout.trim().split('\n');
      assert.deepEqual(jsonl.map((line) => JSON.parse(line).model), ['big', 'small']);
      const rows = (await ask('rows', 'model=small')).stdout.trim().split('\n').map(JSON.parse);
      assert.deepEqual(rows.map((row) => row.model), ['small']);
      assert.match((await ask('rows', 'format=csv')).stdout, /^time,request_id,/);
      assert.match((await ask('to=2020-01-02', 'from=2020-01-01')).stdout, /^Nothing was used/);
    });

  test('says what is wrong in its words', async () => {
    for (const [word, said] of [
      ['by=hour', /expected day, key, model/],
      ['since=yesterday', /expected from=, to=/],
      ['format=xml', /expected table, csv or jsonl/],
    ]) {
      const { code, stderr } = await ask(word);
      assert.ok(code > 0, word);
      assert.match(stderr, said);
    }
  });
});
