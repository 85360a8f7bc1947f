// SPDX-License-Identifier: Apache-2.0
// Clients that go while they wait in line or while the gateway drains, and those that close only
// their half: who has asked for what is at once there gets all of it, who has not asked yet is
// closed, and an answer that is still being made is nobody's any more.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { finish, gate, pair, until, world } from './lib/harness.mjs';
import { KINDS, kindsWorld } from './lib/kinds.mjs';
import { ADMIN_KEY, get } from './lib/operator.mjs';
import { RawSocket } from './lib/raw.mjs';
import { assertNothingLeft, baselineOf, chatBytes, getText, user } from './lib/rude.mjs';
import { deltas, finished, piece, running } from './lib/upstream.mjs';

after(finish);

const ENDLESS = '!frames 1000 every 30';
const WAYS = {
  'a reset': (raw) => raw.reset(),
  'an end': (raw) => raw.close(),
  'a half-close': (raw) => raw.halfClose(),
};

describe('a client that leaves while it waits in line', () => {
  for (const [name, way] of Object.entries(WAYS))
    test(`by ${name}, gives up its place, and is never asked for`, async () => {
      const { upstream, gw } = await pair({ ENGINELABS_MAX_PARALLEL: 1, ADMIN_KEY });
      assert.equal((await gw.post({ messages: user('sign in') })).status, 200);
      const baseline = await baselineOf(gw);
      const end = gate();
      upstream.answer = () => [running, piece('first'), end.opened, finished];
      const first = await gw.stream({ messages: user('the first') });
      await first.readUntil((chunk) => chunk.choices[0].delta.content);
      const raws = [];
      for (let i = 0; i < 6; i++) {
        const raw = await RawSocket.open(gw.port);
        const body = { stream: i % 2 === 0, messages: user('in line') };
        raws.push(raw.send(chatBytes(gw, body).bytes));
      }
      await until(async () => (await gw.metrics()).enginelabs_waiting === 6, 'they wait');
      const { data } = await get(gw, '/live');
      assert.equal(data.filter((live) => live.state === 'queued').length, 6);
      for (const raw of raws) way(raw);
      await until(async () => (await gw.metrics()).enginelabs_waiting === 0, 'none waits');
      assert.equal((await get(gw, '/live')).total, 1);
      upstream.answer = () => deltas('an answer');
      end.open();
      await first.whole();
      assert.deepEqual(first.finishReasons, ['stop']);
      await assertNothingLeft(gw, baseline);
      assert.equal((await gw.post({ messages: user('after it') })).status, 200);
      const prompts = upstream.posts.map((post) => post.prompt);
      assert.deepEqual(prompts, ['sign in', 'the first', 'after it']);
      for (const raw of raws) raw.close();
    });
});

describe('clients that leave a gateway that drains', () => {
  const ENDS = {
    'only a prompt': async (sim) => (await sim.state()).sockets === 0,
    "OpenAI's format": async (sim) =>
      (await sim.log('completion_end')).some(({ by }) => by === 'client'),
  };

  for (const kind of Object.keys(KINDS))
    for (const [name, way] of Object.entries(WAYS))
      test(`by ${name}, do not keep it from its end (${kind})`, async () => {
        const { sim, gw } = await kindsWorld({ env: { SHUTDOWN_TIMEOUT: 600 } });
        const { model } = KINDS[kind];
        const chat = (content) => chatBytes(gw, { model, stream: true, messages: user(content) });
        const raws = [];
        for (const cut of ['no byte', 'head', 'body', 'stream', 'second', 'idle']) {
          const raw = await RawSocket.open(gw.port);
          const { bytes, head } = chat(ENDLESS);
          if (cut === 'head') raw.send(bytes.slice(0, head - 20));
          if (cut === 'body') raw.send(bytes.slice(0, head + 5));
          if (cut === 'stream' || cut === 'second') await raw.send(bytes).contains('frame2');
          if (cut === 'second') raw.send(chat('never asked').bytes);
          if (cut === 'idle') await raw.send(getText(gw, '/healthz')).response();
          raws.push(raw);
        }
        gw.program.signal('SIGTERM');
        await until(() => gw.log.includes('shutting down'), 'it drains');
        for (const raw of raws) way(raw);
        assert.deepEqual(await gw.program.end(), { code: 0, signal: null });
        await until(() => ENDS[kind](sim), 'the upstream is told');
        assert.ok(!(await sim.log()).some(({ prompt }) => prompt === 'never asked'));
        for (const raw of raws) raw.close();
      });
});

describe('a client that closes its half', () => {
  test('behind requests that are answered at once gets all answers', async () => {
    const { gw } = await world();
    for (const path of ['/healthz', '/v1/models', '/metrics']) {
      const raw = await RawSocket.open(gw.port);
      raw.send(getText(gw, path).repeat(5));
      raw.halfClose();
      for (let i = 0; i < 5; i++) assert.equal((await raw.response()).status, 200, path);
      assert.equal(await raw.ended(), '');
    }
  });

  test('within a request is closed, and nothing goes upstream', async () => {
    const { sim, gw } = await world();
    const { bytes, head } = chatBytes(gw, { messages: user('x') });
    for (const n of [0, 1, 20, head - 1, head, head + 1, bytes.length - 1]) {
      const raw = await RawSocket.open(gw.port);
      raw.send(bytes.slice(0, n));
      raw.halfClose();
      assert.equal(await raw.ended(), '', `after ${n} bytes`);
    }
    assert.deepEqual(await sim.posts(), []);
  });

  // nginx does the same (proxy_ignore_client_abort off): most who do so have gone.
  test('behind a request that is still being answered has left', async () => {
    const { sim, gw } = await world();
    for (const stream of [true, false]) {
      const raw = await RawSocket.open(gw.port);
      raw.send(chatBytes(gw, { stream, messages: user(ENDLESS) }).bytes);
      raw.halfClose();
      const text = await raw.ended();
      assert.ok(!text.includes('[DONE]') && !text.endsWith('0\r\n\r\n'), 'it does not look whole');
    }
    const left = () => gw.logLines.filter((line) => line.outcome === 'client left');
    await until(() => left().length === 2, 'the log says so');
    await until(async () => (await sim.state()).sockets === 0, 'the upstream is told');
  });
});
