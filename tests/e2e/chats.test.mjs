// SPDX-License-Identifier: Apache-2.0
// Chats are deleted at the service when ENGINELABS_DELETE_CHATS says so, and not before.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { CANARY, Gateway, Simulator, finish, sleep, until, world } from './lib/harness.mjs';
import { Home } from './lib/home.mjs';
import { Redis } from './lib/redis.mjs';
import { Talk, assertHeld } from './lib/talk.mjs';

const CALM = { pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600 };
const AT_END = { ENGINELABS_DELETE_CHATS: 'at_end' };
const PROTOCOLS = {
  classic: { ENGINELABS_PROTOCOL: 'classic' },
  project: { ENGINELABS_PROTOCOL: 'project', KNOWN_MODELS: 'gpt_5,GPT5' },
};

/** The sweeper's first look after a start, and some more. */
const FIRST_SWEEP_MS = 13_000;

after(finish);

/** Chats that were deleted, in order. */
async function deleted(sim) {
  const entries = await sim.log('delete');
  return entries.filter(({ status }) => status === 204).map(({ chat }) => chat);
}

const chats = async (sim) => (await sim.posts()).map(({ chat }) => chat);

describe('at the end', { concurrency: true }, () => {
  for (const [protocol, env] of Object.entries(PROTOCOLS))
    test(`of an answer its chat goes, ${protocol}`, async () => {
      const { sim, gw } = await world({ env: { ...AT_END, ...env } });
      const talk = new Talk();
      for (let turn = 1; turn <= 3; turn++) {
        talk.stream = turn !== 2;
        await talk.say(gw);
        await until(async () => (await deleted(sim)).length === turn, 'the chat is deleted');
      }
      assert.deepEqual(await deleted(sim), await chats(sim));
      // Each turn told a new chat all that was said.
      const turns = talk.judge(await sim.posts());
      assert.ok(turns.every(({ turn, isContinued }) => turn === 1 && !isContinued));
      assert.deepEqual(await sim.violations(), []);
    });

  for (const [protocol, env] of Object.entries(PROTOCOLS))
    test(`of a client that left its chat goes, ${protocol}`, async () => {
      const { sim, gw } = await world({ env: { ...AT_END, ...env, ENGINELABS_MAX_PARALLEL: 1 } });
      const content = `${CANARY} leaves\n!frames 40 every 50`;
      const stream = await gw.stream({ model: 'GPT5', messages: [{ role: 'user', content }] });
      await stream.readUntil(() => stream.text.includes('frame2'));
      stream.leave();
      await until(async () => (await deleted(sim)).length === 1, 'the chat is deleted');
      assert.deepEqual(await deleted(sim), await chats(sim));
      await new Talk().say(gw); // the place is free again before long
      assert.deepEqual(await sim.violations(), []);
    });

  // Each step before the prompt; what the service does is done though nobody waits for it.
  for (const where of ['project', 'offers', 'ws'])
    test(`of a client that left at ${where}, its project goes`, async () => {
      const { sim, gw } = await world({ env: { ...AT_END, ...PROTOCOLS.project } });
      const slow = where === 'ws' ? 'delay' : 'late';
      await sim.fault({ where, kind: slow, delay_ms: 600 });
      const messages = [{ role: 'user', content: `${CANARY} leaves early` }];
      const request = await gw.begin({ model: 'gpt_5', messages, stream: true });
      await until(
        async () => (await sim.state()).faults.every(({ times }) => times === 0),
        'the service is at it',
      );
      request.destroy();
      await gw.idle();
      await until(async () => (await deleted(sim)).length === 1, 'the project is deleted');
      const made = (await sim.log('project')).map(({ chat }) => chat);
      assert.deepEqual(await deleted(sim), made);
      assert.deepEqual(await chats(sim), []);
      assert.deepEqual(await sim.violations(), []);
    });

  test('of a client that left, a gateway that ends does not wait for', async () => {
    const { sim, gw } = await world({ env: { ...AT_END, ...PROTOCOLS.project } });
    await sim.fault({ where: 'project', kind: 'late', delay_ms: 20_000 });
    const messages = [{ role: 'user', content: `${CANARY} leaves` }];
    const request = await gw.begin({ model: 'gpt_5', messages, stream: true });
    await until(
      async () => (await sim.state()).faults.every(({ times }) => times === 0),
      'the service is at it',
    );
    request.destroy();
    await gw.idle();
    const start = Date.now();
    await gw.stop();
    assert.ok(Date.now() - start < 10_000, 'it ended at once');
  });

  test('of a call that failed before its prompt, its project goes', async () => {
    const { sim, gw } = await world({ env: { ...AT_END, ...PROTOCOLS.project } });
    await sim.fault({ where: 'offers', kind: 'redirect', times: -1 });
    const messages = [{ role: 'user', content: `${CANARY} fails early` }];
    const answer = await gw.post({ model: 'gpt_5', messages });
    assert.equal(answer.status, 502, answer.text);
    await until(async () => (await deleted(sim)).length === 1, 'the project is deleted');
    assert.equal((await sim.log('project')).length, 1);
    assert.deepEqual(await chats(sim), []);
  });

  test('of an answer that failed its chat goes', async () => {
    const { sim, gw } = await world({ env: AT_END });
    const content = `${CANARY} fails\n!fault frames cancelled at=1\n!lorem 20`;
    const messages = [{ role: 'user', content }];
    const answer = await gw.post({ model: 'GPT5', messages });
    assert.equal(answer.status, 502, answer.text);
    await until(async () => (await deleted(sim)).length === 1, 'the chat is deleted');
    assert.deepEqual(await deleted(sim), await chats(sim));
  });

  test('of an answer its chat goes, though another deletion was cut off by a kill', async () => {
    const sim = await Simulator.start();
    await sim.set(CALM);
    await sim.fault({ where: 'delete', kind: 'hang' });
    const home = new Home({ ...sim.env(), ...AT_END });
    const talk = new Talk();
    await talk.say(await home.start());
    await sleep(500);
    await home.kill();
    await talk.say(await home.start());
    await until(async () => (await deleted(sim)).length === 1, 'the second one is deleted');
    const [, second] = await chats(sim);
    assert.deepEqual(await deleted(sim), [second]);
    assert.equal((await sim.log('delete')).length, 2, 'the first one is due in ten minutes');
    await home.stop();
  });
});

/** Chats to be deleted, by the account's entries in a Redis: { chat: ms since 1970 }. */
class Entries {
  constructor(redis) {
    this.redis = redis;
  }

  async #names() {
    const names = await this.redis.all('KEYS', '*chat*');
    return names.filter((name) => /[0-9a-f]{32}$/.test(name));
  }

  async all() {
    const rows = {};
    for (const name of await this.#names()) {
      const [, due, , , chat] = (await this.redis.all('GET', name))[0].split('\n');
      rows[chat] = { name, due: Number(due) };
    }
    return rows;
  }

  /** As if that much time had gone by for this chat. */
  async age(chat, ms) {
    const { name, due } = (await this.all())[chat];
    const [text] = await this.redis.all('GET', name);
    await this.redis.all('SET', name, text.replace(String(due), String(due - ms)));
  }
}

describe('after the time to live', { concurrency: true }, () => {
  test('a chat goes, but not before, and not when a newer turn moved it on', async () => {
    const redis = await Redis.start();
    const entries = new Entries(redis);
    const sim = await Simulator.start();
    await sim.set(CALM);
    const ttl = 3;
    const env = {
      ...sim.env(),
      STORE_URL: redis.url,
      ENGINELABS_DELETE_CHATS: 'after_ttl',
      CONVERSATION_TTL: ttl,
    };
    const first = await Gateway.start({ env });
    const [old, moved, young] = [new Talk(), new Talk(), new Talk()];
    for (const talk of [old, moved, young]) await talk.say(first);
    const [oldChat, movedChat, youngChat] = await chats(sim);
    const before = await until(async () => {
      const rows = await entries.all();
      return Object.keys(rows).length === 3 && rows;
    }, 'the entries');
    const left = before[oldChat].due - Date.now() - ttl * 1000;
    assert.ok(left > 50_000 && left <= 60_000, `due ${left} ms after its end`);
    await sleep(1000);
    await moved.say(first);
    const moves = await until(async () => {
      const { due } = (await entries.all())[movedChat];
      return due > before[movedChat].due && due;
    }, 'a newer turn moves it');
    assert.ok(moves - before[movedChat].due >= 900);
    assertHeld(moved, (await sim.posts()).filter(({ chat }) => chat === movedChat));

    await sleep(ttl * 1000);
    await old.say(first); // too late for its chat
    assert.deepEqual(await deleted(sim), []);
    await first.stop();

    await entries.age(oldChat, 64_000);
    await entries.age(movedChat, 20_000);
    const second = await Gateway.start({ env });
    await until(async () => (await deleted(sim)).length > 0, 'a sweep', FIRST_SWEEP_MS);
    await sleep(2500);
    assert.deepEqual(await deleted(sim), [oldChat]);
    const rest = await entries.all();
    assert.ok(!(oldChat in rest), 'its entry is gone');
    assert.ok(movedChat in rest && youngChat in rest);
    await young.say(second);
    assert.deepEqual(await sim.violations(), []);
  });

  test('a project that no prompt came to goes, too', async () => {
    const redis = await Redis.start();
    const entries = new Entries(redis);
    const sim = await Simulator.start();
    await sim.set(CALM);
    await sim.fault({ where: 'offers', kind: 'status', status: 413 });
    const env = {
      ...sim.env(),
      ...PROTOCOLS.project,
      STORE_URL: redis.url,
      ENGINELABS_DELETE_CHATS: 'after_ttl',
    };
    const gw = await Gateway.start({ env });
    const messages = [{ role: 'user', content: CANARY }];
    const answer = await gw.post({ model: 'gpt_5', messages });
    assert.ok(answer.status >= 400, answer.text);
    const [{ chat }] = await sim.log('offers');
    await until(async () => (await entries.all())[chat], 'its entry');
  });

  test('a chat is tried again when the service is in trouble', async () => {
    const redis = await Redis.start();
    const entries = new Entries(redis);
    const sim = await Simulator.start();
    await sim.set(CALM);
    await sim.fault({ where: 'delete', kind: 'status', status: 503 });
    const env = {
      ...sim.env(),
      STORE_URL: redis.url,
      ENGINELABS_DELETE_CHATS: 'after_ttl',
      CONVERSATION_TTL: 3,
    };
    const first = await Gateway.start({ env });
    await new Talk().say(first);
    const [chat] = await chats(sim);
    await until(async () => (await entries.all())[chat], 'its entry');
    await first.stop();
    await entries.age(chat, 64_000);
    const second = await Gateway.start({ env });
    await until(async () => (await sim.log('delete')).length === 1, 'a sweep', FIRST_SWEEP_MS);
    const { due } = (await entries.all())[chat];
    assert.ok(due - Date.now() > 500_000, 'ten minutes later');
    await second.stop();
    await entries.age(chat, 600_000);
    await Gateway.start({ env });
    await until(async () => (await deleted(sim)).length === 1, 'a sweep', FIRST_SWEEP_MS);
  });
});

describe('never', () => {
  test('a chat goes', async () => {
    const { sim, gw } = await world();
    const talk = new Talk();
    for (let turn = 0; turn < 3; turn++) await talk.say(gw);
    await sleep(500);
    assertHeld(talk, await sim.posts());
    assert.deepEqual(await sim.log('delete'), []);
  });
});
