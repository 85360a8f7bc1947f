// SPDX-License-Identifier: Apache-2.0
// Which models there are, and what an account may: /chat/adapters and /billing, asked gently.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { CANARY, finish, run, sleep, until, world } from './lib/harness.mjs';
import { Talk } from './lib/talk.mjs';

after(finish);

const list = async (gw) => (await gw.get('/v1/models')).json().data;
const names = async (gw) => (await list(gw)).map(({ id }) => id);

/** Those of the service that are not disabled. */
const SERVED = ['ClaudeOpus4_5', 'ClaudeSonnet4_5', 'GPT5', 'GPT5_4', 'Gemini3Pro'];

const told = (gw, n = 3) =>
  until(async () => (await names(gw)).length >= n, "the service's list");

const ask = (gw, model) =>
  gw.post({ model, messages: [{ role: 'user', content: `${CANARY}\n!model` }] });

describe('the list of models', () => {
  test('is the configured one until an account answered, then that of the service', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'adapters', kind: 'delay', delay_ms: 500 });
    assert.deepEqual((await names(gw)).sort(), ['ClaudeSonnet4_5', 'GPT5']);
    await new Talk().say(gw);
    await told(gw);
    assert.deepEqual((await names(gw)).sort(), SERVED);
    const model = (await list(gw)).find(({ id }) => id === 'GPT5_4');
    assert.equal(model.key, 'gpt_5_4');
    assert.equal(model.engineAgentKey, 'GPT5_4');
    assert.equal(model.model, 'gpt-5.4');
    assert.equal(typeof model.provider, 'string');
    assert.equal(typeof model.minimumTier, 'number');
    assert.equal(typeof model.usageMultiplier, 'number');
    assert.equal(typeof model.supportsImages, 'boolean');
    const { stdout } = await run(['models'], { env: { ...gw.env, LISTEN: gw.address } });
    assert.deepEqual(stdout.trim().split('\n').sort(), SERVED);
    assert.equal((await ask(gw, 'GPT5_4')).json().choices[0].message.content, 'GPT5_4');
    for (let i = 0; i < 5; i++) await new Talk().say(gw);
    assert.equal((await sim.log('adapters')).length, 1);
  });

  test('stays the configured one where the service does not tell', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'adapters', kind: 'status', status: 403, times: -1 });
    for (let i = 0; i < 3; i++) await new Talk().say(gw);
    await until(async () => (await sim.log('adapters')).length > 0, 'the question');
    assert.deepEqual((await names(gw)).sort(), ['ClaudeSonnet4_5', 'GPT5']);
    await new Talk().say(gw);
    assert.equal((await sim.log('adapters')).length, 1, 'once a minute at most');
  });

  test('is fixed when it is set', async () => {
    const { sim, gw } = await world({ env: { KNOWN_MODELS: 'GPT5', DEFAULT_MODEL: 'GPT5' } });
    await new Talk().say(gw);
    await until(async () => (await sim.log('adapters')).length > 0, 'the question');
    await new Talk().say(gw);
    assert.deepEqual(await names(gw), ['GPT5']);
    assert.equal((await ask(gw, 'ClaudeSonnet4_5')).status, 404);
    assert.ok((await sim.posts()).every(({ adapter }) => adapter === 'GPT5'));
  });

  for (const [protocol, given] of [
    ['classic', 'gpt_5'],
    ['project', 'GPT5'],
  ])
    test(`may be set to the other protocol's names, ${protocol}`, async () => {
      const env = { ENGINELABS_PROTOCOL: protocol, KNOWN_MODELS: given, DEFAULT_MODEL: given };
      const { sim, gw } = await world({ env });
      await sim.fault({ where: 'adapters', kind: 'delay', delay_ms: 300 });
      const first = await Promise.all([ask(gw, given), ask(gw, given)]);
      for (const answer of [...first, await ask(gw, given)]) {
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.json().model, given);
      }
      assert.deepEqual(await names(gw), [given]);
      const own = protocol === 'classic' ? 'GPT5' : 'gpt_5';
      assert.ok((await sim.posts()).every(({ adapter }) => adapter === own));
      assert.deepEqual(await sim.violations(), []);
    });

  test('has the names that were set as they are, where the service does not tell', async () => {
    const env = { KNOWN_MODELS: 'custom_1', DEFAULT_MODEL: 'custom_1' };
    const { sim, gw } = await world({ env });
    await sim.set({ adapters: ['custom_1'] });
    await sim.fault({ where: 'adapters', kind: 'status', status: 403, times: -1 });
    const answer = await ask(gw, 'custom_1');
    assert.equal(answer.json().choices[0].message.content, 'custom_1');
    assert.deepEqual(await sim.violations(), []);
  });

  test('has no disabled and no unknown one, and they are never sent', async () => {
    for (const protocol of ['classic', 'project']) {
      const { sim, gw } = await world({ env: { ENGINELABS_PROTOCOL: protocol } });
      await new Talk().say(gw);
      await told(gw);
      assert.ok(!(await names(gw)).some((name) => /retired/i.test(name)));
      const before = (await sim.log()).length;
      for (const model of ['Retired1', 'retired_1', 'retired-1', 'gpt', 'GPT5 ', '\u0000']) {
        const answer = await ask(gw, model);
        assert.ok([400, 404].includes(answer.status), `${model}: ${answer.status}`);
        if (model.startsWith('R')) assert.equal(answer.json().error.code, 'model_not_found');
      }
      assert.equal((await sim.log()).length, before, 'nobody was asked');
      assert.deepEqual(await sim.violations(), []);
    }
  });

  test('has no disabled one even when it is configured', async () => {
    const { sim, gw } = await world({ env: { KNOWN_MODELS: 'GPT5,Retired1' } });
    await new Talk().say(gw);
    await until(async () => (await sim.log('adapters')).length > 0, 'the question');
    await sleep(100);
    const answer = await ask(gw, 'Retired1');
    assert.equal(answer.status, 404, answer.text);
    assert.equal((await sim.posts()).length, 1);
  });
});

const billed = async (sim) => (await sim.log('billing')).length;

describe('the plan', () => {
  test('is asked for at most once in five minutes, and after a limit', async () => {
    const { sim, gw } = await world();
    for (let i = 0; i < 10; i++) await new Talk().say(gw);
    assert.equal(await billed(sim), 1);
    // Not within ten seconds of the last time, then with the next use.
    await sim.fault({ where: 'post', kind: 'status', status: 429, retry_after: '1' });
    assert.equal((await ask(gw, 'GPT5')).status, 429);
    assert.equal(await billed(sim), 1);
    await sleep(10_500);
    await new Talk().say(gw);
    await until(async () => (await billed(sim)) === 2, 'it is asked again');
    for (let i = 0; i < 5; i++) await new Talk().say(gw);
    assert.equal(await billed(sim), 2);
  });

  /** The most answers that ran at once of so many. */
  async function mostAtOnce(sim, gw, n) {
    await new Talk().say(gw); // the plan is known
    await until(async () => (await billed(sim)) === 1, 'the plan');
    await sleep(100);
    const content = `${CANARY}\n!frames 20 every 20`;
    const messages = [{ role: 'user', content }];
    const all = Array.from({ length: n }, () => gw.post({ model: 'GPT5', messages }));
    let most = 0;
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        most = Math.max(most, (await gw.metrics()).enginelabs_leases);
        await sleep(20);
      }
    })();
    for (const answer of await Promise.all(all)) assert.equal(answer.status, 200, answer.text);
    isOver = true;
    await watching;
    return most;
  }

  test('says how many answers may run at once', async () => {
    const settings = { billing_old: true, task_limit: 5 };
    const { sim, gw } = await world({ settings, env: { ENGINELABS_MAX_PARALLEL: undefined } });
    assert.equal(await mostAtOnce(sim, gw, 12), 5);
    assert.ok((await sim.posts()).every(({ status }) => status === 200));
  });

  test('does not say so where it is set', async () => {
    const settings = { billing_old: true, task_limit: 5 };
    const { sim, gw } = await world({ settings, env: { ENGINELABS_MAX_PARALLEL: 3 } });
    assert.equal(await mostAtOnce(sim, gw, 9), 3);
  });

  test('that is used up lets the account rest', async () => {
    const { sim, gw } = await world({ settings: { daily_limit: 1 } });
    await new Talk().say(gw); // uses it up, and is the last to be told
    assert.equal(await billed(sim), 1);
    await sim.fault({ where: 'post', kind: 'status', status: 429, retry_after: '1' });
    await ask(gw, 'GPT5');
    await sleep(10_500);
    await new Talk().say(gw).catch(() => {});
    await until(async () => (await billed(sim)) === 2, 'the plan');
    const before = (await sim.posts()).length;
    await until(async () => (await ask(gw, 'GPT5')).status === 429, 'it rests', 3000);
    const answer = await ask(gw, 'ClaudeSonnet4_5'); // whatever the model
    assert.equal(answer.status, 429, answer.text);
    assert.equal(answer.json().error.code, 'insufficient_quota');
    assert.match(answer.json().error.message, /used up/);
    const wait = Number(answer.headers['retry-after']);
    assert.ok(wait > 200 && wait <= 400, `retry after ${wait}`);
    assert.ok((await sim.posts()).length <= before + 1);
  });
});
