// SPDX-License-Identifier: Apache-2.0
// 10,000 clients that connect at one moment, three times: all are answered, or refused, and
// when they have gone the process holds what it held. With fewer descriptors it is fewer, and
// the number is told.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { BINARY, finish } from './lib/harness.mjs';
import { descriptorsOf } from './lib/hostile.mjs';
import { KINDS, kindsWorld } from './lib/kinds.mjs';
import { ADMIN_KEY } from './lib/operator.mjs';
import { assertNothingLeft, baselineOf, chatBytes, getText, user } from './lib/rude.mjs';

const CLIENTS = 10_000;
const WANTED = 25_000; // descriptors
const CHATS = 20; // one client in so many asks a model
const TOLD = 64; // beyond MAX_CONNECTIONS are told 503 at once; more are reset
const AT_ONCE = 500; // that are begun in one turn of this process's loop
const PATIENCE_MS = 120_000;
const IS_CHECKED = BINARY.includes('/asan/');
const RSS_MORE_MIB = IS_CHECKED ? 1024 : 16;

let gw, baseline, clients, room;

const limitOf = (pid) =>
  Number(/Max open files\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/limits`, 'utf8'))[1]);

/** Raises the limit of this process, which those that it starts have too, where that is allowed. */
function raise() {
  try {
    const args = ['--pid', String(process.pid), `--nofile=${WANTED}:${WANTED}`];
    execFileSync('prlimit', args, { stdio: 'ignore' });
  } catch {
    // As many as there are.
  }
  return limitOf(process.pid);
}

const rss = () => {
  const status = fs.readFileSync(`/proc/${gw.program.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024;
};

before(async () => {
  const limit = raise();
  clients = Math.min(CLIENTS, limit - 1000);
  const env = { ADMIN_KEY, WORKERS: 2, LOG_LEVEL: 'info', ENGINELABS_MAX_PARALLEL: 10_000 };
  ({ gw } = await kindsWorld({ env }));
  room = gw.logLines.find((line) => /^MAX_CONNECTIONS/.test(line.message))?.allowed ?? CLIENTS;
  baseline = await baselineOf(gw);
});
after(finish);

const chats = Object.values(KINDS).map(({ model }) => {
  const body = (stream) => ({ model, stream, messages: user('!echo hello there') });
  return [true, false].map((stream) => () => chatBytes(gw, body(stream)).bytes);
});
const ASKED = chats.flat();

/** One client: its status, and how its answer came. It keeps its connection until `leave`. */
function client(number) {
  const asks = number % CHATS === 0;
  const bytes = asks ? ASKED[(number / CHATS) % ASKED.length]() : getText(gw, '/v1/models');
  const made = { asks, text: '' };
  made.done = new Promise((resolve) => {
    const socket = net.connect(gw.port, '127.0.0.1');
    made.socket = socket;
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (text) => {
      made.text += text;
      if (isWhole(made.text)) resolve();
    });
    socket.on('error', (error) => ((made.error = error.code), resolve()));
    socket.on('close', resolve);
  });
  return made;
}

function isWhole(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end));
  if (length) return text.length >= end + 4 + Number(length[1]);
  return text.endsWith('\r\n0\r\n\r\n');
}

function verdictOf({ asks, text, error }) {
  if (error) return error;
  if (!isWhole(text)) return text ? 'cut' : 'closed';
  const status = text.slice(9, 12);
  if (status === '503') return /"code":"overloaded"/.test(text) ? 'refused' : 'odd';
  if (status !== '200') return status;
  if (!asks) return text.includes('"object":"list"') ? 'models' : 'odd';
  return /hello/.test(text) && !/"error":/.test(text) ? 'answers' : 'odd';
}

/** How many came to what. */
async function burst() {
  const all = [];
  for (let i = 0; i < clients; i++) {
    all.push(client(i));
    if (i % AT_ONCE === AT_ONCE - 1) await new Promise(setImmediate);
  }
  const peak = { descriptors: 0 };
  let isOver = false;
  const ended = Promise.all(all.map((one) => one.done)).then(() => (isOver = true));
  const deadline = Date.now() + PATIENCE_MS;
  while (!isOver && Date.now() < deadline) {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 50))]);
    peak.descriptors = Math.max(peak.descriptors, descriptorsOf(gw.program.pid));
  }
  const tally = {};
  for (const one of all) {
    const verdict = verdictOf(one);
    tally[verdict] = (tally[verdict] ?? 0) + 1;
  }
  peak.rss = Math.round(rss());
  for (const { socket } of all) socket.destroy();
  return { tally, peak };
}

describe('a burst of connections', () => {
  test('is answered, three times, and leaves nothing behind', async (t) => {
    t.diagnostic(`${clients} clients, room for ${room}, ${limitOf(gw.program.pid)} descriptors`);
    const looks = [];
    for (let round = 1; round <= 3; round++) {
      const began = Date.now();
      const { tally, peak } = await burst();
      t.diagnostic(`${round}: ${JSON.stringify(tally)} in ${Date.now() - began} ms`);
      t.diagnostic(`   at most ${peak.descriptors} descriptors, ${peak.rss} MiB`);
      const { models = 0, answers = 0, refused = 0, ECONNRESET: resets = 0, ...other } = tally;
      assert.deepEqual(other, {}, 'answered or refused, all of them');
      assert.ok(models + answers >= Math.min(clients, room), 'all that there is room for');
      if (refused < TOLD) assert.equal(resets, 0, 'refused in words');
      await assertNothingLeft(gw, baseline);
      await gw.idle();
      looks.push(rss());
      t.diagnostic(`   then ${Math.round(looks.at(-1))} MiB`);
    }
    const more = looks[2] - looks[0];
    assert.ok(more < RSS_MORE_MIB, `${more} MiB more than after the first`);
  });
});
