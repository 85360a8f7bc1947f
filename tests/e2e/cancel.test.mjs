// SPDX-License-Identifier: Apache-2.0
// The client leaves: whatever the gateway is doing for it then, the upstream socket is closed at
// once and nothing is left. Times come from the simulator's log, whose clock is ours too.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { KEY, finish, nowUs, until, world } from './lib/harness.mjs';
import { RawSocket, requestText } from './lib/raw.mjs';

after(finish);

const ROUNDS = 100; // of each kind
const user = (content) => [{ role: 'user', content }];

/** What is left in the gateway of those who left; leases drain in their own time. */
async function assertGone(gw) {
  await until(async () => {
    const m = await gw.metrics();
    assert.equal(m.exchanges, 0, 'exchanges');
    assert.equal(m.upstream_websockets, 0, 'sockets');
    assert.equal(m.http_server_connections, 1, 'connections');
    return true;
  }, 'nothing is left');
}

/** Microseconds from leaving to the closed socket of that chat. */
async function timeOfClose(sim, chat, left_us) {
  const entry = await sim.waitFor('ws_close', (e) => e.chat === chat, `the socket of ${chat}`);
  return entry.us - left_us;
}

function report(t, name, times) {
  times.sort((a, b) => a - b);
  const at = (q) => times[Math.min(times.length - 1, Math.floor(q * times.length))] / 1000;
  t.diagnostic(`${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`);
  assert.ok(at(0.99) < 100, `p99 is ${at(0.99)} ms`);
}

describe('a client that leaves in the middle of an answer', () => {
  test('streamed: its upstream socket closes at once', async (t) => {
    const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1000 } });
    const times = [];
    for (let i = 0; i < ROUNDS; i++) {
      const stream = await gw.stream({ messages: user(`round ${i}\n!frames 50 every 20`) });
      await stream.readUntil((chunk) => chunk.choices[0].delta.content);
      const { chat } = (await sim.posts()).at(-1);
      const left_us = nowUs();
      stream.leave();
      times.push(await timeOfClose(sim, chat, left_us));
    }
    report(t, 'streamed', times);
    await assertGone(gw);
    assert.equal((await gw.metrics()).exchanges_canceled_total, ROUNDS);
  });

  test('not streamed: just the same', async (t) => {
    const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1000 } });
    const times = [];
    for (let i = 0; i < ROUNDS; i++) {
      const prompt = `round ${i}\n!frames 50 every 20`;
      const request = await gw.begin({ messages: user(prompt) });
      const { chat } = await sim.waitFor('post', (entry) => entry.prompt === prompt);
      const left_us = nowUs();
      request.destroy();
      times.push(await timeOfClose(sim, chat, left_us));
    }
    report(t, 'not streamed', times);
    await assertGone(gw);
    assert.equal((await gw.metrics()).exchanges_canceled_total, ROUNDS);
  });

  test('many at the same moment', async () => {
    const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1000 } });
    const messages = user('!frames 100 every 20');
    const streams = await Promise.all(Array.from({ length: 60 }, () => gw.stream({ messages })));
    for (const stream of streams) await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    for (const stream of streams) stream.leave();
    await until(async () => (await sim.log('ws_close')).length === 60, 'all are closed');
    await assertGone(gw);
  });

  test('through the official client', async () => {
    const { sim, gw } = await world();
    const stream = await gw.openai().chat.completions.create({
      model: 'GPT5',
      stream: true,
      messages: user('!frames 1000 every 20'),
    });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    stream.controller.abort();
    const entry = await sim.waitFor('ws_close');
    assert.equal(entry.by, 'client');
    await sim.reset();
  });

  for (const stream of [true, false])
    test(`by a half-close, or with a second request waiting (stream ${stream})`, async () => {
      const { sim, gw } = await world();
      const body = JSON.stringify({ stream, messages: user('!frames 1000 every 20') });
      const headers = {
        Host: 'localhost',
        Authorization: `Bearer ${KEY}`,
        'Content-Type': 'application/json',
        'Content-Length': body.length,
      };
      const request = requestText('POST', '/v1/chat/completions', headers, body);
      const half = await RawSocket.open(gw.port);
      half.send(request);
      await sim.waitFor('post');
      half.halfClose();
      await until(async () => (await sim.log('ws_close')).length === 1, 'the first is closed');
      const pipelined = await RawSocket.open(gw.port);
      pipelined.send(request + requestText('GET', '/healthz', { Host: 'localhost' }));
      await until(async () => (await sim.posts()).length === 2, 'the second runs');
      pipelined.reset();
      await until(async () => (await sim.log('ws_close')).length === 2, 'the second is closed');
      await assertGone(gw);
      await sim.reset();
    });
});

test('a client that sends without end behind its request does not keep the upstream', async () => {
  const { sim, gw } = await world();
  const body = JSON.stringify({ messages: user('!frames 1000 every 20') });
  const headers = {
    Host: 'localhost',
    Authorization: `Bearer ${KEY}`,
    'Content-Type': 'application/json',
    'Content-Length': body.length,
  };
  const raw = await RawSocket.open(gw.port);
  raw.send(requestText('POST', '/v1/chat/completions', headers, body));
  await sim.waitFor('post');
  raw.send('x'.repeat(60_000)); // one head's worth may wait
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal((await gw.metrics()).exchanges, 1);
  raw.send('x'.repeat(4 << 20));
  raw.close();
  await until(async () => (await sim.log('ws_close')).length === 1, 'it is closed', 3000);
  await assertGone(gw);
  await sim.reset();
});

describe('a client that leaves while the gateway waits for', () => {
  const rows = [
    ['who it is', { where: 'client', kind: 'hang' }, 'client'],
    ['a token', { where: 'token', kind: 'hang' }, 'token'],
    ['the socket', { where: 'ws', kind: 'hang' }, 'ws'],
    ['the socket, which is silent', { where: 'ws', kind: 'open_silent' }, 'ws'],
    ['the POST', { where: 'post', kind: 'hang' }, 'post'],
    ['the first text', { where: 'frames', kind: 'silence', at: 0 }, 'frames'],
    ['more text', { where: 'frames', kind: 'silence', at: 1 }, 'frames'],
  ];
  for (const [name, fault] of rows)
    for (const stream of [true, false])
      test(`${name} leaves nothing behind (stream ${stream})`, async () => {
        const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 3 } });
        await sim.fault(fault);
        const messages = user('!echo one two three four five six');
        const request = await gw.begin({ stream, messages });
        await until(async () => (await sim.state()).faults.every((f) => f.times === 0), name);
        await until(async () => (await gw.metrics()).exchanges === 1, 'the exchange runs');
        request.destroy();
        await assertGone(gw);
        await until(async () => (await sim.state()).sockets === 0, 'no socket upstream');
        await sim.reset();
        const next = await gw.post({ messages });
        assert.equal(next.status, 200, next.text);
      });

  test('its place in the queue leaves the queue', async () => {
    const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1 } });
    const first = await gw.stream({ messages: user('!frames 60 every 50') });
    await first.readUntil((chunk) => chunk.choices[0].delta.content);
    const waiting = [];
    for (let i = 0; i < 5; i++)
      waiting.push(await gw.begin({ stream: i % 2 === 0, messages: user(`waiting ${i}`) }));
    await until(async () => (await gw.metrics()).exchanges === 6, 'they wait');
    for (const request of waiting) request.destroy();
    await until(async () => (await gw.metrics()).exchanges === 1, 'they are gone');
    await first.whole();
    assert.deepEqual(first.finishReasons, ['stop']);
    assert.equal((await gw.post({ messages: user('after it') })).status, 200);
    const prompts = (await sim.posts()).map((post) => post.prompt);
    assert.deepEqual(prompts, ['!frames 60 every 50', 'after it']);
  });

  test('a token that others wait for too: they get it', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'token', kind: 'delay', delay_ms: 800 });
    const leaver = await gw.begin({ messages: user('leaver') });
    await until(async () => (await gw.metrics()).exchanges === 1, 'it runs');
    const stayers = Array.from({ length: 4 }, () => gw.post({ messages: user('stayer') }));
    await until(async () => (await gw.metrics()).exchanges === 5, 'all run');
    leaver.destroy();
    for (const answer of await Promise.all(stayers)) assert.equal(answer.status, 200, answer.text);
    assert.equal((await sim.log('token')).length, 1);
    assert.ok((await sim.posts()).every((post) => post.prompt === 'stayer'));
  });
});

describe('a client that leaves before its request is whole', () => {
  test('leaves nothing, wherever it stops', async () => {
    const { sim, gw } = await world();
    const body = JSON.stringify({ messages: user('x') });
    const headers = {
      Host: 'localhost',
      Authorization: `Bearer ${KEY}`,
      'Content-Type': 'application/json',
      'Content-Length': body.length,
    };
    const text = requestText('POST', '/v1/chat/completions', headers, body);
    for (let cut = 1; cut < text.length; cut += 7) {
      const raw = await RawSocket.open(gw.port);
      raw.send(text.slice(0, cut));
      if (cut % 2 === 0) raw.reset();
      else raw.close();
    }
    await assertGone(gw);
    assert.deepEqual(await sim.posts(), []);
    assert.equal((await gw.post(body)).status, 200);
  });
});

describe('a lease of somebody who left', () => {
  test('drains, and its place is free again when the task is idle', async () => {
    const { gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1, QUEUE_TIMEOUT: 60 } });
    const stream = await gw.stream({ messages: user('!frames 30 every 50') });
    await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    stream.leave();
    const next = await gw.post({ messages: user('!echo my turn') });
    assert.equal(next.status, 200, next.text);
    assert.equal(next.json().choices[0].message.content, 'my turn');
  });
});
