// SPDX-License-Identifier: Apache-2.0
// Chat completions as clients see them: through the official SDK, and byte by byte where order and
// shape are promised (interface.md, "Endpoints").

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CANARY, finish, gate, pair, sleep, until, world } from './lib/harness.mjs';
import { assertError } from './lib/errors.mjs';
import { UNICODE, lcgBytes } from './lib/texts.mjs';
import { finished, piece, running } from './lib/upstream.mjs';

let sim, gw, client;

before(async () => {
  ({ sim, gw } = await world());
  client = gw.openai();
});
after(finish);

const user = (content) => [{ role: 'user', content }];
const echo = (text) => user(`${CANARY}\n!echo ${text}`);

/** All chunks of a streamed answer through the SDK. */
async function chunksOf(params) {
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({ stream: true, ...params }))
    chunks.push(chunk);
  return chunks;
}

describe('a streamed answer', () => {
  test('comes as role, pieces, finish and usage, in that order', async () => {
    const before_s = Math.floor(Date.now() / 1000);
    const chunks = await chunksOf({
      model: 'GPT5',
      messages: echo('one two three four five six seven eight nine ten'),
      stream_options: { include_usage: true },
    });
    const [first, ...rest] = chunks;
    const usage = rest.pop();
    const last = rest.pop();

    assert.deepEqual(first.choices[0].delta, { role: 'assistant', content: '' });
    assert.equal(first.choices[0].finish_reason, null);
    assert.ok(rest.length >= 3, 'several pieces');
    for (const chunk of rest) {
      assert.deepEqual(Object.keys(chunk.choices[0].delta), ['content']);
      assert.notEqual(chunk.choices[0].delta.content, '');
      assert.equal(chunk.choices[0].finish_reason, null);
    }
    const text = rest.map((chunk) => chunk.choices[0].delta.content).join('');
    assert.equal(text, 'one two three four five six seven eight nine ten');
    assert.deepEqual(last.choices[0].delta, {});
    assert.equal(last.choices[0].finish_reason, 'stop');
    assert.deepEqual(usage.choices, []);
    assert.ok(usage.usage.prompt_tokens > 0 && usage.usage.completion_tokens >= 10);
    assert.equal(
      usage.usage.total_tokens,
      usage.usage.prompt_tokens + usage.usage.completion_tokens,
    );

    for (const chunk of chunks) {
      assert.equal(chunk.id, first.id);
      assert.equal(chunk.created, first.created);
      assert.equal(chunk.model, 'GPT5');
      assert.equal(chunk.object, 'chat.completion.chunk');
      for (const choice of chunk.choices) assert.equal(choice.index, 0);
    }
    assert.match(first.id, /^chatcmpl-/);
    assert.ok(Math.abs(first.created - before_s) < 3600, `created ${first.created}`);
  });

  test('has no usage when nobody asked', async () => {
    for (const stream_options of [undefined, { include_usage: false }]) {
      const chunks = await chunksOf({ model: 'GPT5', messages: echo('hello'), stream_options });
      assert.ok(chunks.every((chunk) => !chunk.usage && chunk.choices.length === 1));
      assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
    }
  });

  test('ends with [DONE] and is an event stream', async () => {
    const stream = await (await gw.stream({ messages: echo('hello') })).whole();
    assert.equal(stream.status, 200);
    assert.match(stream.headers['content-type'], /^text\/event-stream/);
    assert.match(stream.headers['cache-control'] ?? '', /no-cache|no-store/);
    assert.equal(stream.text, 'hello');
    assert.deepEqual(stream.finishReasons, ['stop']);
    assert.ok(stream.done && !stream.broken);
  });

  test('comes piece by piece and not at the end', async () => {
    const own = await pair();
    const gates = [gate(), gate()];
    const [first, second] = gates.map(({ opened }) => opened);
    const words = ['one ', 'two ', 'three'].map((text) => piece(text));
    own.upstream.answer = () => [running, words[0], first, words[1], second, words[2], finished];
    const stream = await own.gw.stream({ messages: user('slowly') });
    // The upstream says nothing more before its last piece was read here.
    await stream.readUntil((chunk) => chunk.choices[0].delta.content === 'one ');
    gates[0].open();
    await stream.readUntil((chunk) => chunk.choices[0].delta.content === 'two ');
    gates[1].open();
    await stream.whole();
    assert.equal(stream.text, 'one two three');
  });

  test('gives reasoning as reasoning_content, apart from the text', async () => {
    const messages = user(`${CANARY}\n!think first I ponder a while\n!echo then I speak`);
    const stream = await (await gw.stream({ messages })).whole();
    assert.equal(stream.deltas('reasoning_content'), 'first I ponder a while');
    assert.equal(stream.text, 'then I speak');
    const kinds = stream.chunks.map((chunk) => Object.keys(chunk.choices[0].delta).join());
    assert.ok(kinds.lastIndexOf('reasoning_content') < kinds.indexOf('content'));
    assert.deepEqual(stream.finishReasons, ['stop']);
  });

  test('is kept alive by comments while the upstream is silent', async () => {
    const quick = await pair({ STREAM_KEEPALIVE: 0.1, STREAM_COMMIT_AFTER: 0.1 });
    const [first, second] = [gate(), gate()];
    const pieces = [piece('one two '), second.opened, piece('three')];
    quick.upstream.answer = () => [running, first.opened, ...pieces, finished];
    const stream = await quick.gw.stream({ messages: user('slowly') });
    const { reader } = stream;
    const whole = stream.whole();
    await until(() => reader.comments.length >= 3, 'comments before the first text');
    first.open();
    await until(() => stream.text === 'one two ', 'the first text');
    const before = reader.comments.length;
    await until(() => reader.comments.length >= before + 3, 'comments in the middle');
    second.open();
    await whole;
    assert.equal(stream.text, 'one two three');
    assert.deepEqual(stream.finishReasons, ['stop']);
    assert.ok(stream.done);
  });
});

describe('a whole answer', () => {
  test('is one object with message, finish and usage', async () => {
    const answer = await client.chat.completions.create({
      model: 'GPT5',
      messages: echo('hi you'),
    });
    assert.equal(answer.object, 'chat.completion');
    assert.match(answer.id, /^chatcmpl-/);
    assert.equal(answer.model, 'GPT5');
    assert.equal(answer.choices.length, 1);
    assert.equal(answer.choices[0].index, 0);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.choices[0].message.role, 'assistant');
    assert.equal(answer.choices[0].message.content, 'hi you');
    const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
    assert.ok(prompt_tokens > 0 && completion_tokens > 0);
    assert.equal(total_tokens, prompt_tokens + completion_tokens);
  });

  test('has its reasoning beside the content', async () => {
    const messages = user('!think hm hm hm\n!echo so be it');
    const { choices } = await client.chat.completions.create({ model: 'GPT5', messages });
    assert.equal(choices[0].message.content, 'so be it');
    assert.equal(choices[0].message.reasoning_content, 'hm hm hm');
  });

  test('is JSON of known length, with stream false or absent', async () => {
    for (const body of [{ messages: echo('x y') }, { stream: false, messages: echo('x y') }]) {
      const answer = await gw.post(body);
      assert.equal(answer.status, 200);
      assert.match(answer.headers['content-type'], /^application\/json/);
      assert.equal(Number(answer.headers['content-length']), answer.bytes.length);
      assert.equal(answer.json().choices[0].message.content, 'x y');
    }
  });

  test('is exact to the last byte, however long', async () => {
    const messages = user('!set every_ms=0 piece_bytes=3000\n!bytes 1500000 7');
    const want = lcgBytes(1500000, 7);
    const whole = await client.chat.completions.create({ model: 'GPT5', messages });
    assert.ok(whole.choices[0].message.content === want, 'whole');
    const stream = await (await gw.stream({ messages })).whole();
    assert.ok(stream.text === want, 'streamed');
  });

  test('is refused for more choices than MAX_CHOICES, by name', async () => {
    const messages = user('often');
    const answer = await gw.post({ model: 'GPT5', n: 5, messages });
    assertError(answer, { status: 400, type: 'invalid_request_error', param: 'n' });
  });
});

describe('text', () => {
  test('keeps surrogate pairs whole, wherever the upstream cuts them', async () => {
    const stream = await (await gw.stream({ messages: user('!unicode') })).whole();
    assert.equal(stream.text, UNICODE);
    for (const chunk of stream.chunks) {
      const content = chunk.choices[0].delta.content ?? '';
      assert.doesNotMatch(content, /\p{Surrogate}|\uFFFD/u, 'a half');
    }
    const whole = await client.chat.completions.create({
      model: 'GPT5',
      messages: user('!unicode'),
    });
    assert.equal(whole.choices[0].message.content, UNICODE);
  });

  const lines = [
    'content=snapshot',
    'content=snapshot words=1',
    'content=snapshot piece_bytes=2',
    'content=delta piece_bytes=1',
    'shape=assistant',
    'shape=blocks',
    'shape=assistant content=snapshot',
    'shape=blocks content=snapshot',
    'buffer_object=true',
    'newline=true',
    'ascii=true',
    'fragments=5',
    'coalesce=4',
    'echo=true',
    'echo=true shape=blocks',
    'label=true activity=7',
    'running_state=false',
    'final_state=false close_at_end=true',
    'close_at_end=true',
    'echo=true label=true activity=3 thinking=12 fragments=3 newline=true ascii=true',
  ];
  for (const line of lines)
    test(`is the same when the upstream says ${line}`, async () => {
      const text = 'The same \u4f60\u597d text, "quoted" \u{1F600} twice twice twice twice';
      const messages = user(`${CANARY}\n!set ${line}\n!say ${JSON.stringify(text)}`);
      const stream = await (await gw.stream({ messages })).whole();
      assert.equal(stream.text, text);
      assert.equal(stream.error, undefined);
      assert.deepEqual(stream.finishReasons, ['stop']);
    });

  test('of a new message id is a new paragraph', async () => {
    const messages = user('!set words=1 paragraph=2\n!echo a b c d e');
    const stream = await (await gw.stream({ messages })).whole();
    assert.equal(stream.text, 'a b \n\nc d \n\ne');
  });

  const greetings = [
    { connect_state: 'none' },
    { connect_state: 'idle' },
    { connect_state: 'running' },
    { history: 'string' },
    { history: 'blocks' },
    { history: 'string', late_history: 1, words: 1 },
    { history: 'blocks', late_history: 2, words: 1, content: 'snapshot' },
    { replay: 'always' },
    { replay: 'always', history: 'string', connect_state: 'idle' },
    // Behind the prompt, before its answer begins.
    { replay: 'always', late_replay_ms: 300, pacing: { first_ms: 800, every_ms: 20 } },
    // In the middle of its answer.
    { replay: 'always', late_replay_ms: 300, words: 1, pacing: { first_ms: 1, every_ms: 200 } },
    // The socket comes after the POST here: while the task runs, or when it is over already.
    { ws_needs_chat: true, replay: 'always' },
    { ws_needs_chat: true, replay: 'always', first_ms: 500 },
    { reply_status: 202, reply_json: true },
    { client_session: false },
    { rotate_every: 1 },
  ];
  for (const settings of greetings)
    test(`of an earlier turn is never shown again: ${JSON.stringify(settings)}`, async () => {
      const own = await world({ settings });
      const messages = echo('the first answer');
      const first = await own.gw.post({ messages });
      assert.equal(first.json().choices?.[0].message.content, 'the first answer', first.text);
      messages.push(first.json().choices[0].message, ...echo('the second one'));
      const second = await (await own.gw.stream({ messages })).whole();
      assert.equal(second.text, 'the second one');
      assert.deepEqual(await own.sim.violations(), []);
    });
});

describe('a request', () => {
  async function promptOf(body) {
    await sim.clearLog();
    const answer = await gw.post(body);
    assert.equal(answer.status, 200, answer.text);
    return (await sim.posts()).at(-1);
  }

  test('of one user message is sent exactly as it is', async () => {
    const prompt = `  ${CANARY} \u{1F600} <b>&amp;\\n</b>\t"x"\n\n  indented \u0001 end  `;
    assert.equal((await promptOf({ messages: user(prompt) })).prompt, prompt);
  });

  test('may give content in parts', async () => {
    const parts = ['one ', 'two', '\nthree'].map((text) => ({ type: 'text', text }));
    assert.equal((await promptOf({ messages: user(parts) })).prompt, 'one two\nthree');
  });

  test('may have parameters that nobody knows', async () => {
    const post = await promptOf({
      messages: user('hello'),
      seed: 1,
      user: 'me',
      metadata: { a: [1, { b: null }] },
      logit_bias: {},
      service_tier: 'auto',
      reasoning_effort: 'low',
      x_unknown: [[[]]],
      'x-\u4f60': 1e400 < 0 ? 0 : 1,
    });
    assert.equal(post.prompt, 'hello');
  });

  test('goes to the model it names, or to the default', async () => {
    assert.equal((await promptOf({ model: 'GPT5', messages: user('a') })).adapter, 'GPT5');
    assert.equal((await promptOf({ messages: user('b') })).adapter, 'ClaudeSonnet4_5');
    const answer = await gw.post({ messages: user('c') });
    assert.equal(answer.json().model, 'ClaudeSonnet4_5');
  });

  test('brings all its roles to the upstream, in order', async () => {
    const call = { id: 'call_1', type: 'function' };
    const { prompt } = await promptOf({
      messages: [
        { role: 'system', content: 'SYS text' },
        { role: 'developer', content: [{ type: 'text', text: 'DEV text' }] },
        { role: 'user', content: 'USER text' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ ...call, function: { name: 'look_up', arguments: '{"city":"ARG"}' } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'TOOL text' },
        { role: 'assistant', content: 'ASSISTANT text' },
        { role: 'user', content: 'LAST text' },
      ],
    });
    const order = ['SYS', 'DEV', 'USER', 'look_up', 'ARG', 'TOOL', 'ASSISTANT', 'LAST'];
    const places = order.map((word) => prompt.indexOf(word));
    assert.ok(!places.includes(-1), `${order[places.indexOf(-1)]} is missing in ${prompt}`);
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
    );
    assert.match(prompt, /<system>\nSYS text\n<\/system>\n/);
    assert.match(prompt, /<user>\nLAST text\n<\/user>\n?$/);
  });

  test('keeps its x-request-id if that is sane, and else gets one', async () => {
    const own = 'my-request_1.2';
    for (const path of ['/v1/models', '/nowhere', '/healthz'])
      assert.equal((await gw.get(path, { 'x-request-id': own })).headers['x-request-id'], own);
    const options = { headers: { 'x-request-id': own } };
    const stream = await gw.stream({ messages: user('x') }, options);
    assert.equal(stream.headers['x-request-id'], own);
    await stream.whole();
    const failed = await gw.post('{', options);
    assert.equal(failed.headers['x-request-id'], own);

    for (const bad of ['with space', 'a'.repeat(300), '<script>', 'caf\u00e9', '']) {
      const given = (await gw.get('/v1/models', { 'x-request-id': bad })).headers['x-request-id'];
      assert.ok(given.length >= 8 && given !== bad, `${bad} -> ${given}`);
    }
    const ids = new Set();
    for (let i = 0; i < 5; i++) ids.add((await gw.get('/healthz')).headers['x-request-id']);
    assert.equal(ids.size, 5);
  });

  test('works without the /v1 too', async () => {
    const answer = await gw.post({ messages: echo('short') }, { path: '/chat/completions' });
    assert.equal(answer.json().choices[0].message.content, 'short');
    assert.deepEqual((await gw.get('/models')).json(), (await gw.get('/v1/models')).json());
    assert.equal((await gw.get('/models/GPT5')).json().id, 'GPT5');
  });
});

describe('models', () => {
  test('are listed and found one by one', async () => {
    const ids = [];
    for await (const model of client.models.list()) {
      ids.push(model.id);
      assert.equal(model.object, 'model');
      assert.equal(typeof model.created, 'number');
      assert.equal(typeof model.owned_by, 'string');
    }
    assert.ok(ids.includes('ClaudeSonnet4_5') && ids.includes('GPT5'), ids.join());
    assert.equal((await client.models.retrieve('GPT5')).id, 'GPT5');
    await assert.rejects(client.models.retrieve('none-such'), { status: 404 });
    assert.equal((await gw.get('/v1/models')).json().object, 'list');
  });

  test('are those of the settings', async () => {
    const own = await world({ env: { KNOWN_MODELS: '["GPT5","O-3"]', DEFAULT_MODEL: 'GPT5' } });
    const list = (await own.gw.get('/v1/models')).json();
    const ids = list.data.map((model) => model.id);
    assert.ok(ids.includes('GPT5') && ids.includes('O-3'), ids.join());
    assert.equal((await own.gw.post({ messages: user('x') })).json().model, 'GPT5');
  });

  test('answer HEAD as they answer GET, without the body', async () => {
    for (const path of ['/', '/healthz', '/v1/models', '/v1/models/GPT5', '/v1/models/none']) {
      const whole = await gw.get(path);
      const head = await gw.get(path, {}, 'HEAD');
      assert.equal(head.status, whole.status, path);
      assert.equal(head.text, '');
      assert.equal(head.headers['content-type'], whole.headers['content-type']);
      assert.equal(head.headers['content-length'], whole.headers['content-length']);
    }
  });

  test('the root tells name, version and state', async () => {
    const root = (await gw.get('/')).json();
    assert.equal(root.name, 'enginelabs-2api');
    assert.match(root.version, /^\d+\.\d+/);
    assert.equal(typeof root.state, 'string');
  });
});

test('many answers at once stay apart', async () => {
  const answers = Array.from({ length: 60 }, async (_, i) => {
    const text = `number ${i} `.repeat(10).trim();
    if (i % 3 === 0) {
      const whole = await client.chat.completions.create({ model: 'GPT5', messages: echo(text) });
      return assert.equal(whole.choices[0].message.content, text);
    }
    const stream = await (await gw.stream({ messages: echo(text) })).whole();
    assert.equal(stream.text, text);
  });
  await Promise.all(answers);
});

test('a client that reads slowly gets everything, and the others do not wait', async () => {
  const messages = user('!set every_ms=0 piece_bytes=20000\n!bytes 8000000 3');
  const slow = await gw.stream({ messages });
  slow.response.pause();
  await until(async () => (await gw.metrics()).exchanges >= 1, 'it runs');
  const quick = await gw.post({ messages: echo('meanwhile') });
  assert.equal(quick.json().choices[0].message.content, 'meanwhile');
  await sleep(100);
  await slow.whole();
  assert.ok(slow.text === lcgBytes(8000000, 3));
});

test('the upstream had nothing to complain about', async () => {
  assert.deepEqual(await sim.violations(), []);
});
