// SPDX-License-Identifier: Apache-2.0
// What an upstream that only knows a prompt does not do itself, and the gateway sees to: tools,
// JSON answers, stop sequences, limits, several answers, tags for reasoning.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { CANARY, KEY, finish, until, world } from './lib/harness.mjs';

after(finish);

const MODEL = 'GPT5';
const user = (content) => ({ role: 'user', content });
const say = (text) => `!say ${JSON.stringify(text)}`;
const then = (text) => `!then ${JSON.stringify(text)}`;
const callOf = (name, args) => `<tool_call name="${name}">\n${args}\n</tool_call>`;

const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'number' } },
  required: ['city'],
  additionalProperties: false,
};
const TOOL = {
  type: 'function',
  function: { name: 'get_weather', description: 'Weather of a city.', parameters: SCHEMA },
};
const OTHER = { type: 'function', function: { name: 'now', description: 'What time it is.' } };

/** As a model writes it, and no client: blanks, an escape, a number that JavaScript shortens. */
const ARGUMENTS = '{ "days": 2.0,\n  "city": "Z\\u00fcrich" }';
const INPUT = { days: 2, city: 'Zürich' };

let sim, gw, openai, anthropic;

before(async () => {
  ({ sim, gw } = await world());
  openai = gw.openai({ maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: gw.url, apiKey: KEY, maxRetries: 0 });
});

/** The prompts that the upstream got for `work`. */
async function postsOf(work) {
  const before = (await sim.posts()).at(-1)?.n ?? 0;
  const result = await work();
  return { result, posts: await sim.posts(before) };
}

/** A client of chat completions that keeps its history. */
class Talk {
  constructor({ stream = false, ...params } = {}) {
    this.params = { model: MODEL, ...params };
    this.stream = stream;
    this.messages = [];
    this.posts = [];
  }

  async ask(...messages) {
    this.messages.push(...messages);
    const params = { ...this.params, messages: this.messages };
    const { result, posts } = await postsOf(() =>
      this.stream
        ? openai.chat.completions.stream(params).finalChatCompletion()
        : openai.chat.completions.create(params),
    );
    this.posts.push(...posts);
    this.usage = result.usage;
    const [choice] = result.choices;
    this.messages.push(choice.message);
    return choice;
  }

  get chats() {
    return new Set(this.posts.map((post) => post.chat)).size;
  }
}

describe('tools with chat completions', () => {
  for (const stream of [false, true])
    test(`a loop stays in one upstream chat (stream ${stream})`, async () => {
      const talk = new Talk({ stream, tools: [TOOL] });
      const answer = `Let me see.\n${callOf('get_weather', ARGUMENTS)}`;
      const asked = await talk.ask(user(`${CANARY} weather?\n!set piece_bytes=3\n${say(answer)}`));
      assert.equal(asked.finish_reason, 'tool_calls');
      assert.equal(asked.message.content.trim(), 'Let me see.');
      const [call, ...more] = asked.message.tool_calls;
      assert.deepEqual(more, []);
      assert.equal(call.function.name, 'get_weather');
      assert.deepEqual(JSON.parse(call.function.arguments), INPUT);

      const content = '18 C\n!echo It is 18 C.';
      const told = await talk.ask({ role: 'tool', tool_call_id: call.id, content });
      assert.equal(told.finish_reason, 'stop');
      assert.equal(told.message.content, 'It is 18 C.');
      const last = await talk.ask(user('thanks\n!turn'));
      assert.equal(last.message.content, '3');

      assert.equal(talk.chats, 1);
      assert.match(talk.posts[0].prompt, /^You can call tools\./);
      assert.match(talk.posts[0].prompt, /"get_weather": Weather of a city\./);
      assert.equal(
        talk.posts[1].prompt,
        `<tool id="${call.id}" name="get_weather">\n${content}\n</tool>\n`,
      );
      assert.equal(talk.posts[2].prompt, 'thanks\n!turn', 'and it is not told again');
    });

  test('several calls, and their results in another order', async () => {
    const talk = new Talk({ stream: true, tools: [TOOL, OTHER] });
    const answer = `${callOf('get_weather', ARGUMENTS)}\n${callOf('now', '{}')}`;
    const { message } = await talk.ask(user(`${CANARY} both\n${say(answer)}`));
    assert.deepEqual(
      message.tool_calls.map((call) => call.function.name),
      ['get_weather', 'now'],
    );
    const [weather, now] = message.tool_calls;
    const { message: last } = await talk.ask(
      { role: 'tool', tool_call_id: now.id, content: 'noon' },
      { role: 'tool', tool_call_id: weather.id, content: '18 C\n!turn' },
    );
    assert.equal(last.content, '2');
    assert.equal(talk.chats, 1);
  });

  test('with other tools the upstream is told anew, in another chat', async () => {
    const talk = new Talk({ tools: [TOOL] });
    await talk.ask(user(`${CANARY} first\n!echo one`));
    talk.params.tools = [OTHER];
    await talk.ask(user('second\n!echo two'));
    assert.equal(talk.chats, 2);
    assert.match(talk.posts[1].prompt, /"now": What time it is\./);
    assert.doesNotMatch(talk.posts[1].prompt, /"get_weather"/);
  });

  test('a call that does not fit is asked for once more', async () => {
    const talk = new Talk({ tools: [TOOL] });
    const bad = callOf('get_weather', '{"town": "Paris"}');
    const good = callOf('get_weather', '{"city": "Paris"}');
    const asked = await talk.ask(user(`${CANARY} repair\n${then(good)}\n${say(bad)}`));
    assert.deepEqual(JSON.parse(asked.message.tool_calls[0].function.arguments), {
      city: 'Paris',
    });
    assert.equal(talk.posts.length, 2);
    assert.match(talk.posts[1].prompt, /the property "city" \(a string\) is missing/);
    const { id } = asked.message.tool_calls[0];
    const told = await talk.ask({ role: 'tool', tool_call_id: id, content: 'x\n!turn' });
    assert.equal(told.message.content, '1', 'a chat that was corrected is not gone on with');
  });

  test('a call that never fits is an error', async () => {
    const bad = callOf('nothing', '{}');
    const messages = [user(`${CANARY} never\n${then(bad)}\n${say(bad)}`)];
    const answer = await gw.post({ model: MODEL, messages, tools: [TOOL] });
    assert.equal(answer.status, 502);
    assert.equal(answer.json().error.code, 'upstream_protocol');
    assert.match(answer.json().error.message, /there is no such tool/);
  });

  test('text that only looks like a call stays text', async () => {
    const text = 'Write <tool_call name="x"> in the text, not </tool_call>.';
    const { message } = await new Talk({ tools: [TOOL] }).ask(
      user(`${CANARY} text\n!set piece_bytes=1\n${say(text)}`),
    );
    assert.equal(message.content, text);
    assert.equal(message.tool_calls, undefined);
  });
});

describe('tools with Anthropic messages', () => {
  const tools = [{ name: 'get_weather', description: 'Weather.', input_schema: SCHEMA }];

  for (const stream of [false, true])
    test(`a loop stays in one upstream chat (stream ${stream})`, async () => {
      const params = { model: MODEL, max_tokens: 1000, tools };
      const create = (messages) =>
        stream
          ? anthropic.messages.stream({ ...params, messages }).finalMessage()
          : anthropic.messages.create({ ...params, messages });
      const messages = [
        user(`${CANARY} a weather\n${say(`Let me see.\n${callOf('get_weather', ARGUMENTS)}`)}`),
      ];
      const { posts } = await postsOf(async () => {
        const asked = await create(messages);
        assert.equal(asked.stop_reason, 'tool_use');
        const use = asked.content.find((block) => block.type === 'tool_use');
        assert.deepEqual(use.input, INPUT);
        assert.notEqual(JSON.stringify(use.input), ARGUMENTS, 'it comes back spelled anew');
        const result = { type: 'tool_result', tool_use_id: use.id, content: '18 C\n!echo 18 C.' };
        messages.push({ role: 'assistant', content: asked.content }, user([result]));
        const told = await create(messages);
        assert.deepEqual(told.content, [{ type: 'text', text: '18 C.' }]);
        assert.equal(told.stop_reason, 'end_turn');
        messages.push({ role: 'assistant', content: told.content }, user('and?\n!turn'));
        assert.equal((await create(messages)).content[0].text, '3');
      });
      assert.equal(new Set(posts.map((post) => post.chat)).size, 1);
    });

  test('the sequence that stopped the answer is told', async () => {
    const answer = await anthropic.messages.create({
      model: MODEL,
      max_tokens: 1000,
      stop_sequences: ['never', 'STOP'],
      messages: [user(`${CANARY}\n!set piece_bytes=1\n${say('one STOP two')}`)],
    });
    assert.equal(answer.content[0].text, 'one ');
    assert.equal(answer.stop_reason, 'stop_sequence');
    assert.equal(answer.stop_sequence, 'STOP');
  });
});

describe('limits', () => {
  /** The answer to what would go on for long; its upstream socket must not stay open. */
  async function cutShort(body) {
    const messages = [user(`${CANARY}\n!frames 3000 every 20`)];
    const { result, posts } = await postsOf(() => gw.post({ model: MODEL, messages, ...body }));
    assert.equal(result.status, 200, result.text);
    const [{ chat }] = posts;
    const closed = await sim.waitFor('ws_close', (e) => e.chat === chat, `the socket of ${chat}`);
    assert.equal(closed.by, 'client');
    await until(async () => (await gw.metrics()).upstream_websockets === 0, 'no socket is left');
    await sim.reset();
    return result.json();
  }

  for (const bytes of [1, 3, 1000])
    test(`a stop is found in pieces of ${bytes} bytes`, async () => {
      const messages = [user(`${CANARY}\n!set piece_bytes=${bytes}\n${say('one STOP two')}`)];
      const stream = await gw.stream({ model: MODEL, messages, stop: ['STOP', 'two'] });
      await stream.whole();
      assert.equal(stream.text, 'one ');
      assert.deepEqual(stream.finishReasons, ['stop']);
    });

  test('a stop ends the upstream answer at once', async () => {
    const { choices } = await cutShort({ stop: ['frame7 '] });
    assert.equal(choices[0].message.content, 'frame1 frame2 frame3 frame4 frame5 frame6 ');
    assert.equal(choices[0].finish_reason, 'stop');
  });

  test('so does the limit of tokens', async () => {
    const { choices, usage } = await cutShort({ max_tokens: 12 });
    assert.equal(choices[0].finish_reason, 'length');
    assert.match(choices[0].message.content, /^frame1 frame2/);
    assert.ok(usage.completion_tokens <= 12 && usage.completion_tokens > 6);
    assert.equal(usage.x_estimated, true);
  });

  test('what is cut is not gone on with', async () => {
    const talk = new Talk({ stop: ['STOP'] });
    await talk.ask(user(`${CANARY} cut\n${say('one STOP two')}`));
    await talk.ask(user('more\n!echo x STOP'));
    assert.equal(talk.chats, 2);
  });
});

describe('JSON answers', () => {
  const format = {
    type: 'json_schema',
    json_schema: { name: 'weather', strict: true, schema: SCHEMA },
  };

  for (const stream of [false, true])
    test(`words around it are dropped, and it is repaired (stream ${stream})`, async () => {
      const talk = new Talk({ stream, response_format: format });
      const good = '```json\n{"city": "Paris"}\n```';
      const { message } = await talk.ask(
        user(`${CANARY} json\n${then(good)}\n${say('Here: {"town": "Paris"}')}`),
      );
      assert.equal(message.content, '{"city": "Paris"}');
      assert.equal(talk.posts.length, 2);
      assert.match(talk.posts[0].prompt, /JSON Schema/);
      assert.match(talk.posts[1].prompt, /the property "city" \(a string\) is missing/);
    });

  test('what cannot be repaired is an error, and never half an answer', async () => {
    const messages = [user(`${CANARY}\n${then('No.')}\n${say('I will not.')}`)];
    const body = { model: MODEL, messages, stream: true, response_format: format };
    const answer = await gw.post(body);
    assert.equal(answer.status, 502, answer.text);
    assert.equal(answer.json().error.code, 'upstream_protocol');
  });
});

describe('several answers', () => {
  test('come one after the other, each in its chat', async () => {
    const messages = [user(`${CANARY} n\n!echo an answer`)];
    const { result, posts } = await postsOf(() => gw.post({ model: MODEL, messages, n: 3 }));
    const { choices, usage } = result.json();
    assert.deepEqual(
      choices.map((choice) => [choice.index, choice.message.content, choice.finish_reason]),
      [0, 1, 2].map((index) => [index, 'an answer', 'stop']),
    );
    assert.equal(new Set(posts.map((post) => post.chat)).size, 3);
    const one = (await gw.post({ model: MODEL, messages })).json().usage;
    assert.equal(usage.completion_tokens, 3 * one.completion_tokens);
    assert.equal(usage.prompt_tokens, 3 * one.prompt_tokens);
    assert.equal(result.headers['x-attempts'], '3');
  });

  test('streamed, they have their index', async () => {
    const messages = [user(`${CANARY} which\n!set words=100\n!echo an answer`)];
    const stream = await (await gw.stream({ model: MODEL, n: 2, messages })).whole();
    const said = stream.chunks.flatMap(({ choices }) => choices).filter((c) => c.delta.content);
    assert.deepEqual(
      said.map(({ index, delta }) => [index, delta.content]),
      [0, 1].map((index) => [index, 'an answer']),
    );
    assert.deepEqual(stream.finishReasons, ['stop', 'stop']);
  });

  test('more than the setting allows are refused', async () => {
    const answer = await gw.post({ model: MODEL, messages: [user('hi')], n: 5 });
    assert.equal(answer.status, 400);
    assert.equal(answer.json().error.param, 'n');
  });
});

describe('settings', () => {
  test('tools can be turned off: they are refused by their name', async () => {
    const own = await world({ env: { EMULATE_TOOLS: 'false' } });
    const body = { model: MODEL, messages: [user('hi\n!echo ho')], tools: [TOOL] };
    const answer = await own.gw.post(body);
    assert.equal(answer.status, 400);
    assert.equal(answer.json().error.param, 'tools');
    assert.match(answer.json().error.message, /EMULATE_TOOLS/);
    assert.equal((await own.sim.posts()).length, 0);
    const none = await own.gw.post({ ...body, tool_choice: 'none' });
    assert.equal(none.json().choices[0].message.content, 'ho');
  });

  test('reasoning comes in tags for clients that want it so', async () => {
    const own = await world({ env: { THINK_TAGS: 'true' } });
    const messages = [user('hi\n!think because\n!echo so')];
    const [{ message }] = (await own.gw.post({ model: MODEL, messages })).json().choices;
    assert.match(message.content, /^<think>\s*because\s*<\/think>\s*so$/);
    assert.equal(message.reasoning_content, undefined);
  });

  test('and tags of the upstream become reasoning', async () => {
    const own = await world({ env: { SPLIT_THINK: 'true' } });
    const messages = [user(`hi\n!set piece_bytes=2\n${say('<think>because</think>so')}`)];
    const [{ message }] = (await own.gw.post({ model: MODEL, messages })).json().choices;
    assert.equal(message.content, 'so');
    assert.equal(message.reasoning_content, 'because');
  });
});
