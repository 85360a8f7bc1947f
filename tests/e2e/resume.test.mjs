// SPDX-License-Identifier: Apache-2.0
// A stream that breaks in the middle of an answer is opened again, and the answer goes on without a
// lost or doubled byte; or the client is told that it was interrupted. Never anything else.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { assertBrokenOff, assertError } from './lib/errors.mjs';
import { CANARY, finish, world } from './lib/harness.mjs';

after(finish);

const interrupted = { status: 502, code: 'upstream_interrupted', shouldRetry: 'false' };
const TEXT = Array.from({ length: 90 }, (_, i) => `word${i}`).join(' ');

const user = (content) => [{ role: 'user', content: `${CANARY}\n${content}` }];

/** Thirty pieces, twenty milliseconds apart: it still runs when the stream is opened again. */
const broken = (fault, more = '') =>
  user(`!pacing 5 20\n${more}!echo ${TEXT}\n!fault frames ${fault}`);

async function assertWhole({ sim, gw }, messages, text = TEXT) {
  const sent = (await sim.posts()).length;
  const [answer, stream] = await Promise.all([
    gw.post({ messages }),
    gw.stream({ messages }).then((opened) => opened.whole()),
  ]);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json().choices[0].message.content, text);
  assert.equal(stream.error, undefined);
  assert.equal(stream.text, text);
  assert.deepEqual(stream.finishReasons, ['stop']);
  assert.ok(stream.done);
  assert.equal((await sim.posts()).length - sent, 2, 'each prompt was sent once');
  assert.deepEqual(await sim.violations(), []);
}

describe('an answer whose stream breaks', () => {
  const faults = ['reset at=3', 'cut at=3', 'close at=3', 'close at=3 code=1012', 'reset at=10'];
  for (const content of ['delta', 'snapshot'])
    for (const fault of faults)
      test(`(${fault}) goes on behind a replay of ${content}s`, async () => {
        await assertWhole(await world({ settings: { content } }), broken(fault));
      });

  for (const content of ['delta', 'snapshot'])
    for (const history of ['string', 'blocks'])
      for (const replay of ['none', 'running'])
        test(`goes on behind a history of ${history}, ${content}s, replay ${replay}`, async () => {
          const settings = { content, history, replay };
          await assertWhole(await world({ settings }), broken('reset at=4'));
        });

  for (const mode of ['delta', 'auto'])
    test(`goes on in paragraphs, with ${mode} content`, async () => {
      const settings = { paragraph: 7, label: true, echo: true, activity: 2 };
      const own = await world({ settings, env: { ENGINELABS_CONTENT: mode } });
      const unbroken = await own.gw.post({ messages: user(`!pacing 1 1\n!echo ${TEXT}`) });
      const text = unbroken.json().choices[0].message.content;
      assert.match(text, /\n\n/);
      await assertWhole(own, broken('reset at=9'), text);
    });

  test('goes on with emoji in halves', async () => {
    const own = await world();
    const whole = await own.gw.post({ messages: user('!unicode') });
    const text = whole.json().choices[0].message.content;
    for (const at of [1, 2, 5])
      await assertWhole(own, user(`!pacing 5 80\n!unicode\n!fault frames cut at=${at}`), text);
  });

  test('goes on when it breaks several times', async () => {
    const more = '!fault frames reset at=3\n!fault frames close at=30\n';
    const long = Array.from({ length: 300 }, (_, i) => `word${i}`).join(' ');
    const messages = user(`!pacing 5 20\n!echo ${long}\n${more}!fault frames cut at=60`);
    const own = await world();
    await assertWhole(own, messages, long);
    assert.ok((await own.sim.log('ws_open')).length >= 8);
  });

  test('before the first word of it is whole, too', async () => {
    await assertWhole(await world(), broken('reset at=0'));
  });

  test('with reasoning goes on', async () => {
    const { gw } = await world();
    const messages = broken('reset at=2', '!think one two three four five six seven eight\n');
    const answer = await gw.post({ messages });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json().choices[0].message.content, TEXT);
  });

  test('can be continued by the next turn', async () => {
    const { sim, gw } = await world();
    const messages = broken('reset at=3');
    const { text } = await (await gw.stream({ messages })).whole();
    const turn = [...messages, { role: 'assistant', content: text }, ...user('!turn')];
    const answer = await gw.post({ messages: turn });
    assert.equal(answer.json().choices[0].message.content, '2');
    assert.equal(new Set((await sim.posts()).map(({ chat }) => chat)).size, 1);
  });
});

describe('an answer whose stream breaks and is not told again', () => {
  /** Interrupted, whole or in a stream, with nothing but its beginning sent on. */
  async function assertInterrupted({ sim, gw }, messages) {
    assertError(await gw.post({ messages }), interrupted);
    const stream = await (await gw.stream({ messages })).whole();
    assertBrokenOff(stream, { status: 502, code: 'upstream_interrupted' });
    assert.ok(TEXT.startsWith(stream.text) && stream.text.length < TEXT.length, stream.text);
    assert.equal((await sim.posts()).length, 2, 'no prompt was sent twice');
  }

  for (const content of ['delta', 'auto'])
    test(`is interrupted when it just goes on (${content})`, async () => {
      const env = { ENGINELABS_CONTENT: content };
      const own = await world({ settings: { replay: 'none' }, env });
      await assertInterrupted(own, broken('cut at=3'));
    });

  test('is interrupted when nothing was sent on yet and it just goes on', async () => {
    const { sim, gw } = await world({ settings: { replay: 'none' } });
    assertError(await gw.post({ messages: broken('reset at=0') }), interrupted);
    assert.equal((await sim.posts()).length, 1);
  });

  test('is interrupted when its task has ended meanwhile', async () => {
    const own = await world();
    await assertInterrupted(own, user(`!pacing 5 1\n!echo ${TEXT}\n!fault frames reset at=3`));
  });

  test('is whole when the task has ended meanwhile and is replayed', async () => {
    const own = await world({ settings: { replay: 'always' } });
    await assertWhole(own, user(`!pacing 5 1\n!echo ${TEXT}\n!fault frames reset at=3`));
  });

  for (const [name, fault] of [
    ['404', { status: 404 }],
    ['503 twice', { status: 503, times: 2 }],
    ['resets twice', { kind: 'reset', times: 2 }],
  ])
    test(`is interrupted when the handshake gets ${name}`, async () => {
      const { sim, gw } = await world();
      await sim.fault({ where: 'ws', after: 1, ...fault });
      assertError(await gw.post({ messages: broken('reset at=3') }), interrupted);
      await sim.fault({ where: 'ws', after: 1, ...fault });
      const stream = await (await gw.stream({ messages: broken('reset at=3') })).whole();
      assertBrokenOff(stream, { status: 502, code: 'upstream_interrupted' });
    });

  for (const [name, fault] of [
    ['503', { status: 503 }],
    ['401', { status: 401 }],
    ['reset', { kind: 'reset' }],
  ])
    test(`goes on when the handshake gets ${name} once`, async () => {
      const { sim, gw } = await world();
      const long = Array.from({ length: 300 }, (_, i) => `word${i}`).join(' ');
      await sim.fault({ where: 'ws', after: 1, ...fault });
      const messages = user(`!pacing 5 30\n!echo ${long}\n!fault frames reset at=3`);
      const answer = await gw.post({ messages });
      assert.equal(answer.json().choices?.[0].message.content, long, answer.text);
    });
});

describe('a prompt whose POST is lost', () => {
  for (const stream of [false, true])
    test(`is answered when the stream shows that it arrived (stream: ${stream})`, async () => {
      const { sim, gw } = await world();
      await sim.fault({ where: 'post', kind: 'lost' });
      const messages = user(`!echo ${TEXT}`);
      const text = stream
        ? (await (await gw.stream({ messages })).whole()).text
        : (await gw.post({ messages })).json().choices?.[0].message.content;
      assert.equal(text, TEXT);
      assert.equal((await sim.posts()).length, 1);
    });

  test('goes to another chat when the stream shows nothing', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'post', kind: 'reset' });
    const answer = await gw.post({ messages: user(`!echo ${TEXT}`) });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json().choices[0].message.content, TEXT);
    const posts = await sim.posts();
    assert.equal(posts.length, 2);
    assert.notEqual(posts[0].chat, posts[1].chat);
  });

  test('fails when it stays so', async () => {
    const { sim, gw } = await world();
    await sim.fault({ where: 'post', kind: 'reset', times: -1 });
    const answer = await gw.post({ messages: user(`!echo ${TEXT}`) });
    assertError(answer, { status: 502, code: 'upstream_unavailable' });
    assert.equal(new Set((await sim.posts()).map((post) => post.chat)).size, 3);
  });
});

test('a message of an unknown kind is described in the log, once, by its shape', async () => {
  const { gw } = await world({ env: { LOG_LEVEL: 'info' } });
  const body = '{"type":"news","secret":{"words":"of-nobody"}}'.replaceAll('"', '\\"');
  const fault = `{"where":"frames","kind":"unknown","at":1,"body":"${body}"}`;
  const messages = user(`!echo one two three four\n!fault ${fault}`);
  for (let i = 0; i < 2; i++) assert.equal((await gw.post({ messages })).status, 200);
  assert.equal(gw.log.split('type \\"news\\"').length + gw.log.split('type "news"').length - 2, 1);
  assert.doesNotMatch(gw.log, /of-nobody/);
});
