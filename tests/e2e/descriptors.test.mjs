// SPDX-License-Identifier: Apache-2.0
// Out of descriptors: who comes waits, what runs goes on, and all is well when some are free again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { bytesOf } from './lib/bytes.mjs';
import { KEY, finish, sleep, world } from './lib/harness.mjs';
import { RawSocket, requestText } from './lib/raw.mjs';

after(finish);

/** Its limit of open files, a soft one. */
function limit(pid, n) {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${n}:`]);
}

const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).map(Number);

test('accepting pauses, answers go on, accepting resumes', async () => {
  const { gw } = await world();
  const { pid } = gw.program;
  const user = (content) => ({ messages: [{ role: 'user', content }] });
  const stream = await gw.stream(user('!pacing 1 20\n!bytes 4000 11'));
  await stream.readUntil((event) => event.choices[0].delta.content);
  const enough = 20000;
  const used = new Set(descriptors(pid));
  let free = 0;
  while (used.has(free)) free++;
  limit(pid, free + 5);
  const waiting = [];
  for (let i = 0; i < 40; i++) {
    const raw = await RawSocket.open(gw.port); // by the kernel
    raw.send(requestText('GET', '/v1/models', { Host: 'x', Authorization: `Bearer ${KEY}` }));
    waiting.push(raw);
  }
  await sleep(300);
  const full = descriptors(pid);
  assert.ok(full.length < used.size + waiting.length, 'not all of them are in');
  await stream.whole();
  assert.equal(stream.text, bytesOf(4000, 11));
  assert.deepEqual(stream.finishReasons, ['stop']);
  limit(pid, enough);
  for (const raw of waiting) {
    assert.equal((await raw.response()).status, 200);
    raw.close();
  }
  assert.equal((await gw.post(user('again'))).status, 200);
});
