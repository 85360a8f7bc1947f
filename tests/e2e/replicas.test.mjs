// SPDX-License-Identifier: Apache-2.0
// Several gateways on one Redis: conversations go on at whichever is asked, one of them signs in
// for all, and a Redis that is killed, paused or wrongly set up costs no answer.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import OpenAI from 'openai';
import { Balancer } from './lib/balancer.mjs';
import { assertError } from './lib/errors.mjs';
import {
  Gateway,
  KEY,
  PATIENCE_MS,
  Simulator,
  finish,
  nowUs,
  run,
  secret,
  until,
} from './lib/harness.mjs';
import { readiness } from './lib/home.mjs';
import { Redis } from './lib/redis.mjs';
import { Talk, assertHeld } from './lib/talk.mjs';

const CALM = { pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600, daily_limit: 1e6 };

let redis;

before(async () => {
  redis = await Redis.start();
});
after(finish);

/** Three replicas with an upstream of their own, as { sim, gws, env }. Their upstream's account has
 *  the same name on every Redis: those of different tests must not share one. */
async function replicas({ settings = {}, on = redis, n = 3 } = {}) {
  const sim = await Simulator.start();
  await sim.set({ ...CALM, ...settings });
  const env = { ...sim.env(), API_MASTER_KEY: KEY, STORE_URL: on.url };
  const starts = Array.from({ length: n }, (_, i) =>
    Gateway.start({ env, name: `replica ${i + 1}` }),
  );
  const gws = await Promise.all(starts);
  await Promise.all(gws.map(isReady));
  return { sim, gws, env };
}

const isReady = (gateway) =>
  until(async () => (await readiness(gateway)).status === 200, 'the replica is ready');

/** A replica in the place of one that was killed: the balancer finds it at the same port. */
const inPlaceOf = (gateway, env) =>
  Gateway.start({ env: { ...env, LISTEN: `127.0.0.1:${gateway.port}` }, name: 'replica again' });

async function kill(gateway) {
  gateway.program.signal('SIGKILL');
  await gateway.program.end();
}

describe('a conversation', () => {
  test('is held for thirty turns over replicas in turn, and the death of one', async () => {
    const { sim, gws, env } = await replicas({ on: await Redis.start() });
    const balancer = await Balancer.start(gws);
    const openai = new OpenAI({
      baseURL: `${balancer.url}/v1`,
      apiKey: KEY,
      maxRetries: 0,
      timeout: 2 * PATIENCE_MS,
    });
    const talk = new Talk();
    for (let turn = 0; turn < 30; turn++) {
      talk.stream = turn % 4 < 2;
      if (turn === 10) await kill(gws[1]);
      if (turn === 20) gws[1] = await inPlaceOf(gws[1], env);
      await talk.sayTo(openai);
    }
    assertHeld(talk, await sim.posts());
    assert.deepEqual(await sim.violations(), []);
    const asked = await until(() => balancer.log().length > 30 && balancer.log(), 'the log');
    assert.ok(asked.every(({ status }) => status === 200));
    for (const { port } of gws) {
      const turns = asked.filter(({ ports }) => ports.at(-1) === port);
      assert.ok(turns.length >= 5, `${turns.length} turns at one of the replicas`);
    }
    const passedOn = asked.filter(({ ports }) => ports.length > 1);
    assert.ok(passedOn.length > 0, 'some turns were meant for the dead one');
    assert.ok(passedOn.every(({ ports }) => ports[0] === gws[1].port));
  });

  test('continued twice at once goes on in its chat once, and once in a new one', async () => {
    const { sim, gws } = await replicas({ on: await Redis.start(), n: 2 });
    const failures = async () =>
      (await Promise.all(gws.map((gw) => gw.metrics()))).map((m) => m.store_failures_total);
    let held = 0;
    for (let round = 0; round < 40 && held < 10; round++) {
      const before = await failures();
      const talk = new Talk({ stream: round % 2 === 0 });
      await talk.say(gws[0]);
      await talk.say(gws[1]);
      const both = gws.map(() => Object.assign(new Talk(), { messages: talk.messages }));
      await Promise.all(both.map((one, i) => one.say(gws[i])));
      const posts = await sim.posts();
      const [a, b] = both.map((one) => one.judge(posts).at(-1));
      assert.notEqual(a.chat, b.chat);
      // On a busy machine Redis may take longer than a gateway waits, which then starts a new chat.
      if (!isDeepStrictEqual(await failures(), before)) continue;
      assert.deepEqual([a.turn, b.turn].sort(), [1, 3]);
      held++;
    }
    assert.equal(held, 10, 'rounds in which the store was there');
    assert.deepEqual(await sim.violations(), []);
  });
});

const tokens = async (sim) => (await sim.log('token')).filter(({ status }) => status === 200);

describe('a sign-in', () => {
  test('of one replica is good for all that are asked at once', async () => {
    const own = await Redis.start();
    const sim = await Simulator.start();
    await sim.set({ ...CALM, rotate_every: 1, old_cookie: 'never' });
    const env = { ...sim.env(), STORE_URL: own.url };
    const gws = await Promise.all([1, 2, 3].map(() => Gateway.start({ env })));
    const talks = Array.from({ length: 12 }, () => new Talk());
    await Promise.all(talks.map((talk, i) => talk.say(gws[i % 3])));
    assert.equal((await tokens(sim)).length, 1);
    assert.deepEqual(await sim.violations(), []);
  });

  test('renews the cookie for all of them', async () => {
    const settings = { rotate_every: 1, old_cookie: 'never', token_life_s: 3 };
    const { sim, gws } = await replicas({ on: await Redis.start(), settings });
    // Whoever signed in last leaves, so that another one has to with the cookie that it got.
    while (gws.length > 0) {
      await Promise.all(gws.map((gateway) => new Talk().say(gateway)));
      const before = await Promise.all(gws.map(signIns));
      const by = await until(async () => {
        await Promise.all(gws.map((gateway) => new Talk().say(gateway)));
        const now = await Promise.all(gws.map(signIns));
        const at = now.findIndex((n, i) => n > before[i]);
        return at >= 0 && gws[at];
      }, 'a renewal');
      await by.stop();
      gws.splice(gws.indexOf(by), 1);
    }
    const all = await tokens(sim);
    assert.ok(all.length >= 3);
    assert.deepEqual(
      all.map(({ cookie }) => cookie),
      all.map((_, i) => i),
      'each used the cookie that the one before had got',
    );
    // Tokens that end after moments may do so on their way, when the machine is busy.
    const wrong = await sim.violations();
    assert.deepEqual(wrong.filter(({ violation }) => !violation.includes('token expired')), []);
  });
});

const signIns = async (gateway) => (await gateway.metrics()).enginelabs_token_requests_total;

/** Conversations that go on all the time, a turn here, a turn there. */
class Load {
  constructor(gws, n = 4) {
    this.talks = Array.from({ length: n }, (_, i) => new Talk({ stream: i % 2 === 0 }));
    this.runs = this.talks.map((talk, i) => this.#run(talk, gws, i));
    this.ended = Promise.all(this.runs);
    this.ended.catch((error) => (this.error = error));
    this.ms = [];
  }

  async #run(talk, gws, i) {
    for (; !this.isOver; i++) {
      const start_us = nowUs();
      await talk.say(gws[i % gws.length]);
      this.ms.push((nowUs() - start_us) / 1000);
      // What the upstream takes of a transcript is bounded.
      if (talk.messages.length > 40) talk.messages = [];
    }
  }

  /** Lets so many more turns end; gives the median of what they took. */
  async turns(n) {
    this.ms = [];
    await until(() => {
      if (this.error) throw Object.assign(this.error, { isFinal: true });
      return this.ms.length >= n;
    }, `${n} turns`);
    return this.ms.toSorted((a, b) => a - b)[this.ms.length >> 1];
  }

  async end() {
    this.isOver = true;
    await this.ended;
  }
}

const sum = async (gws, name) =>
  (await Promise.all(gws.map((gateway) => gateway.metrics()))).reduce((n, m) => n + m[name], 0);

/** Every replica says that Redis is in trouble. */
const noticed = (gws, load) =>
  until(async () => {
    if (load.error) throw Object.assign(load.error, { isFinal: true });
    const seen = await Promise.all(gws.map(readiness));
    return seen.every(({ status, problems }) => status === 503 && /Redis/.test(problems.store));
  }, '/readyz of every replica names Redis');

describe('Redis under load', () => {
  test('may be paused, killed and restarted; no request fails and none waits long', async (t) => {
    const own = await Redis.start();
    const { sim, gws } = await replicas({ on: own });
    await sim.set({ log_entries: 1000000 });
    const load = new Load(gws);
    const medians = { calm: await load.turns(20) };

    own.pause();
    medians.paused = await load.turns(20);
    await noticed(gws, load);
    assert.ok((await sum(gws, 'store_timeouts_total')) > 0, 'metrics show it');
    own.resume();
    await Promise.all(gws.map(isReady));
    await load.turns(20);

    for (const signal of ['SIGKILL', 'SIGTERM']) {
      await own.stop(signal);
      await noticed(gws, load);
      medians[signal] = await load.turns(20);
      assert.ok(await own.again(), own.program.stderr);
      await Promise.all(gws.map(isReady));
      await load.turns(20);
    }

    await load.end();
    assert.ok((await sum(gws, 'store_failures_total')) > 0);
    // Twice the store's deadline, and as much as a busy machine makes of it.
    t.diagnostic(`medians of a turn in ms: ${JSON.stringify(medians)}`);
    const bound = medians.calm * 4 + 1000;
    for (const [phase, ms] of Object.entries(medians)) assert.ok(ms < bound, `${phase}: ${ms} ms`);
    for (const gateway of gws) assert.match(gateway.log, /the store works again/);

    for (const talk of load.talks)
      for (let i = 0; i < 4; i++) await talk.say(gws[i % 3], `a calm turn ${i} ${nowUs()}`);
    const posts = await sim.posts();
    for (const talk of load.talks) {
      const last = talk.judge(posts).slice(-3);
      assert.ok(last.every(({ isContinued }) => isContinued));
    }
    assert.deepEqual(await sim.violations(), []);
  });
});

describe('a Redis', () => {
  const messages = [{ role: 'user', content: '!echo still here' }];

  /** A gateway on it that is listening, and what /readyz says of the store in the end. */
  async function troubled(STORE_URL, what) {
    const sim = await Simulator.start();
    await sim.set(CALM);
    const env = { ...sim.env(), STORE_URL };
    const gw = await Gateway.start({ env });
    await until(async () => {
      const { status, problems } = await readiness(gw);
      return status === 503 && what.test(problems.store);
    }, `/readyz says ${what}`);
    return { sim, gw, env };
  }

  test('without an append-only file is told of, and answers go on', async () => {
    const own = await Redis.start({ appendonly: 'no' });
    const { sim, gw } = await troubled(own.url, /append-only file.*appendonly yes/);
    await sim.set({ rotate_every: 1, old_cookie: 'never' });
    const talk = new Talk();
    await talk.say(gw);
    await talk.say(gw);
    assert.ok(talk.judge(await sim.posts()).at(-1).isContinued);
    assert.match((await readiness(gw)).problems.cto, /renewed cookies .* cannot be stored/);
    assert.match(gw.log, /the store fails.*append-only file/);
  });

  test('that comes back from a snapshot does not bring back what was claimed', async () => {
    const own = await Redis.start({ appendonly: 'no' });
    const { sim, gw } = await troubled(own.url, /append-only file/);
    const [talk, other] = [new Talk(), new Talk()];
    await talk.say(gw);
    other.messages = [...talk.messages];
    assert.match(await own.say('SAVE'), /OK/);
    await talk.say(gw);
    assert.ok(talk.judge(await sim.posts()).at(-1).isContinued);
    await own.stop('SIGKILL');
    assert.ok(await own.again(), own.program.stderr);
    await until(
      async () => /append-only/.test((await readiness(gw)).problems.store),
      'it is connected again',
    );
    await other.say(gw);
    assert.equal(other.judge(await sim.posts()).at(-1).isContinued, false);
    assert.deepEqual(await sim.violations(), []);
  });

  test('with another password is told of, and the password is not', async () => {
    const own = await Redis.start({ password: secret('redis-8d41c7', 'the password of Redis') });
    const wrong = secret('redis-wrong-55', 'a wrong password of Redis');
    const { gw, env } = await troubled(own.urlWith(wrong), /refuses the user or the password/);
    assertError(await gw.post({ messages }), { status: 502, code: 'upstream_unavailable' });
    const { code, stdout } = await run(['check'], { env });
    assert.equal(code, 1);
    assert.match(stdout, /state +PROBLEM: .*the store does not answer/);
    assert.match(stdout, /store +PROBLEM: Redis at .* refuses the user or the password/);
    await troubled(own.urlWith(), /wants a password/);

    const { sim, gws } = await replicas({ on: own, n: 1 });
    await new Talk().say(gws[0]);
    assert.equal((await sim.posts()).length, 1);
  });

  test('that is not there at the start is waited for', async () => {
    const own = await Redis.start();
    await own.stop();
    const { gw } = await troubled(own.url, /Redis.*refused/);
    assert.ok(await own.again(), own.program.stderr);
    await isReady(gw);
    const answer = await gw.post({ messages });
    assert.equal(answer.status, 200, answer.text);
  });
});
