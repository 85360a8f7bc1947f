// SPDX-License-Identifier: Apache-2.0
// Clients that go: killed (RST), ended (FIN), or half closed, in each state that a connection can
// be in, before both kinds of upstream and while the gateway drains. Nothing is left of them, the
// upstream is told at once, and whoever comes next is served.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bytesOf } from './lib/bytes.mjs';
import { finish, until } from './lib/harness.mjs';
import { KINDS, kindsWorld } from './lib/kinds.mjs';
import { ADMIN_KEY, get } from './lib/operator.mjs';
import { RawSocket } from './lib/raw.mjs';
import { assertNothingLeft, baselineOf, chatBytes, getText, user } from './lib/rude.mjs';

const TIMES = 4; // in each state, at once
const ENDLESS = '!frames 1000 every 30';
const LONG_MS = 120_000; // for an answer of megabytes under a sanitizer
const SOON_MS = 10_000; // for an upstream to be told, on a machine that is busy

const WAYS = {
  'a reset': (raw) => raw.reset(),
  'an end': (raw) => raw.close(),
  'a half-close': (raw) => raw.halfClose(),
};

/** What the upstream's log calls a prompt, where one hangs, and whether those who asked for streams
 *  are known to have left. */
const UPSTREAMS = {
  'only a prompt': {
    prompts: 'post',
    where: 'post',
    isTold: async () => (await sim.state()).sockets === 0,
  },
  "OpenAI's format": {
    prompts: 'completion',
    where: 'completions',
    isTold: async () =>
      (await sim.log('completion_end')).filter(({ by }) => by === 'client').length === TIMES,
  },
};

let sim, gw, baseline;

before(async () => {
  ({ sim, gw } = await kindsWorld({
    env: { ADMIN_KEY, WORKERS: 2, ENGINELABS_MAX_PARALLEL: 1000 },
  }));
  for (const { model } of Object.values(KINDS))
    assert.equal((await gw.post({ model, messages: user('!echo sign in') })).status, 200);
  baseline = await baselineOf(gw);
});
after(finish);

const asked = async (kind) => (await sim.log(UPSTREAMS[kind].prompts)).length;

/** A request of which `n` bytes are sent, all by default. */
async function sent(kind, content, { stream = true, n } = {}) {
  const body = { model: KINDS[kind].model, stream, messages: user(content) };
  const { bytes, head } = chatBytes(gw, body);
  const raw = await RawSocket.open(gw.port);
  raw.send(bytes.slice(0, n ? n(head, bytes.length) : bytes.length));
  return raw;
}

const running = (n) =>
  until(async () => (await get(gw, '/live')).total === n, `${n} are shown to run`);

async function flowing(kind, raw) {
  await raw.contains('frame3');
  return raw;
}

/** Each makes a connection that is in a state; `waits` is what must be so before it is left. */
const STATES = {
  'without a byte': { enter: () => RawSocket.open(gw.port) },
  'in the head': { enter: (kind) => sent(kind, 'x', { n: (head) => head - 30 }) },
  'behind the head': { enter: (kind) => sent(kind, 'x', { n: (head) => head }) },
  'in the body': { enter: (kind) => sent(kind, 'x', { n: (head, all) => all - 5 }) },
  'before the upstream answers, a stream': {
    hangs: true,
    enter: (kind) => sent(kind, 'hang'),
    waits: () => running(TIMES),
  },
  'before the upstream answers, a whole answer': {
    hangs: true,
    enter: (kind) => sent(kind, 'hang', { stream: false }),
    waits: () => running(TIMES),
  },
  'in a stream': {
    isStream: true,
    enter: async (kind) => flowing(kind, await sent(kind, ENDLESS)),
  },
  'in a stream that it does not read': {
    isStream: true,
    enter: async (kind) => {
      const raw = await sent(kind, `!set every_ms=0 piece_bytes=16000\n!bytes 8000000 1`);
      await raw.contains('HTTP/1.1 200');
      raw.socket.pause();
      return raw;
    },
  },
  // Whoever closed only its half still gets all of what is complete.
  'in a whole answer on its way': {
    times: 1, // some seconds each under a sanitizer
    stays: async (raw) => {
      raw.socket.resume();
      await raw.ended(LONG_MS);
      const answer = await raw.response();
      assert.ok(answer.json().choices[0].message.content === bytesOf(6_000_000, 1));
    },
    enter: async (kind) => {
      const content = `!set every_ms=0 piece_bytes=16000\n!bytes 6000000 1`;
      const raw = await sent(kind, content, { stream: false });
      await raw.contains('HTTP/1.1 200', LONG_MS);
      raw.socket.pause();
      return raw;
    },
  },
  'between two requests': {
    enter: async (kind) => {
      const raw = await sent(kind, '!echo hello', { stream: false });
      assert.equal((await raw.response()).status, 200);
      return raw;
    },
  },
  'in a second stream': {
    isStream: true,
    enter: async (kind) => {
      const raw = await sent(kind, '!echo hello', { stream: false });
      assert.equal((await raw.response()).status, 200);
      const body = { model: KINDS[kind].model, stream: true, messages: user(ENDLESS) };
      return flowing(kind, raw.send(chatBytes(gw, body).bytes));
    },
  },
  'with a request behind the one that runs': {
    isStream: true,
    enter: async (kind) => {
      const raw = await flowing(kind, await sent(kind, ENDLESS));
      const body = { model: KINDS[kind].model, messages: user('never asked') };
      return raw.send(chatBytes(gw, body).bytes);
    },
  },
};

async function leave(kind, { enter, hangs, waits, isStream, stays, times = TIMES }, way) {
  const { where, isTold } = UPSTREAMS[kind];
  if (hangs) await sim.fault({ where, kind: 'hang', times: -1 });
  const raws = await Promise.all(Array.from({ length: times }, () => enter(kind)));
  await waits?.();
  for (const raw of raws) way(raw);
  if (isStream) await until(isTold, 'the upstream is told', SOON_MS);
  if (stays && way === WAYS['a half-close']) await Promise.all(raws.map(stays));
  await assertNothingLeft(gw, baseline);
  for (const raw of raws) raw.close();
  assert.ok(!(await sim.log()).some(({ prompt }) => prompt === 'never asked'));
}

for (const kind of Object.keys(KINDS))
  describe(`before an upstream that knows ${kind}, a client that leaves`, () => {
    for (const [state, how] of Object.entries(STATES))
      for (const [name, way] of Object.entries(WAYS))
        test(`${state}, by ${name}`, async () => {
          await sim.clearLog();
          await leave(kind, how, way);
          await sim.clearFaults();
          const before = await asked(kind);
          const next = await gw.post({ model: KINDS[kind].model, messages: user('!echo next') });
          assert.equal(next.json().choices?.[0].message.content, 'next', next.text);
          assert.equal(await asked(kind), before + 1);
        });
  });
