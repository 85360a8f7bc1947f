// SPDX-License-Identifier: Apache-2.0
// For SOAK_SECONDS (10): streams and whole answers that are known to the byte, clients that leave,
// an upstream that fails now and then. What the process holds does not grow: memory, descriptors,
// timers, buffers, looked at when nothing runs, are those of the first look but for a slack.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { randomOf } from './lib/bytes.mjs';
import { BINARY, finish, sleep, world } from './lib/harness.mjs';
import { Load } from './lib/load.mjs';

after(finish);

const SECONDS = Number(process.env.SOAK_SECONDS ?? 10);
const LOOKS = 6; // the first is when it is warm
const IS_CHECKED = BINARY.includes('/asan/');
const RSS_MAX_MIB = IS_CHECKED ? 1024 : 200;

/** None makes the one account rest: the load beside them is answered all the while. */
const FAULTS = ['post 500', 'post reset', 'post lost', 'ws reset', 'frames cut at=3'];

async function rssOf(gw) {
  const text = await fs.promises.readFile(`/proc/${gw.program.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(text)[1]) / 1024);
}

/** What it holds when nothing runs. */
async function look(gw) {
  await gw.idle(120_000);
  const m = await gw.metrics();
  const idle = m.upstream_idle_connections;
  // Tasks of clients that left count for two minutes, each with a timer.
  const timers = m.timers - idle - m.enginelabs_leases_draining;
  const descriptors = fs.readdirSync(`/proc/${gw.program.pid}/fd`).length - idle;
  return { rss: await rssOf(gw), descriptors, timers, buffers: m.buffered_bytes };
}

/** Prompts that fail, and clients that leave, beside the load until `until_ms`. */
async function trouble(gw, random, untilMs) {
  for (let failed = 0; ; failed++) {
    if (Date.now() >= untilMs) return failed;
    const fault = FAULTS[Math.floor(random() * FAULTS.length)];
    const content = `!fault ${fault}\n!bytes 3000 ${Math.floor(random() * 1e6)}`;
    const body = { model: 'GPT5', messages: [{ role: 'user', content }], stream: random() < 0.5 };
    const { request, answered } = await gw.beginStream(body);
    if (random() < 0.5) await sleep(random() * 50);
    else (await answered).resume();
    request.destroy();
    await sleep(50);
  }
}

test(`${SECONDS} s of load and trouble leave nothing behind`, async (t) => {
  const { gw } = await world({ settings: { token_life_s: 20 }, env: { LOG_LEVEL: 'info' } });
  const random = randomOf(1);
  const looks = [];
  const sum = { whole: 0, bytes: 0, troubled: 0 };
  for (let i = 0; i < LOOKS; i++) {
    const load = new Load(gw, { clients: 16, seed: i, longest: 8000 });
    sum.troubled += await trouble(gw, random, Date.now() + (SECONDS * 1000) / LOOKS);
    const tally = await load.end();
    assert.deepEqual(tally.failed, []);
    sum.whole += tally.whole;
    sum.bytes += tally.bytes;
    looks.push(await look(gw));
    t.diagnostic(`${JSON.stringify(looks.at(-1))}`);
  }
  t.diagnostic(`${JSON.stringify(sum)}, no byte wrong`);
  const [first, ...later] = looks;
  for (const { rss, descriptors, timers, buffers } of later) {
    assert.ok(rss < RSS_MAX_MIB, `${rss} MiB`);
    assert.ok(descriptors <= first.descriptors + 4, `${descriptors} descriptors`);
    assert.ok(timers <= first.timers + 4, `${timers} timers`);
    assert.ok(buffers <= first.buffers + 65536, `${buffers} bytes in buffers`);
  }
});
