// SPDX-License-Identifier: Apache-2.0
// What outlives a gateway, in the store that needs no setting: conversations and renewed cookies
// over restarts and kill -9, one process a file, and how commands reach the process that has it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { KEY, Simulator, finish, gate, secret, sleep, until } from './lib/harness.mjs';
import { Home, readiness } from './lib/home.mjs';
import { Talk, assertHeld } from './lib/talk.mjs';

const KILL_ROUNDS = Number(process.env.STORE_KILL_ROUNDS ?? 10);
const TALKS = 8;

after(finish);

/** A simulator and a home whose gateways use it. */
async function place(settings = {}) {
  const sim = await Simulator.start();
  const calm = { pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600, daily_limit: 1e6 };
  await sim.set({ ...calm, ...settings });
  return { sim, home: new Home({ ...sim.env(), API_MASTER_KEY: KEY }) };
}

/** Each sign-in makes the cookie before it worthless. */
const ROTATING = { rotate_every: 1, old_cookie: 'never' };

describe('a conversation', () => {
  test('is held for thirty turns over restarts and kill -9', async () => {
    const { sim, home } = await place();
    const talk = new Talk();
    await home.start();
    for (let turn = 0; turn < 30; turn++) {
      talk.stream = turn % 2 === 0;
      await talk.sayTo(home.gw.openai());
      if (turn % 3 === 0) continue;
      await (turn % 3 === 1 ? home.stop() : home.kill());
      await home.start();
    }
    assertHeld(talk, await sim.posts());
    assert.deepEqual(await sim.violations(), []);
  });

  test('that was killed in the middle of an answer goes on with all that was said', async () => {
    const { sim, home } = await place();
    const talk = new Talk();
    await home.start();
    await talk.say(home.gw);
    const question = { role: 'user', content: '!frames 10000 every 100' };
    const stream = await home.gw.stream({ messages: [...talk.messages, question], model: 'GPT5' });
    await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    await home.kill();
    stream.leave();
    await home.start();
    await talk.say(home.gw);
    const turns = talk.judge(await sim.posts());
    assert.deepEqual(
      turns.map(({ turn }) => turn),
      [1, 1],
      'the chat that was in doubt is left alone',
    );
  });
});

let number = 0;
const unbounded = () => `a message under load, number ${++number}`;

/** Goes on until the gateway is killed; a failure before that is one. Rests between turns so that
 *  some conversations stand still when it happens. */
async function talkOn(gateway, talk, rest_ms, state) {
  while (!state.isKilled) {
    try {
      await talk.say(gateway, unbounded());
    } catch (error) {
      if (!state.isKilled) throw error;
    }
    if (++state.tried >= TALKS) state.busy.open();
    await sleep(Math.random() * rest_ms);
  }
}

/** The newest cookie of the service's account, when only the service can have it: the gateway was
 *  killed after the service had made it, and before it was used. */
async function lostOnTheWay(sim) {
  const log = await sim.log();
  const last = log.findLast((entry) => entry.kind === 'token' && entry.status === 200);
  const uses = log.filter((e) => e.token === last.token || e.cookie === last.cookie + 1);
  const used = uses.filter(({ n }) => n > last.n);
  assert.deepEqual(used, [], 'a cookie that was in use is lost');
  const [{ cookie }] = (await sim.state()).accounts;
  return secret(cookie, 'a renewed cookie');
}

/** Starts a gateway that is ready, whatever the one before it left behind. */
async function startReady(sim, home) {
  for (;;) {
    const gw = await home.start();
    const seen = await until(async () => {
      const { status, problems } = await readiness(gw);
      assert.deepEqual(Object.keys(problems), status === 200 ? [] : ['cto']);
      return status === 200 || /signed out/.test(problems.cto) ? { status } : false;
    }, 'the gateway knows how it stands');
    assert.doesNotMatch(gw.log, /damaged/);
    if (seen.status === 200) return gw;
    home.env.CLERK_COOKIE = await lostOnTheWay(sim);
    home.lost_until_n = (await sim.log()).at(-1).n; // what the lost cookie led to
    await home.stop();
  }
}

/** Tokens that end after moments may do so on their way, when the machine is busy. */
const isNotOld = ({ violation }) => !violation.includes('token expired');

/** New conversations at a gateway, in the middle of which it is killed. */
async function killUnderLoad(home) {
  const talks = Array.from({ length: TALKS }, () => new Talk());
  const calm = Array.from({ length: 2 }, () => new Talk());
  for (const talk of calm) await talk.say(home.gw, unbounded());
  const state = { isKilled: false, tried: 0, busy: gate() };
  const load = talks.map((talk, i) => talkOn(home.gw, talk, i % 2 === 0 ? 0 : 200, state));
  await Promise.race([state.busy.opened, Promise.all(load)]);
  await sleep(Math.random() * 1000); // the moment is anybody's guess
  state.isKilled = true;
  await home.kill();
  await Promise.all(load);
  return { talks, calm };
}

describe(`kill -9 under load, ${KILL_ROUNDS} times`, () => {
  test('damages nothing, leads to no wrong chat and loses no cookie', async (t) => {
    const { sim, home } = await place({ ...ROTATING, token_life_s: 2, log_entries: 1000000 });
    let [continued, all] = [0, 0];
    await startReady(sim, home);
    for (let round = 0; round < KILL_ROUNDS; round++) {
      await sim.clearLog();
      const { talks, calm } = await killUnderLoad(home);
      const gw = await startReady(sim, home);
      await Promise.all([...talks, ...calm].map((talk) => talk.say(gw, unbounded())));
      const posts = await sim.posts();
      const isHeld = (talk) => talk.judge(posts).at(-1).isContinued;
      all += talks.length;
      continued += talks.filter(isHeld).length;
      // A claim that took too long on a busy machine goes on without.
      if ((await gw.metrics()).store_timeouts_total === 0) assert.ok(calm.every(isHeld));
      const wrong = (await sim.violations()).filter(isNotOld);
      const isLost = ({ kind, n }) => kind === 'client' && n <= home.lost_until_n;
      assert.deepEqual(wrong.filter((entry) => !isLost(entry)), []);
    }
    t.diagnostic(`${continued} of ${all} conversations under load went on in their chats`);
    assert.ok(continued > 0, 'some were between two turns');
    const aside = fs.readdirSync(home.state).filter((name) => name.includes('damaged'));
    assert.deepEqual(aside, []);
  });
});

describe('a renewed cookie', () => {
  test('survives kill -9 and restarts', async () => {
    const { sim, home } = await place(ROTATING);
    for (const end of ['kill', 'kill', 'stop', 'stop', 'kill']) {
      const gw = await home.start();
      await new Talk().say(gw);
      await home[end]();
    }
    const tokens = await sim.log('token');
    assert.deepEqual(
      tokens.map(({ cookie, status }) => [cookie, status]),
      [0, 1, 2, 3, 4].map((cookie) => [cookie, 200]),
      'each sign-in used the cookie of the one before',
    );
    assert.deepEqual(await sim.violations(), []);
  });

  test('gives way to the cookie of the settings once that is another one', async () => {
    const { sim, home } = await place({ ...ROTATING, accounts: 2 });
    await new Talk().say(await home.start());
    await home.kill();
    const [, other] = (await sim.state()).accounts;
    const env = { CLERK_COOKIE: secret(other.cookie, 'the other cookie') };
    for (let i = 0; i < 2; i++) {
      await new Talk().say(await home.start(env));
      await home.kill();
    }
    const tokens = await sim.log('token');
    assert.deepEqual(
      tokens.map(({ account, cookie }) => [account, cookie]),
      [
        [0, 0],
        [1, 0],
        [1, 1],
      ],
    );
    assert.deepEqual(await sim.violations(), []);
  });
});

describe('the file of a gateway that runs', () => {
  test('is refused to a second one, which says whose it is', async () => {
    const { home } = await place();
    const gw = await home.start();
    const talk = new Talk();
    await talk.say(gw);
    for (let i = 0; i < 2; i++) {
      const { code, stderr } = await home.run(['serve']);
      assert.equal(code, 1, stderr);
      assert.ok(stderr.includes(path.join(home.state, 'state.db')), stderr);
      assert.match(stderr, new RegExp(`pid ${gw.program.pid}\\b`));
    }
    await talk.say(gw);
    assert.equal((await readiness(gw)).status, 200);
    assert.doesNotMatch(gw.log, /damaged|fails/);
  });

  test('and all beside it are for their owner alone', async () => {
    const { home } = await place();
    await new Talk().say(await home.start());
    const names = fs.readdirSync(home.state).sort();
    const suffixes = ['', '.control', '.lock', '-shm', '-wal'];
    assert.deepEqual(names, suffixes.map((suffix) => `state.db${suffix}`).sort());
    for (const name of names) assert.equal(home.mode(name), 0o600, name);
    assert.equal(home.mode('.'), 0o700);
  });
});

/** How many conversations stand in the file. */
function countTips(home) {
  const script = `import sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=30)
print(db.execute("SELECT count(*) FROM entry WHERE space = 'tip'").fetchone()[0])`;
  const file = path.join(home.state, 'state.db');
  return Number(execFileSync('python3', ['-c', script, file], { encoding: 'utf8' }));
}

test('what has expired goes from the file, a little with each turn', async () => {
  const { home } = await place();
  const gw = await home.start({ CONVERSATION_TTL: 1 });
  await until(async () => {
    for (let i = 0; i < 10; i++) await new Talk().say(gw);
    return countTips(home) >= 8;
  }, 'they are remembered');
  await until(async () => {
    await new Talk().say(gw);
    return countTips(home) < 8;
  }, 'old entries go');
});

describe('check', () => {
  const asked = /asked by the gateway that runs/;

  test('asks the gateway that runs', async () => {
    const { sim, home } = await place(ROTATING);
    const gw = await home.start();
    await new Talk().say(gw);
    assert.equal(home.mode('state.db.control'), 0o600);
    const good = await home.run(['check']);
    assert.equal(good.code, 0, good.stdout + good.stderr);
    const [{ organization }] = (await sim.state()).accounts;
    const told = [asked, /account +default/, new RegExp(organization), / 1 of \d+ used/, /GPT5/];
    for (const what of told) assert.match(good.stdout, what);
    assert.match(good.stdout, /The account can be used\.\n$/);

    await sim.fault({ where: 'token', kind: 'signed_out', times: -1 });
    const bad = await home.run(['check']);
    assert.equal(bad.code, 1, bad.stdout);
    assert.match(bad.stdout, asked);
    assert.match(bad.stdout, /state +PROBLEM: .*(signed out|cookie)/i);
    assert.match(bad.stdout, /The account cannot be used\.\n$/);
    await new Talk().say(gw); // with the token that it has

    await sim.clearFaults();
    assert.equal((await home.run(['check'])).code, 0);
    await new Talk().say(gw);
    await home.stop();
    assert.equal(home.mode('state.db.control'), undefined, 'the socket is gone');
    assert.deepEqual(await sim.violations(), []);
  });

  test('that is open when the gateway ends is told so', async () => {
    const { sim, home } = await place();
    await new Talk().say(await home.start());
    await sim.fault({ where: 'token', kind: 'hang' });
    const open = home.run(['check']);
    const faults = async () => (await sim.state()).faults;
    await until(async () => (await faults()).every((f) => f.times === 0), 'the sign-in hangs');
    await home.stop();
    const { code, stderr } = await open;
    assert.equal(code, 1);
    assert.match(stderr, /that process does not answer at .*: it is shutting down/);
  });

  test('uses the renewed cookies when none runs, and a socket file left behind', async () => {
    const { sim, home } = await place(ROTATING);
    await new Talk().say(await home.start());
    await home.kill();
    assert.equal(home.mode('state.db.control'), 0o600, 'kill -9 leaves it');
    for (let i = 0; i < 2; i++) {
      const alone = await home.run(['check']);
      assert.equal(alone.code, 0, alone.stdout + alone.stderr);
      assert.doesNotMatch(alone.stdout, asked);
    }
    const gw = await home.start();
    const { code, stdout } = await home.run(['check']);
    assert.equal(code, 0, stdout);
    assert.match(stdout, asked);
    await new Talk().say(gw);
    assert.doesNotMatch(gw.log, /commands cannot reach/);
    await home.stop();
    assert.deepEqual(await sim.violations(), []);
  });
});
