// SPDX-License-Identifier: Apache-2.0
// Clients that take their time: heads and bodies a byte at a time, answers that nobody reads. Each
// ends when the gateway's own time is over (docs/configuration.md, "Fixed limits"), others are
// served meanwhile, and what is held for one stays within its bound.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bytesOf } from './lib/bytes.mjs';
import { assertError } from './lib/errors.mjs';
import * as harness from './lib/harness.mjs';
import { MiB } from './lib/hostile.mjs';
import { open } from './lib/http.mjs';
import { PlainUpstream } from './lib/plain.mjs';
import { RawSocket } from './lib/raw.mjs';
import { drain, settled } from './lib/relay.mjs';
import { chatBytes, getText, user } from './lib/rude.mjs';

const { Gateway, Simulator, finish, onEnd, sleep, tempDir, until } = harness;

const HEAD_MS = 30_000;
const WRITE_MS = 60_000;
const PATIENCE = { patience: 150_000 };
const CROWD = 150; // of each kind
const PIECE = 'x'.repeat(16_000);
const KiB = 1024;
const PIECES = 3000;
const MUCH = PIECES * PIECE.length; // 48 MB
const LENGTH = 8_000_000; // the simulator's bound
const LIMIT = 64 * MiB;
/** What one stream may hold: what waits for the client and the piece that made it too much, and one
 *  read of the upstream. */
const STREAM_MAX = 512 * KiB;

let sim, plain, gw, still, other;

const config = () => `
store_url: "memory:"
upstreams:
  - name: cto
    provider: enginelabs
    api_url: ${sim.url}
    clerk_url: ${sim.url}
    models: [GPT5]
    accounts: [{name: main, cookie: "${sim.cookie}"}]
  - {name: plain, provider: openai, base_url: "${plain.url}", models: [big]}
`;

async function start(env = {}) {
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(file, config(), { mode: 0o600 });
  const args = ['--config', file];
  return Gateway.start({ args, env: { CIRCUIT_ERROR_PERCENT: 0, ...env } });
}

before(async () => {
  sim = await Simulator.start();
  await sim.set({ first_ms: 1, every_ms: 0, jitter_ms: 0, piece_bytes: 16_000 });
  plain = await PlainUpstream.start();
  plain.handle = serve;
  gw = await start({ WORKERS: 1 });
  still = await start({ WORKERS: 1 });
  other = await start({ WORKERS: 1, MEMORY_LIMIT: '64MiB' });
});
after(finish);

// ---- an upstream that is as fast as it can be ----

const event = (content, reason = null) => {
  const choices = [{ index: 0, delta: { content }, finish_reason: reason }];
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices })}\n\n`;
};

const roomIn = (response, socket) =>
  new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    response.on('drain', done);
    socket.on('close', done);
  });

/** `!much N`: N pieces, as a stream or as a whole answer. */
async function serve(request, response, seen) {
  if (request.method !== 'POST') return void response.writeHead(404).end();
  let text = '';
  for await (const piece of request) text += piece;
  const { stream, messages } = JSON.parse(text);
  seen.sent = 0;
  seen.name = messages[0].content;
  const n = Number(/!much (\d+)/.exec(seen.name)?.[1] ?? 1);
  if (!stream) {
    const message = { role: 'assistant', content: PIECE.repeat(n) };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    response.writeHead(200, { 'content-type': 'application/json' });
    return void response.end(JSON.stringify({ id: 'c', object: 'chat.completion', choices }));
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let i = 0; i < n && !seen.isGone; i++) {
    seen.sent += PIECE.length;
    if (!response.write(event(PIECE))) await roomIn(response, request.socket);
  }
  response.end(`${event('', 'stop')}data: [DONE]\n\n`);
}

const requestOf = (name) => plain.requests.find((one) => one.name?.startsWith(name));
const much = (name, pieces) => user(`${name}\n!much ${pieces}`);

// ---- clients ----

/** A client that sends `bytes` one at a time, and never the last. */
async function trickle(port, bytes, everyMs) {
  const raw = await RawSocket.open(port);
  raw.began = Date.now();
  let sent = 0;
  const drip = setInterval(() => {
    if (sent < bytes.length - 1) raw.send(bytes[sent++]);
  }, everyMs);
  onEnd(() => clearInterval(drip));
  raw.socket.on('close', () => clearInterval(drip));
  return raw;
}

/** A client that does not read its answer until it is drained. */
const ask = (gateway, body) =>
  open(gateway.port, {
    method: 'POST',
    path: '/v1/chat/completions',
    headers: gateway.headers({ 'content-type': 'application/json' }),
    body: JSON.stringify(body),
  }).then(({ response }) => response);

const textOf = (bytes) =>
  String(bytes)
    .split('\n\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)).choices[0]?.delta?.content ?? '')
    .join('');

/** Others are served while `promise` is open: how many, each whole. */
async function servedDuring(gateway, promise) {
  let isOver = false;
  const ended = promise.finally(() => (isOver = true));
  let served = 0;
  for (; !isOver; served++) {
    for (const model of ['GPT5', 'big']) {
      const answer = await gateway.post({ model, messages: user('!echo hello') });
      assert.equal(answer.status, 200, answer.text.slice(0, 300));
    }
    await sleep(200);
  }
  await ended;
  return served;
}

describe('all at once', { concurrency: true }, () => {
  test(`${2 * CROWD} slow heads and bodies end with 408, others are served`, async (t) => {
    const { bytes, head } = chatBytes(gw, { messages: user('never') }, { 'Content-Length': 5000 });
    const crowd = [];
    for (let i = 0; i < CROWD; i++) crowd.push(await trickle(gw.port, bytes, 400));
    for (let i = 0; i < CROWD; i++) {
      const raw = await trickle(gw.port, bytes.slice(head), 1000);
      crowd.push(raw.send(bytes.slice(0, head)));
    }
    const all = crowd.map(async (raw) => {
      assertError(await raw.response(PATIENCE), { status: 408 });
      const ms = Date.now() - raw.began;
      assert.ok(ms >= HEAD_MS - 1000, `after ${ms} ms already`);
      await raw.ended();
      return ms;
    });
    const { buffered_bytes: buffered } = await gw.metrics();
    assert.ok(buffered < gw.atStart.buffered_bytes + 2 * CROWD * 128 * KiB, `${buffered} bytes`);
    const ended = Promise.all(all);
    const served = await servedDuring(gw, ended);
    const times = await ended;
    assert.ok(served > 20, `${served} served meanwhile`);
    t.diagnostic(`${times.length} x 408 after ${Math.min(...times)} to ${Math.max(...times)} ms`);
    t.diagnostic(`${2 * served} requests of others were answered meanwhile`);
  });

  test('a connection without a byte, or between two requests, is closed in its time', async (t) => {
    const silent = await RawSocket.open(gw.port);
    const idle = await RawSocket.open(gw.port);
    idle.send(getText(gw, '/healthz'));
    assert.equal((await idle.response()).status, 200);
    const began = Date.now();
    for (const raw of [silent, idle]) assert.equal(await raw.ended(150_000), '');
    const ms = Date.now() - began;
    assert.ok(ms > 70_000, `after ${ms} ms`);
    t.diagnostic(`after ${ms} ms`);
  });

  test('streams that nobody reads wait upstream, are all there later, or are reset', async (t) => {
    const began = Date.now();
    const asked = Array.from({ length: 8 }, async (_, i) => {
      const model = i % 2 ? 'GPT5' : 'big';
      const messages = i % 2 ? user(`!bytes ${LENGTH} ${i}`) : much(`stream ${i}`, PIECES);
      const response = await ask(still, { model, stream: true, messages });
      assert.equal(response.statusCode, 200);
      return { response, model, number: i };
    });
    const streams = await Promise.all(asked);
    const names = [0, 2, 4, 6].map((i) => `stream ${i}`);
    const sent = () => names.reduce((sum, name) => sum + requestOf(name).sent, 0);
    const taken = await settled(sent, 'the upstream is stopped');
    assert.ok(taken < (4 * MUCH) / 2, `${taken} bytes were taken of ${4 * MUCH}`);
    const { buffered_bytes: buffered } = await still.metrics();
    const each = (buffered - still.atStart.buffered_bytes) / streams.length;
    assert.ok(each < STREAM_MAX, `${each} bytes for each`);
    t.diagnostic(`${Math.round(each / KiB)} KiB in the gateway for each of ${streams.length}`);
    t.diagnostic(`${Math.round(taken / 4 / KiB)} of ${Math.round(MUCH / KiB)} KiB were sent`);

    for (const { response, model, number } of streams.slice(0, 4)) {
      const { bytes, isWhole } = await drain(response);
      const text = textOf(bytes);
      const want = model === 'big' ? PIECE.repeat(PIECES) : bytesOf(LENGTH, number);
      assert.ok(isWhole && text === want, `${model}: ${text.length} bytes of ${want.length}`);
    }
    const gone = async () => (await still.metrics()).exchanges === 0;
    await until(gone, 'those are reset that nobody reads', 150_000);
    const ms = Date.now() - began;
    assert.ok(ms > WRITE_MS - 1000, `after ${ms} ms`);
    t.diagnostic(`reset after ${ms} ms`);
    await until(() => names.every((name) => requestOf(name).isGone), 'their upstream is told');
    await until(async () => (await sim.state()).sockets === 0, 'and their sockets are closed');
    for (const { response } of streams.slice(4)) {
      const { bytes, isWhole } = await drain(response);
      assert.ok(!isWhole && !bytes.includes('[DONE]'), 'nothing looks whole');
    }
    const lines = () => still.logLines.filter((line) => line.outcome === 'client left');
    await until(() => lines().length === 4, 'the log says so');
  });

  test('whole answers that nobody reads are held within MEMORY_LIMIT', async (t) => {
    const asked = Array.from({ length: 12 }, (_, i) =>
      ask(other, { model: 'big', messages: much(`whole ${i}`, 1000) }),
    );
    const responses = await Promise.all(asked);
    const { buffered_bytes: buffered } = await other.metrics();
    assert.ok(buffered < LIMIT + MiB, `${buffered} bytes are held`);
    t.diagnostic(`${(buffered / MiB).toFixed(1)} MiB are held of 12 answers of 15 MiB`);
    assert.equal((await other.get('/healthz')).status, 200);
    const whole = responses.filter((response) => response.statusCode === 200);
    t.diagnostic(`${whole.length} of 12 are there, the others 503`);
    for (const response of responses.filter((one) => !whole.includes(one))) {
      const { bytes } = await drain(response);
      const answer = { status: response.statusCode, headers: response.headers };
      assertError({ ...answer, json: () => JSON.parse(bytes) }, { status: 503 });
    }
    assert.ok(whole.length >= 2, 'there is room for some');
    const { bytes } = await drain(whole[0]);
    assert.ok(JSON.parse(bytes).choices[0].message.content === PIECE.repeat(1000));
    assert.equal((await other.post({ model: 'big', messages: user('one more') })).status, 200);
    const held = async () => (await other.metrics()).buffered_bytes;
    const calm = async () => (await held()) < other.atStart.buffered_bytes + MiB;
    await until(calm, 'the last are reset, and nothing is held', 150_000);
    for (const response of whole.slice(1)) await drain(response);
  });
});
