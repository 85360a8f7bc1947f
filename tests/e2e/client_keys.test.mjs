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
