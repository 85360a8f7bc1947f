// SPDX-License-Identifier: Apache-2.0
// Out of descriptors: who comes waits, what runs goes on, and all is well when some are free again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, test } from 'node:test';
import { bytesOf } from './lib/bytes.mjs';
import { Gateway, KEY, finish, onEnd, sleep, tempDir, until, world } from './lib/harness.mjs';
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

/** Answers when so many ask at once; `connections` counts all that were made. */
async function crowd(n) {
  const upstream = { waiting: [], connections: 0 };
  const message = { role: 'assistant', content: 'all of you' };
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  const body = JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, choices });
  const server = http.createServer({ keepAliveTimeout: 60000 }, async (request, response) => {
    for await (const _ of request);
    upstream.waiting.push(response);
    if (upstream.waiting.length < n) return;
    for (const one of upstream.waiting.splice(0))
      one.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
  server.on('connection', () => upstream.connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(() => (server.closeAllConnections(), server.close()));
  upstream.url = `http://127.0.0.1:${server.address().port}/v1`;
  return upstream;
}

test('who asks in a crowd finds the connections of the crowd before', async () => {
  const n = 150;
  const upstream = await crowd(n);
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(
    file,
    `upstreams: [{name: crowd, provider: openai, base_url: "${upstream.url}", models: [big]}]\n`,
  );
  const gw = await Gateway.start({ env: { WORKERS: 1 }, args: ['--config', file] });
  const ask = () => gw.post({ model: 'big', messages: [{ role: 'user', content: 'we' }] });
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(Array.from({ length: n }, ask));
    assert.ok(answers.every(({ status }) => status === 200));
    await until(async () => (await gw.metrics()).upstream_idle_connections === n, 'all are kept');
  }
  assert.equal(upstream.connections, n);
});
