// SPDX-License-Identifier: Apache-2.0
// What is passed on unread is counted, too: tokens and money of embeddings, rankings, pictures and
// sound, as the upstream tells them, else by an estimate; and the limits of keys hold for them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, Simulator, finish, secret, tempDir, until } from './lib/harness.mjs';
import { PlainUpstream, read, reply } from './lib/plain.mjs';
import { begin } from './lib/relay.mjs';

after(finish);

const UPSTREAM = secret('sk-limits-relay-upstream-5c', 'a key of the upstream');
const ADMIN = secret('admin-limits-relay-81', 'ADMIN_KEY');
const name = (n) => secret(`sk-limits-relay-${n}-09ab`, 'a key');
const PRICE = 20; // millionths a token that goes in
const KEYS = {
  tokens: 'tokens_ever: 200',
  many: 'tokens_ever: 300',
  money: 'money_ever: 0.002',
  minute: 'tokens_per_minute: 100',
  left: 'tokens_ever: 100000',
  pictures: 'tokens_ever: 9000',
  sound: 'tokens_ever: 1000, requests_per_minute: 100',
  rows: 'tokens_ever: 100000',
};

let sim;
let plain;
let gw;
before(async () => {
  sim = await Simulator.start();
  await sim.set({ api_keys: UPSTREAM, models: ['embed'] });
  plain = await PlainUpstream.start();
  const file = path.join(tempDir(), 'gateway.yaml');
  const keys = Object.entries(KEYS).map(
    ([id, limits]) => `  - {name: ${id}, key: ${name(id)}, ${limits}}`,
  );
  fs.writeFileSync(
    file,
    `upstreams:
  - name: there
    provider: openai
    base_url: ${sim.url}/v1
    api_keys: [${UPSTREAM}]
    models: [embed]
  - name: plain
    provider: openai
    base_url: ${plain.url}
    api_keys: [${UPSTREAM}]
    models: [other]
prices:
  - {model: embed, input: ${PRICE}, output: 0}
keys:
${keys.join('\n')}
`,
    { mode: 0o600 },
  );
  const env = { ADMIN_KEY: ADMIN, WORKERS: 3, STATE_DIRECTORY: tempDir(), STORE_URL: 'sqlite:' };
  gw = await Gateway.start({ env, args: ['--config', file] });
});

const as = (key) => ({ authorization: `Bearer ${key}` });
const post = (id, endpoint, body, headers = {}) =>
  gw.post(body, { path: `/v1/${endpoint}`, headers: { ...as(name(id)), ...headers } });
const embed = (id, input, more = {}) => post(id, 'embeddings', { model: 'embed', input, ...more });
const codeOf = (answer) => (answer.status === 200 ? 'ok' : answer.json().error.code);
const keyOf = async (id) => (await gw.get(`/admin/api/keys/file%2F${id}`, as(ADMIN))).json();
const usedBy = async (id) => (await keyOf(id)).budgets[0].used;

/** The newest row of a key, once there are `n`. */
async function row(id, n = 1) {
  let rows;
  await until(async () => {
    const answer = await gw.get(`/admin/api/usage/rows?key=file%2F${id}`, as(ADMIN));
    assert.equal(answer.status, 200, answer.text);
    rows = answer.text.split('\n').filter(Boolean).map(JSON.parse);
    return rows.length >= n;
  }, 'the row is there');
  return rows[0];
}

/** Asks until a budget is used up; gives what was used by what was answered. */
async function exhaust(id, input) {
  let used = 0;
  for (;;) {
    const answer = await embed(id, input);
    if (answer.status !== 200) {
      assert.equal(codeOf(answer), 'insufficient_quota', answer.text);
      return used;
    }
    used += answer.json().usage.total_tokens;
    await until(async () => (await usedBy(id)) >= used, 'it is settled');
  }
}

describe('embeddings', () => {
  test('use up a budget of tokens, to the token', async () => {
    const text = 'nine words that are tokens for a budget, really';
    const used = await exhaust('tokens', text);
    const one = (await embed('rows', text)).json().usage.total_tokens;
    assert.ok(used <= 200 && used > 200 - 2 * one, `${used} of 200, by ${one}`);
    assert.equal(await usedBy('tokens'), used);
    await row('rows');
  });

  test('use up a budget of money', async () => {
    const used = (await exhaust('money', 'some money for a few words')) * PRICE;
    assert.ok(used <= 2000 && used > 1500, `${used} of 2000`);
    assert.equal(await usedBy('money'), used);
  });

  test('use up no more when many ask at once', async () => {
    const say = 'ten words in a row, of which all count';
    const asked = Array.from({ length: 60 }, () => embed('many', say));
    const answers = await Promise.all(asked);
    const good = answers.filter(({ status }) => status === 200);
    const used = good.reduce((sum, one) => sum + one.json().usage.total_tokens, 0);
    assert.ok(good.length > 0 && good.length < 60, `${good.length} answers`);
    assert.ok(used <= 300, `${used} of 300`);
    await until(async () => (await usedBy('many')) === used, 'it is settled');
  });

  test('count for the tokens of a minute', async () => {
    await until(() => Date.now() % 60_000 < 45_000, 'a minute begins', 61_000);
    const first = await embed('minute', 'hello');
    assert.equal(first.headers['x-ratelimit-limit-tokens'], '100');
    const much = await embed('minute', 'a word '.repeat(300));
    assert.equal(codeOf(much), 'rate_limit_exceeded');
    const { message } = much.json().error;
    assert.match(message, /may need \d+ tokens, and the API key "minute" has 100/);
    assert.equal(much.headers['x-should-retry'], 'false');
  });

  test('are in the ledger with what they cost', async () => {
    const before = await row('rows');
    const answer = await embed('rows', ['one text', 'another'], { encoding_format: 'base64' });
    const { total_tokens: tokens } = answer.json().usage;
    await until(async () => (await row('rows')).id !== before.id, 'the row is there');
    const now = await row('rows');
    assert.deepEqual(
      [now.model, now.prompt_tokens, now.completion_tokens, now.estimated, now.cost_micros],
      ['embed', tokens, 0, false, tokens * PRICE],
    );
    const line = gw.logLines.findLast((one) => one.request_id === now.request_id);
    assert.equal(Number(line.prompt_tokens), tokens);
    assert.equal(Number(line.cost_micros), tokens * PRICE);
    const { text } = await gw.get('/metrics');
    const counted = text.split('\n').find((one) => /tokens_total\{.*"embed".*"input"\}/.test(one));
    assert.ok(Number(counted?.split(' ').pop()) >= tokens, counted);
  });

  test('of an answer of any size are counted, and no more of it is kept', async () => {
    const piece = `{"object":"embedding","embedding":"${'A'.repeat(1 << 20)}"},`;
    plain.handle = async (request, response, seen) => {
      await read(seen);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"data":[');
      for (let i = 0; i < 24; i++) if (!response.write(piece)) await once(response, 'drain');
      response.end('{}],"usage":{"prompt_tokens":77,"total_tokens":77}}');
    };
    const before = await usedBy('left');
    const answer = await post('left', 'embeddings', { model: 'other', input: 'x' });
    assert.equal(answer.json().usage.total_tokens, 77);
    await until(async () => (await usedBy('left')) === before + 77, 'it is settled');
  });
});

describe('what nobody counts', () => {
  const text = 'hello '.repeat(50);
  const estimate = (n) => n > 40 && n < 90;

  test('is estimated when an answer does not tell it', async () => {
    plain.handle = reply({ data: [] });
    const before = await usedBy('left');
    assert.equal((await post('left', 'rerank', { model: 'other', query: text })).status, 200);
    await until(async () => estimate((await usedBy('left')) - before), 'it is settled');
    const now = await row('left', 2);
    assert.ok(now.estimated && estimate(now.prompt_tokens), JSON.stringify(now));
  });

  test('is estimated when the client leaves, the upstream breaks off, or fails', async () => {
    const ways = {
      'a client that leaves': () => {
        plain.handle = async (request, response, seen) => {
          await read(seen);
          response.writeHead(200, { 'content-type': 'application/json' });
          response.write('{"data":[');
        };
      },
      'an upstream that breaks off': () => {
        plain.handle = async (request, response, seen) => {
          await read(seen);
          response.writeHead(200, { 'content-type': 'application/json' });
          response.write('{"data":[', () => response.socket.destroy());
        };
      },
      'an upstream that fails': () => {
        plain.handle = reply({ error: { message: 'no' } }, 500);
      },
    };
    for (const [way, prepare] of Object.entries(ways)) {
      prepare();
      const before = await usedBy('left');
      const body = JSON.stringify({ model: 'other', input: text });
      const headers = { ...as(name('left')), 'content-type': 'application/json' };
      const request = begin(gw, { path: '/v1/embeddings', headers });
      request.end(body);
      const answer = await request.answer;
      answer.on('error', () => {});
      if (way === 'a client that leaves') request.destroy();
      else answer.resume();
      await until(async () => (await usedBy('left')) !== before, `${way} is settled`);
      await until(async () => estimate((await usedBy('left')) - before), `${way} is settled`);
      const now = await row('left');
      assert.ok(now.estimated && estimate(now.prompt_tokens), `${way}: ${JSON.stringify(now)}`);
    }
  });

  test('costs nothing when it never went out', async () => {
    plain.handle = reply({});
    const before = await usedBy('left');
    const request = begin(gw, {
      path: '/v1/embeddings',
      headers: { ...as(name('left')), 'content-type': 'application/json', 'content-length': 5000 },
    });
    request.write(`{"model":"other","input":"${text}`);
    request.destroy();
    assert.equal((await post('left', 'embeddings', { model: 'no-such', input: text })).status, 404);
    plain.handle = reply({ usage: { total_tokens: 5 } });
    assert.equal((await post('left', 'rerank', { model: 'other', query: 'x' })).status, 200);
    await until(async () => (await usedBy('left')) === before + 5, 'that alone is counted');
  });
});

describe('pictures and sound', () => {
  test('count what their answers tell, in one piece and in events', async () => {
    const usage = { total_tokens: 4210, input_tokens: 50, output_tokens: 4160 };
    plain.handle = reply({ created: 1, data: [{ b64_json: 'AAAA' }], usage });
    const draw = (more) =>
      post('pictures', 'images/generations', { model: 'other', prompt: 'a cat', ...more });
    assert.equal((await draw()).status, 200);
    await until(async () => (await usedBy('pictures')) === 4210, 'it is settled');
    plain.handle = async (request, response, seen) => {
      await read(seen);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
      response.write(event({ type: 'partial', b64_json: 'A'.repeat(100_000) }));
      response.end(event({ type: 'image_generation.completed', usage }));
    };
    await draw({ stream: true });
    await until(async () => (await usedBy('pictures')) === 8420, 'it is settled');
    const now = await row('pictures', 2);
    assert.deepEqual([now.prompt_tokens, now.completion_tokens, now.estimated], [50, 4160, false]);
  });

  test('are a request and no tokens where nobody tells any', async () => {
    plain.handle = reply({ text: 'words' });
    const form = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nother\r\n--b--\r\n';
    const answer = await post('sound', 'audio/transcriptions', form, {
      'content-type': 'multipart/form-data; boundary=b',
    });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-ratelimit-remaining-requests'], '99');
    const now = await row('sound');
    assert.deepEqual([now.prompt_tokens, now.completion_tokens, now.estimated], [0, 0, false]);
    await until(async () => (await usedBy('sound')) === 0, 'it is settled');
  });
});

test('limits of an upstream are not mixed with those of the key in an answer', async () => {
  plain.handle = reply({ text: 'words' }, 200, {
    'x-ratelimit-limit-requests': '999',
    'x-ratelimit-limit-tokens': '40000',
    'ratelimit-limit': '7',
    'retry-after': '5',
  });
  const told = async (id) => {
    const { headers } = await post(id, 'moderations', { model: 'other', input: 'x' });
    const names = ['limit-requests', 'limit-tokens'].map((one) => `x-ratelimit-${one}`);
    return [...names, 'ratelimit-limit', 'retry-after'].map((one) => headers[one]);
  };
  assert.deepEqual(await told('sound'), ['100', undefined, undefined, '5']);
  assert.deepEqual(await told('left'), ['999', '40000', '7', '5']);
});

test('the ledger has what the upstream counted, whoever asks at once', async () => {
  const before = await gw.get('/admin/api/usage?by=key', as(ADMIN));
  const of = (answer) => answer.json().data.find(({ key }) => key === 'file/rows').prompt_tokens;
  assert.ok(of(before) >= 0, before.text);
  const asked = Array.from({ length: 100 }, (_, i) => embed('rows', 'word '.repeat(i + 1)));
  const answers = await Promise.all(asked);
  const used = answers.reduce((sum, one) => sum + one.json().usage.total_tokens, 0);
  await until(async () => {
    const now = await gw.get('/admin/api/usage?by=key', as(ADMIN));
    return of(now) - of(before) === used;
  }, 'it is counted');
});
