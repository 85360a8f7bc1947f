// SPDX-License-Identifier: Apache-2.0
// The ledger: it says what the upstream counted, to the token, whoever asked and however it ended.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, KEY, Simulator, finish, onEnd, run, secret } from './lib/harness.mjs';
import { BINARY, Program, tempDir, until } from './lib/harness.mjs';
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

function settings(more = '') {
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(
    file,
    `upstreams:
  - name: local
    provider: openai
    base_url: "${sim.url}/v1"
    api_keys: [${KEY}]
    models: [big, small]
  - {name: open, provider: openai, base_url: "${sim.url}/v1", api_keys: [${KEY}]}
keys: [{name: laptop, key: ${LAPTOP}}]
prices:
  - {model: big, input: 1.25, output: 10}
${more}`,
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
  let gw, shown;
  const rows = async (query = '') => {
    const answer = await gw.get(`/admin/api/usage/rows${query}`, admin);
    assert.equal(answer.status, 200, answer.text);
    return answer;
  };
  const list = async (query) =>
    (await rows(query)).text.split('\n').filter(Boolean).map(JSON.parse);

  before(async () => {
    // One worker: what several have gathered comes to the store in no order.
    const env = { STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir(), WORKERS: 1 };
    const route = (model) => `{name: ${model}, targets: [{upstream: local, model: ${model}}]}`;
    const whole = ['big', 'small'].map(route);
    const any = '{name: "*", targets: [{upstream: open, model: "*"}]}';
    const config = ['--config', settings(`models: [${whole}, ${any}]\n`)];
    gw = await start(env, config);
    shown = { env, words: [BINARY, 'usage', ...config, 'rows'].join(' ') };
    const id = { 'x-request-id': 'row-1' };
    await gw.post({ model: 'big', ...say('a secret prompt\n!lorem 5') }, { headers: id });
    const stream = await gw.stream({ model: 'big', ...say('!frames 10000 every 50') });
    await stream.readUntil(() => true);
    stream.request.destroy();
    await until(async () => (await list()).length >= 2, 'two rows');
  });

  test('a row has the facts of its request, and not a word of it', async () => {
    const [second, first] = await list();
    assert.equal(first.request_id, 'row-1');
    assert.deepEqual(
      [first.key, first.dialect, first.endpoint, first.model, first.upstream, first.status],
      ['master', 'openai_chat', '/chat/completions', 'big', 'local', 200],
    );
    assert.deepEqual([first.requested_model, first.id, second.id], ['big', 1, 2]);
    assert.deepEqual(
      [first.cost_micros, first.estimated],
      [Math.round(first.prompt_tokens * 1.25 + first.completion_tokens * 10), false],
    );
    assert.equal(first.finish, 'stop');
    assert.ok(first.prompt_tokens > 0 && first.bytes_in > 0 && first.bytes_out > 0);
    assert.deepEqual([second.aborted, second.status], [true, 499]);
    assert.ok(!(await rows()).text.includes('secret'));
  });

  test('a filter that cannot be read is refused, not left out', async () => {
    const long = 'a'.repeat(256);
    for (const query of [`key=${long}`, 'key=%00', 'model=a%0', `from=${long}`, 'by=%zz'])
      for (const path of ['usage', 'usage/rows']) {
        const wrong = await gw.get(`/admin/api/${path}?${query}`, admin);
        assert.equal(wrong.status, 400, `${path} ${query}`);
        assert.equal(wrong.json().error.param, query.split('=')[0]);
      }
    for (const query of [`limit=${long}`, 'before=%', 'format=%00']) {
      const wrong = await gw.get(`/admin/api/usage/rows?${query}`, admin);
      assert.deepEqual([wrong.status, wrong.json().error.param], [400, query.split('=')[0]]);
    }
  });

  test('they can be filtered, limited and had as CSV', async () => {
    assert.equal((await list('?limit=1')).length, 1);
    assert.equal((await list('?model=small')).length, 0);
    assert.equal((await list('?to=2020-01-01&from=2020-01-01')).length, 0);
    const csv = await rows('?format=csv');
    assert.match(csv.headers['content-type'], /^text\/csv/);
    const [head, line] = csv.text.split('\r\n');
    assert.deepEqual(head.split(',').slice(0, 3), ['id', 'time', 'request_id']);
    assert.equal(line.split(',')[0], '2');
  });

  test('the newest come first, and go on before the last one that came', async () => {
    for (const id of ['row-3', 'row-4', 'row-5'])
      await gw.post({ model: 'small', ...say('x') }, { headers: { 'x-request-id': id } });
    await until(async () => (await list('?model=small')).length >= 3, 'three rows');
    const page = async (query) => (await list(query)).map((row) => row.request_id);
    assert.deepEqual(await page('?model=small'), ['row-5', 'row-4', 'row-3']);
    assert.deepEqual(await page('?model=small&limit=2'), ['row-5', 'row-4']);
    const last = (await list('?model=small&limit=2')).at(-1).id;
    assert.deepEqual(await page(`?model=small&limit=2&before=${last}`), ['row-3']);
    assert.deepEqual(await page('?before=2'), ['row-1']);
    assert.deepEqual(await page('?before=0'), []);
    const wrong = await gw.get('/admin/api/usage/rows?before=row-3', admin);
    assert.deepEqual([wrong.status, wrong.json().error.param], [400, 'before']);
  });

  test('rows and sums call a model by the same name; what was written stands beside', async () => {
    const odd = ['=1+1"', '-2+3', '+cmd', '@SUM(A1)', '\t=1', '\u202egnp'];
    odd.push('a\r\nb,"c"\u0000\u001b[31m');
    for (const model of odd) await gw.post({ model, ...say('x') });
    const others = await until(async () => {
      const found = await list('?model=other');
      return found.length >= odd.length && found;
    }, 'their rows');
    assert.deepEqual(others.map((row) => row.requested_model).reverse(), odd);
    const count = async (model) => (await list(`?model=${encodeURIComponent(model)}`)).length;
    assert.equal(await count(odd[0]), 0);
    const { data } = await settled(gw, (await list()).length, '?by=model');
    for (const { model, requests } of data) assert.equal(await count(model), requests, model);
    assert.ok(data.some(({ model }) => model === 'other'));

    // And no spreadsheet takes one for a formula, nor a terminal or a parser for anything else.
    const { text } = await rows('?model=other&format=csv');
    const fields = [...text.matchAll(/"other",("(?:[^"]|"")*"),/g)].map(([, field]) => field);
    const guarded = (text) => (/^[=+@\t-]/.test(text) ? `'${text}` : text);
    const want = odd.map((model) => `"${guarded(model.replaceAll('"', '""'))}"`);
    assert.deepEqual(fields.reverse(), want);
  });

  test('a terminal shows the same lines, wherever the pieces end that come', async () => {
    const model = '\u8a9e'.repeat(60);
    for (let n = 0; n < 10; n++)
      await Promise.all(Array.from({ length: 30 }, () => gw.post({ model, ...say('x') })));
    const limit = 'model=other limit=300';
    const wanted = async (format) =>
      (await rows(`?format=${format}&${limit.replace(' ', '&')}`)).text.split(/\r?\n/);
    await until(
      async () => (await wanted('jsonl')).filter((line) => line.includes(model)).length === 300,
      'their rows',
    );
    for (const format of ['csv', 'jsonl']) {
      const command = `${shown.words} format=${format} ${limit}`;
      const env = { ...shown.env, SHELL: '/bin/sh' };
      const program = new Program('script', ['-qec', command, '/dev/null'], { env });
      assert.equal((await program.end()).code, 0);
      const lines = program.stdout.replaceAll('\r', '').split('\n');
      assert.deepEqual(lines, await wanted(format), format);
    }
  });
});

// Counted here once more, with whole numbers only: millionths of money for a million tokens.
const PRICES = [
  { model: 'exact', input: '1.25', cached_input: '0.125', output: '10' },
  { model: 'exact-*', input: '0.000003', output: '0.3' },
  { model: 'exact-mini*', input: '999999.999999', cached_input: '0', output: '1000000' },
];
const COUNTS = [
  { prompt: 1_000_003, cached: 999_999, completion: 77, reasoning: 70 },
  { prompt: 1, cached: 0, completion: 0, reasoning: 0 },
  { prompt: 333_333, cached: 1, completion: 666_667, reasoning: 0 },
  { prompt: 9_007_199, cached: 9_007_199, completion: 123_456_789, reasoning: 1 },
];
const micros = (text) => {
  const [whole, part = ''] = text.split('.');
  return BigInt(whole) * 1_000_000n + BigInt(part.padEnd(6, '0'));
};
const costOf = (price, { prompt, cached, completion }) => {
  const input = micros(price.input);
  const sum =
    BigInt(prompt - cached) * input +
    BigInt(cached) * micros(price.cached_input ?? price.input) +
    BigInt(completion) * micros(price.output);
  return Number((sum + 500_000n) / 1_000_000n);
};

test('the cost is that of the price table, to the millionth', async () => {
  let next;
  const upstream = http.createServer((req, res) => {
    req.resume();
    req.on('end', () => {
      const usage = {
        prompt_tokens: next.prompt,
        completion_tokens: next.completion,
        total_tokens: next.prompt + next.completion,
        prompt_tokens_details: { cached_tokens: next.cached },
        completion_tokens_details: { reasoning_tokens: next.reasoning },
      };
      const message = { role: 'assistant', content: 'hi' };
      const choices = [{ index: 0, message, finish_reason: 'stop' }];
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, choices, usage }));
    });
  });
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  onEnd(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const models = ['exact', 'exact-1', 'exact-mini-2', 'free'];
  const file = path.join(tempDir(), 'gateway.yaml');
  const line = ({ model, ...price }) =>
    `  - {model: "${model}", ${Object.entries(price).map((pair) => pair.join(': ')).join(', ')}}\n`;
  fs.writeFileSync(
    file,
    `upstreams:
  - name: own
    provider: openai
    base_url: "http://127.0.0.1:${upstream.address().port}/v1"
    api_keys: [${KEY}]
    models: [${models}]
prices:
${PRICES.map(line).join('')}`,
    { mode: 0o600 },
  );
  const env = { STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir(), WORKERS: 1 };
  const gw = await start(env, ['--config', file]);
  const want = Object.fromEntries(models.map((model) => [model, []]));
  for (const [i, model] of models.entries())
    for (next of COUNTS) {
      assert.equal((await gw.post({ model, ...say('x') })).status, 200);
      want[model].push(PRICES[i] ? costOf(PRICES[i], next) : 0);
    }
  const { data } = await settled(gw, 16, '?by=model');
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  assert.deepEqual(
    Object.fromEntries(data.map((one) => [one.model, one.cost_micros])),
    Object.fromEntries(models.map((model) => [model, sum(want[model])])),
  );
  const rows = (await gw.get('/admin/api/usage/rows', admin)).text.split('\n').filter(Boolean);
  for (const model of models) {
    const mine = rows.map(JSON.parse).filter((row) => row.model === model);
    assert.deepEqual(mine.map((row) => row.cost_micros).reverse(), want[model], model);
  }
  const [{ reasoning_tokens: reasoning, cached_tokens: cached }] = data;
  assert.deepEqual([reasoning, cached], [71, 10_007_199]);
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

  test('a wrong word is exit code 2, and nobody is asked', async () => {
    const words = {
      'by=foo': /by=foo: expected day, key, model or upstream/,
      'from=yesterday': /from=yesterday: expected a day/,
      'from=2027-01-01 to=2026-01-01': /2027-01-01: from is behind to/,
      'rows limit=many': /limit=many: expected a number/,
      'rows before=-1': /before=-1: expected a number/,
      'foo=1': /foo=1: expected from=, to=/,
      'format=xml': /format=xml: expected table, csv or jsonl/,
    };
    for (const [line, why] of Object.entries(words)) {
      const { code, stdout, stderr } = await ask(...line.split(' '));
      assert.deepEqual([code, stdout], [2, ''], `${line}: ${stderr}`);
      assert.match(stderr, why);
    }
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
      assert.match((await ask('rows', 'format=csv')).stdout, /^id,time,request_id,/);
      const last = (await ask('rows', 'limit=1')).stdout.trim().split('\n').map(JSON.parse);
      assert.deepEqual(last.map((row) => [row.id, row.model]), [[2, 'small']]);
      assert.equal(JSON.parse((await ask('rows', 'before=2')).stdout).model, 'big');
      assert.match((await ask('to=2020-01-02', 'from=2020-01-01')).stdout, /^Nothing was used/);
    });

  test('says what is wrong in its words', async () => {
    for (const [word, said] of [
      ['by=hour', /expected day, key, model/],
      ['since=yesterday', /expected from=, to=/],
      ['limit=1', /expected from=, to=, by=, key=, model= or format=/],
      ['format=xml', /expected table, csv or jsonl/],
    ]) {
      const { code, stderr } = await ask(word);
      assert.ok(code > 0, word);
      assert.match(stderr, said);
    }
  });
});
