// SPDX-License-Identifier: Apache-2.0
// Responses that are kept, with OpenAI's client: one names the one before instead of sending the
// history, and the conversation stays in its upstream chat; over restarts, and bound to a key.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CANARY, Gateway, KEY, Simulator, finish, world } from './lib/harness.mjs';
import { Home } from './lib/home.mjs';
import { NATIVE_MODEL, nativeWorld } from './lib/native.mjs';
import { Redis } from './lib/redis.mjs';

after(finish);

const MODEL = 'GPT5';
const CALM = { pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600, daily_limit: 1e6 };

/** The answer to `input`, whole or streamed. */
async function ask(openai, input, { stream = false, ...more } = {}) {
  const body = { model: MODEL, input, ...more };
  if (!stream) return openai.responses.create(body);
  return openai.responses.stream(body).finalResponse();
}

const rejects = (work, status, code) =>
  assert.rejects(work, (error) => error.status === status && error.code === code);

const missing = (work) => rejects(work, 404, 'previous_response_not_found');

const FREE = '*** Begin\n-"old"\n+\\new\tü\n';
const PATCH = {
  type: 'custom',
  name: 'patch',
  description: 'Changes a file.',
  format: { type: 'grammar', syntax: 'lark', definition: 'start: /.+/' },
};

const userBlock = (text) => `<user>\n${text}\n</user>\n`;

describe('on an upstream that only knows a prompt', () => {
  let sim, gw, openai;
  before(async () => {
    ({ sim, gw } = await world());
    openai = gw.openai();
  });

  for (const stream of [false, true])
    test(`turns stay in one chat, ${stream ? 'streamed' : 'whole'}`, async () => {
      const since = (await sim.posts()).at(-1)?.n ?? 0;
      let previous_response_id;
      for (let turn = 0; turn < 4; turn++) {
        const answer = await ask(openai, `!echo ${CANARY} ${turn}`, {
          stream,
          ...(previous_response_id && { previous_response_id }),
        });
        assert.equal(answer.output_text, `${CANARY} ${turn}`);
        assert.equal(answer.store, true);
        assert.equal(answer.previous_response_id, previous_response_id ?? null);
        previous_response_id = answer.id;
      }
      const posts = await sim.posts(since);
      assert.equal(posts.length, 4);
      assert.equal(new Set(posts.map(({ chat }) => chat)).size, 1);
      assert.ok(!posts[3].prompt.includes(`${CANARY} 1`), 'only what is new is sent');
    });

  for (const stream of [false, true])
    test(`a custom tool gets free text, ${stream ? 'streamed' : 'whole'}`, async () => {
      const since = (await sim.posts()).at(-1)?.n ?? 0;
      const call = `<tool_call name="patch">\n${JSON.stringify({ input: FREE })}\n</tool_call>`;
      const input = [{ role: 'user', content: `!say ${JSON.stringify(call)}` }];
      const asked = await ask(openai, input, { stream, tools: [PATCH] });
      assert.equal(asked.output.length, 1);
      const [{ type, name, input: text, call_id }] = asked.output;
      assert.deepEqual([type, name, text], ['custom_tool_call', 'patch', FREE]);
      const output = { type: 'custom_tool_call_output', call_id, output: '!echo done' };
      const history = [...input, ...asked.output, output];
      const answer = await ask(openai, history, { stream, tools: [PATCH] });
      assert.equal(answer.output_text, 'done');
      const [first, second, ...more] = await sim.posts(since);
      assert.deepEqual(more, []);
      assert.ok(first.prompt.includes(PATCH.format.definition), 'the model is told the grammar');
      assert.equal(second.chat, first.chat);
      assert.ok(!second.prompt.includes('grammar'), 'only what is new is sent');
    });

  test('two answers go on from one', async () => {
    const first = await ask(openai, '!echo one');
    const more = { previous_response_id: first.id };
    const [left, right] = [await ask(openai, 'left', more), await ask(openai, 'right', more)];
    assert.notEqual(left.id, right.id);
    const [a, b] = (await sim.posts()).slice(-2);
    assert.notEqual(a.chat, b.chat);
    assert.ok(b.prompt.includes(userBlock('!echo one').trim()), 'the other chat is told it all');
  });

  test('an answer is shown, its input listed, and deleted', async () => {
    const first = await ask(openai, '!echo one', { instructions: 'Be brief.' });
    const second = await ask(openai, [{ role: 'user', content: '!echo two' }], {
      previous_response_id: first.id,
    });
    const { _request_id, ...shown } = await openai.responses.retrieve(second.id);
    assert.deepEqual(shown, JSON.parse(JSON.stringify(second)));
    const texts = [];
    const pages = { order: 'asc', limit: 2 };
    for await (const item of openai.responses.inputItems.list(second.id, pages))
      texts.push([item.type, item.role, item.content[0].text]);
    assert.deepEqual(texts, [
      ['message', 'user', '!echo one'],
      ['message', 'assistant', 'one'],
      ['message', 'user', '!echo two'],
    ]);
    await openai.responses.delete(first.id);
    await rejects(openai.responses.retrieve(first.id), 404, 'not_found');
    await rejects(openai.responses.delete(first.id), 404, 'not_found');
    await missing(ask(openai, 'x', { previous_response_id: first.id }));
    const third = await ask(openai, '!echo three', { previous_response_id: second.id });
    assert.equal(third.output_text, 'three');
  });

  test('what the client does not want kept is not', async () => {
    const answer = await ask(openai, '!echo it', { store: false });
    assert.equal(answer.store, false);
    await rejects(openai.responses.retrieve(answer.id), 404, 'not_found');
    await missing(ask(openai, 'x', { previous_response_id: answer.id }));
  });

  test('an answer that breaks off is not kept', async () => {
    const input = '!fault frames cancelled at=1\n!lorem 20';
    let last;
    const stream = await openai.responses.create({ model: MODEL, input, stream: true });
    for await (const event of stream) last = event.response ?? last;
    assert.equal(last.status, 'failed');
    assert.equal(last.store, false);
    await rejects(openai.responses.retrieve(last.id), 404, 'not_found');
  });
});

test('answers are there after kill -9, in the store that needs no setting', async () => {
  const sim = await Simulator.start();
  await sim.set(CALM);
  const home = new Home({ ...sim.env(), API_MASTER_KEY: KEY });
  await home.start();
  const first = await ask(home.gw.openai(), '!echo one', { stream: true });
  await home.kill();
  await home.start();
  const more = { previous_response_id: first.id };
  assert.equal((await ask(home.gw.openai(), '!echo two', more)).output_text, 'two');
  const posts = await sim.posts();
  assert.equal(posts[0].chat, posts[1].chat);
});

test('nothing is kept where RESPONSES_TTL is 0', async () => {
  const { gw } = await world({ env: { RESPONSES_TTL: 0 } });
  const answer = await ask(gw.openai(), '!echo it', { store: true });
  assert.equal(answer.store, false);
  await missing(ask(gw.openai(), 'x', { previous_response_id: answer.id }));
});

/** A quarter of it, one key's part, has room for two of these answers. */
async function fillsItsPart(url) {
  const { gw } = await world({ env: { RESPONSES_MAX_BYTES: '64KiB', STORE_URL: url } });
  const openai = gw.openai();
  const long = (n) => `!echo ${n}\n${'x'.repeat(5000)}`;
  const ids = [];
  for (let n = 0; n < 4; n++) ids.push((await ask(openai, long(n))).id);
  for (const id of ids.slice(0, 2)) {
    await rejects(openai.responses.retrieve(id), 404, 'not_found');
    await missing(ask(openai, 'x', { previous_response_id: id }));
  }
  for (const id of ids.slice(2)) assert.equal((await openai.responses.retrieve(id)).id, id);
  const tooLong = await ask(openai, `!echo it\n${'x'.repeat(17_000)}`);
  assert.equal(tooLong.store, false);
  assert.equal((await openai.responses.retrieve(ids[3])).id, ids[3]);
}

test('the oldest make room within RESPONSES_MAX_BYTES, in SQLite', () =>
  fillsItsPart('sqlite:'));

test('the oldest make room within RESPONSES_MAX_BYTES, in Redis', async () =>
  fillsItsPart((await Redis.start()).url));

test('tools are called in turns that each name the one before', async () => {
  const { sim, gw } = await nativeWorld();
  const openai = gw.openai();
  const tools = [{ type: 'function', name: 'look', parameters: { type: 'object' }, strict: null }];
  const model = NATIVE_MODEL;
  const first = await ask(openai, '!tool look {"at":"sky"}', { model, tools, stream: true });
  const [{ call_id }] = first.output;
  const output = [{ type: 'function_call_output', call_id, output: '!echo blue' }];
  const more = { model, tools, previous_response_id: first.id };
  assert.equal((await ask(openai, output, more)).output_text, 'blue');
  const { messages } = JSON.parse((await sim.log('completion')).at(-1).body);
  assert.deepEqual(messages.map(({ role }) => role), ['user', 'assistant', 'tool']);
});

test('a custom tool that must be called, on an upstream with tools of its own', async () => {
  const { sim, gw } = await nativeWorld();
  const openai = gw.openai();
  const tool_choice = { type: 'custom', name: 'patch' };
  for (const stream of [false, true]) {
    const input = [{ role: 'user', content: `!tool patch ${JSON.stringify({ input: FREE })}` }];
    const params = { model: NATIVE_MODEL, tools: [PATCH], stream };
    const asked = await ask(openai, input, { ...params, tool_choice });
    const [{ type, input: text, call_id }] = asked.output;
    assert.deepEqual([type, text], ['custom_tool_call', FREE]);
    const sent = JSON.parse((await sim.log('completion')).at(-1).body);
    assert.deepEqual(sent.tool_choice, { type: 'function', function: { name: 'patch' } });
    assert.ok(sent.tools[0].function.description.includes(PATCH.format.definition));
    const output = { type: 'custom_tool_call_output', call_id, output: '!echo done' };
    const answer = await ask(openai, [...input, ...asked.output, output], params);
    assert.equal(answer.output_text, 'done');
    const { messages } = JSON.parse((await sim.log('completion')).at(-1).body);
    assert.deepEqual(JSON.parse(messages[1].tool_calls[0].function.arguments), { input: FREE });
  }
});

test('replicas on one Redis go on from each other, and answer without it', async () => {
  const redis = await Redis.start();
  const sim = await Simulator.start();
  await sim.set(CALM);
  const env = { ...sim.env(), STORE_URL: redis.url };
  const gateways = await Promise.all([1, 2].map(() => Gateway.start({ env })));
  const clients = gateways.map((gw) => gw.openai());
  let more = {};
  for (let turn = 0; turn < 6; turn++) {
    const options = { ...more, stream: turn % 3 === 0 };
    const answer = await ask(clients[turn % 2], `!echo ${turn}`, options);
    assert.equal(answer.store, true);
    more = { previous_response_id: answer.id };
  }
  assert.equal(new Set((await sim.posts()).map(({ chat }) => chat)).size, 1);
  redis.pause();
  const late = await ask(clients[0], '!echo late');
  assert.deepEqual([late.output_text, late.store], ['late', false], 'it says what came of it');
  redis.resume();
  await redis.stop('SIGKILL');
  const alone = await ask(clients[0], '!echo alone');
  assert.equal(alone.output_text, 'alone');
  assert.equal(alone.store, false);
  await rejects(ask(clients[0], 'x', more), 503, 'overloaded');
});
