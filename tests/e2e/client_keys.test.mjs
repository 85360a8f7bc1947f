// SPDX-License-Identifier: Apache-2.0
// Keys of clients: who may ask, for what, and what they are told when they may not.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, KEY, Simulator, finish, secret, tempDir, until } from './lib/harness.mjs';

after(finish);

const LAPTOP = secret('sk-client-keys-laptop', 'a key');
const PHONE = secret('sk-client-keys-phone', 'a key');

let sim, gw;
before(async () => {
  sim = await Simulator.start();
  gw = await start(`
keys:
  - {name: laptop, key: ${LAPTOP}}
  - {name: phone, key: ${PHONE}, models: [GPT5, "local/*"]}
`);
});

/** With a YAML file of these sections. */
async function start(text, env = {}) {
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(file, text, { mode: 0o600 });
  return Gateway.start({ env: { ...sim.env(), ...env }, args: ['--config', file] });
}

const bearer = (key) => ({ authorization: `Bearer ${key}` });
const ask = (model, say = 'hello') => ({ model, messages: [{ role: 'user', content: say }] });

async function refused(key, status, code, words) {
  const answer = await gw.get('/v1/models', bearer(key));
  assert.equal(answer.status, status, answer.text);
  const { error } = answer.json();
  assert.equal(error.code, code);
  assert.match(error.message, words);
}

describe('keys of the settings', () => {
  test('each answers, beside the master key', async () => {
    for (const key of [KEY, LAPTOP, PHONE]) {
      const answer = await gw.post(ask('GPT5'), { headers: bearer(key) });
      assert.equal(answer.status, 200, answer.text);
    }
  });

  test('the log line says who asked', async () => {
    const id = 'who-asked-1';
    await gw.post(ask('GPT5'), { headers: { ...bearer(LAPTOP), 'x-request-id': id } });
    const isIt = (one) => one.message === 'exchange' && one.request_id === id;
    const line = await until(() => gw.logLines.find(isIt), 'its log line');
    assert.equal(line.key, 'file/laptop');
  });

  test('a model that a key may not use is not there for it', async () => {
    const list = async (key) =>
      (await gw.get('/v1/models', bearer(key))).json().data.map((one) => one.id);
    assert.ok((await list(LAPTOP)).includes('ClaudeSonnet4_5'));
    assert.deepEqual(await list(PHONE), ['GPT5']);
    const anthropic = await gw.get('/v1/models', {
      ...bearer(PHONE),
      'anthropic-version': '2023-06-01',
    });
    assert.deepEqual([anthropic.json().first_id, anthropic.json().data.length], ['GPT5', 1]);
    assert.equal((await gw.get('/v1/models/ClaudeSonnet4_5', bearer(PHONE))).status, 404);
    const before = (await sim.log()).length;
    const answer = await gw.post(ask('ClaudeSonnet4_5'), { headers: bearer(PHONE) });
    assert.equal(answer.status, 404);
    assert.equal(answer.json().error.code, 'model_not_found');
    assert.match(answer.json().error.message, /"phone" may not use the model "ClaudeSonnet4_5"/);
    assert.equal((await sim.log()).length, before);
  });

  test('what one key keeps another does not find', async () => {
    const [mine, other] = [LAPTOP, PHONE].map((apiKey) => gw.openai({ apiKey }));
    const first = await mine.responses.create({ model: 'GPT5', input: '!echo one' });
    for (const call of [
      () => other.responses.retrieve(first.id),
      () => other.responses.delete(first.id),
      () => other.responses.create({ model: 'GPT5', input: 'x', previous_response_id: first.id }),
    ])
      await assert.rejects(call(), { status: 404 });
    assert.equal((await mine.responses.retrieve(first.id)).id, first.id);
  });

  test('wrong ones are told why', async () => {
    const ours = `sk-${'A'.repeat(32)}`;
    await refused('my-key', 403, 'invalid_api_key', /The API key is wrong/);
    await refused(`${ours}31GI4V`, 403, 'invalid_api_key', /not known here/);
    await refused(`${ours}31GI4W`, 403, 'invalid_api_key', /typing mistake/);
    await refused(`${ours}31GI4`, 403, 'invalid_api_key', /typing mistake: its length/);
    const none = await gw.get('/v1/models', { authorization: '' });
    assert.deepEqual([none.status, none.json().error.code], [401, 'missing_api_key']);
  });
});

test('one key of the settings closes the gateway to all others', async () => {
  const own = await start(`keys: [{name: only, key: ${PHONE}}]\n`, { API_MASTER_KEY: '' });
  assert.equal((await own.get('/v1/models')).status, 401);
  assert.equal((await own.get('/v1/models', bearer(KEY))).status, 403);
  assert.equal((await own.get('/v1/models', bearer(PHONE))).status, 200);
});

describe('a key of some models only, with what is passed on', () => {
  const UPSTREAM = secret('sk-client-keys-upstream', 'a key of the upstream');
  const MIB = 1024 * 1024;
  const JSON_TYPE = 'application/json';
  let there;
  before(async () => {
    const upstream = await Simulator.start();
    await upstream.set({ api_keys: UPSTREAM, models: ['good', 'other'] });
    there = await start(
      `
upstreams:
  - {name: there, provider: openai, base_url: "${upstream.url}/v1", api_keys: [${UPSTREAM}]}
keys:
  - {name: some, key: ${PHONE}, models: [good]}
`,
      { MAX_BODY_BYTES: 64 * MIB },
    );
  });

  const pass = (where, type, body, method = 'POST') =>
    fetch(`${there.url}/v1/${where}`, {
      method,
      headers: { ...bearer(PHONE), ...(type && { 'content-type': type }) },
      body,
    });
  const form = (...parts) => {
    const whole = new FormData();
    for (const [name, value] of parts) whole.append(name, value);
    return whole;
  };
  const file = ['file', new Blob([Buffer.alloc(2 * MIB, 'a')])];
  const embed = (input, ...models) =>
    `{"model":"good","input":"${input}"${models.map((one) => `,"model":"${one}"`).join('')}}`;

  test('goes through where its model is named, however long it is', async () => {
    for (const [where, type, body] of [
      ['embeddings', JSON_TYPE, embed('x')],
      ['embeddings', JSON_TYPE, `{"input":"${'x'.repeat(2 * MIB)}","model":"good"}`],
      ['audio/transcriptions', undefined, form(file, ['model', 'good'])],
    ]) {
      const answer = await pass(where, type, body);
      assert.equal(answer.status, 200, await answer.text());
    }
    assert.equal((await pass('files', undefined, undefined, 'GET')).status, 200);
  });

  test('is refused where another model could be asked for', async () => {
    for (const [where, type, body, status, code, words] of [
      ['embeddings', JSON_TYPE, '{"model":"other","input":"x"}', 404, 'model_not_found', /"other"/],
      ['embeddings', JSON_TYPE, '{"input":"x"}', 400, null, /have to name one/],
      ['embeddings', JSON_TYPE, '{"model":7,"input":"x"}', 400, null, /have to name one/],
      ['embeddings', 'text/json', embed('x'), 400, null, /have to name one/],
      ['embeddings', JSON_TYPE, embed('x', 'other'), 400, null, /more than once/],
      ['embeddings', JSON_TYPE, embed('x'.repeat(2 * MIB), 'other'), 400, null, /more than once/],
      ['embeddings', JSON_TYPE, '{"model":"good","n":NaN,"model":"b"}', 400, null, /well-formed/],
      [
        'embeddings',
        JSON_TYPE,
        `{"input":"${'x'.repeat(2 * MIB)}","model":"other"}`,
        ...[404, 'model_not_found', /may not use the model "other"/],
      ],
      [
        'audio/transcriptions',
        undefined,
        form(['model', 'good'], file, ['model', 'other']),
        ...[400, null, /more than once/],
      ],
      ['files', undefined, form(file), 400, null, /have to name one/],
      ['batches', JSON_TYPE, '{"model":"good","input_file_id":"f"}', 403, 'forbidden', /a batch/],
      ['embeddings', JSON_TYPE, embed('x'.repeat(33 * MIB)), 413, 'request_too_large', /32 MiB/],
    ]) {
      const answer = await pass(where, type, body);
      const { error } = await answer.json();
      assert.deepEqual([answer.status, error.code], [status, code], error.message);
      assert.match(error.message, words);
    }
  });
});
