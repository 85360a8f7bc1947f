// SPDX-License-Identifier: Apache-2.0
// The client leaves: whatever the gateway is doing for it then, the upstream socket is closed at
// once and nothing is left. Times come from the simulator's log, whose clock is ours too.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { KEY, finish, gate, nowUs, pair, sleep, until, world } from './lib/harness.mjs';
import { RawSocket, requestText } from './lib/raw.mjs';
import { deltas, finished, piece, running } from './lib/upstream.mjs';

after(finish);

const ROUNDS = 100; // of each kind

/** An answer that no test is slow enough to see the end of; reset() ends it. */
const ENDLESS = '!frames 10000 every 200';

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

/** Microseconds from leaving to the closed socket of that chat, which the gateway closed. */
async function timeOfClose(sim, chat, left_us) {
  const entry = await sim.waitFor('ws_close', (e) => e.chat === chat, `the socket of ${chat}`);
  assert.equal(entry.by, 'client');
  return entry.us - left_us;
}

/** How long it takes is for a benchmark to judge; a median of seconds is wrong on any machine. */
function report(t, name, times) {
  times.sort((a, b) => a - b);
  const at = (q) => times[Math.min(times.length - 1, Math.floor(q * times.length))] / 1000;
  t.diagnostic(`${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`);
  assert.ok(at(0.5) < 2000, `the median is ${at(0.5)} ms`);
}

describe('a client that leaves in the middle of an answer', () => {
  test('streamed: its upstream socket closes at once', async (t) => {
    const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1000 } });
    const times = [];
    for (let i = 0; i < ROUNDS; i++) {
      const stream = await gw.stream({ messages: user(`round ${i}\n${ENDLESS}`) });
      await stream.readUntil((chunk) => chunk.choices[0].delta.content);
      const { chat } = (await sim.posts()).at(-1);
      const left_us = nowUs();
      stream.leave();
      times.push(await timeOfClose(sim, chat, left_us));
    }
    report(t, 'streamed', times);
    await assertGone(gw);
    assert.equal((await gw.metrics()).exchanges_canceled_total, ROUNDS);
    await sim.reset();
  });

  test('not streamed: just the same', async (t) => {
    const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1000 } });
    const times = [];
    for (let i = 0; i < ROUNDS; i++) {
      const prompt = `round ${i}\n${ENDLESS}`;
      const request = await gw.begin({ messages: user(prompt) });
      const { chat } = await sim.waitFor('post', (entry) => entry.prompt === prompt);
      const left_us = nowUs();
      request.destroy();
      times.push(await timeOfClose(sim, chat, left_us));
    }
    report(t, 'not streamed', times);
    await assertGone(gw);
    assert.equal((await gw.metrics()).exchanges_canceled_total, ROUNDS);
    await sim.reset();
  });

  test('many at the same moment', async () => {
    const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1000 } });
    const messages = user(ENDLESS);
    const streams = await Promise.all(Array.from({ length: 60 }, () => gw.stream({ messages })));
    for (const stream of streams) await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    for (const stream of streams) stream.leave();
    await until(async () => (await sim.log('ws_close')).length === 60, 'all are closed');
    assert.ok((await sim.log('ws_close')).every((entry) => entry.by === 'client'));
    await assertGone(gw);
    await sim.reset();
  });

  test('through the official client', async () => {
    const { sim, gw } = await world();
    const stream = await gw.openai().chat.completions.create({
      model: 'GPT5',
      stream: true,
      messages: user(ENDLESS),
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
      const body = JSON.stringify({ stream, messages: user(ENDLESS) });
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
  const body = JSON.stringify({ messages: user(ENDLESS) });
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
  await sleep(200); // lets it be read
  assert.equal((await gw.metrics()).exchanges, 1);
  raw.send('x'.repeat(4 << 20));
  raw.close();
  assert.equal((await sim.waitFor('ws_close')).by, 'client');
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
    const { upstream, gw } = await pair({ ENGINELABS_MAX_PARALLEL: 1 });
    const end = gate();
    upstream.answer = () => [running, piece('first'), end.opened, finished];
    const first = await gw.stream({ messages: user('the first') });
    await first.readUntil((chunk) => chunk.choices[0].delta.content);
    const waiting = [];
    for (let i = 0; i < 5; i++)
      waiting.push(await gw.begin({ stream: i % 2 === 0, messages: user(`waiting ${i}`) }));
    await until(async () => (await gw.metrics()).exchanges === 6, 'they wait');
    for (const request of waiting) request.destroy();
    await until(async () => (await gw.metrics()).exchanges === 1, 'they are gone');
    upstream.answer = () => deltas('an answer');
    end.open();
    await first.whole();
    assert.deepEqual(first.finishReasons, ['stop']);
    assert.equal((await gw.post({ messages: user('after it') })).status, 200);
    const prompts = upstream.posts.map((post) => post.prompt);
    assert.deepEqual(prompts, ['the first', 'after it']);
  });

  test('a token that others wait for too: they get it', async () => {
    const { upstream, gw } = await pair();
    const signedIn = gate();
    upstream.on.token = () => signedIn.opened;
    const leaver = await gw.begin({ messages: user('leaver') });
    await until(async () => (await gw.metrics()).exchanges === 1, 'it runs');
    const stayers = Array.from({ length: 4 }, () => gw.post({ messages: user('stayer') }));
    await until(async () => (await gw.metrics()).exchanges === 5, 'all run');
    await until(() => upstream.of('token').length === 1, 'a token is asked for');
    leaver.destroy();
    await until(async () => (await gw.metrics()).exchanges === 4, 'one has left');
    signedIn.open();
    for (const answer of await Promise.all(stayers)) assert.equal(answer.status, 200, answer.text);
    assert.equal(upstream.of('token').length, 1);
    assert.deepEqual(
      upstream.posts.map((post) => post.prompt),
      Array(4).fill('stayer'),
    );
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
  test('counts on while the task runs upstream, and is free when it is seen idle', async () => {
    const { sim, gw } = await world({ env: { ENGINELABS_MAX_PARALLEL: 1, QUEUE_TIMEOUT: 60 } });
    const stream = await gw.stream({ messages: user('!frames 60 every 50') });
    await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    const waiting = gw.post({ messages: user('!echo my turn') });
    await until(async () => (await gw.metrics()).enginelabs_waiting === 1, 'the next one waits');
    stream.leave();
    await until(async () => (await gw.metrics()).enginelabs_leases_draining === 1, 'it drains');
    assert.equal((await sim.state()).tasks, 1, 'the first task runs on');
    assert.equal((await sim.posts()).length, 1, 'there is no place for another one');
    const next = await waiting;
    assert.equal(next.status, 200, next.text);
    assert.equal(next.json().choices[0].message.content, 'my turn');
    assert.equal((await gw.metrics()).enginelabs_leases_draining, 0);
    const [first, second] = await sim.posts();
    assert.ok(second.time - first.time >= 2900, 'not before the first task was over');
  });
});
