// SPDX-License-Identifier: Apache-2.0
// Anthropic's own client, on an upstream that speaks OpenAI's format, and on one that only knows a
// prompt.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { CANARY, KEY, Simulator, finish, secret, until, world } from './lib/harness.mjs';
import { Home } from './lib/home.mjs';

after(finish);

const FILE = 'credentials.json';
const MODEL = 'gpt-5';
const TOOL = { name: 'look', description: 'Looks.', input_schema: { type: 'object' } };
const said = (text) => ({ type: 'text', text });
const user = (content) => [{ role: 'user', content }];

const clientOf = (gw, options = {}) =>
  new Anthropic({ baseURL: gw.url, apiKey: KEY, maxRetries: 0, ...options });

/** A gateway whose upstream speaks OpenAI's format. */
async function native() {
  const sim = await Simulator.start();
  await sim.set({ pacing: { first_ms: 1, every_ms: 1 } });
  const { accounts } = await sim.state();
  const refreshToken = secret(accounts[0].refresh_token, 'a refresh token');
  const home = new Home({
    ENGINELABS_API_URL: sim.url,
    ENGINELABS_PROTOCOL: 'native',
    ENGINELABS_CREDENTIALS_FILE: FILE,
    KNOWN_MODELS: MODEL,
    DEFAULT_MODEL: MODEL,
  });
  home.write(FILE, JSON.stringify({ accessToken: 'none', refreshToken, expiresAt: 1 }));
  return { sim, gw: await home.start() };
}

/** What the upstream was asked last. */
const asked = async (sim) => JSON.parse((await sim.log('completion')).at(-1).body);

describe('on an upstream of another format', () => {
  let sim, gw, client;
  before(async () => {
    ({ sim, gw } = await native());
    client = clientOf(gw);
  });

  test('an answer comes whole and streamed', async () => {
    const params = {
      model: MODEL,
      max_tokens: 100,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      messages: user(`${CANARY}\n!echo ${CANARY} said`),
      stop_sequences: ['never'],
      temperature: 0.5,
    };
    const whole = await client.messages.create(params);
    assert.deepEqual(whole.content, [said(`${CANARY} said`)]);
    assert.equal(whole.type, 'message');
    assert.equal(whole.role, 'assistant');
    assert.equal(whole.model, MODEL);
    assert.equal(whole.stop_reason, 'end_turn');
    assert.match(whole.id, /^msg_/);
    assert.ok(whole.usage.input_tokens > 0 && whole.usage.output_tokens > 0);
    const sent = await asked(sim);
    assert.deepEqual(sent.messages, [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: params.messages[0].content },
    ]);
    assert.deepEqual(sent.stop, ['never']);
    assert.equal(sent.max_tokens, 100);
    assert.equal(sent.temperature, 0.5);

    const stream = client.messages.stream(params);
    const texts = [];
    stream.on('text', (piece) => texts.push(piece));
    const final = await stream.finalMessage();
    assert.equal(texts.join(''), `${CANARY} said`);
    assert.deepEqual(final.content, whole.content);
    assert.equal(final.stop_reason, 'end_turn');
    assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
    assert.deepEqual(await sim.violations(), []);
  });

  test('tools are called, and told what came of it', async () => {
    const params = {
      model: MODEL,
      max_tokens: 100,
      tools: [TOOL],
      messages: user('!tool look {"at":"the \\"sky\\""}'),
    };
    const whole = await client.messages.create({ ...params, tool_choice: { type: 'any' } });
    const [call] = whole.content;
    assert.equal(whole.stop_reason, 'tool_use');
    assert.deepEqual(call, { ...call, type: 'tool_use', name: 'look', input: { at: 'the "sky"' } });
    const sent = await asked(sim);
    assert.equal(sent.tool_choice, 'required');
    assert.deepEqual(sent.tools, [
      {
        type: 'function',
        function: { name: 'look', description: 'Looks.', parameters: { type: 'object' } },
      },
    ]);

    const final = await client.messages.stream(params).finalMessage();
    assert.equal(final.stop_reason, 'tool_use');
    assert.deepEqual(final.content[0].input, { at: 'the "sky"' });
    const next = await client.messages.create({
      ...params,
      messages: [
        ...params.messages,
        { role: 'assistant', content: final.content },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: final.content[0].id, content: '!echo x' }],
        },
      ],
    });
    assert.deepEqual(next.content, [said('x')]);
    assert.deepEqual(await sim.violations(), []);
  });

  test('the tool runner goes through its rounds', async () => {
    const seen = [];
    const runner = client.beta.messages.toolRunner({
      model: MODEL,
      max_tokens: 100,
      messages: user('!tool look {"at":"sky"}'),
      tools: [{ ...TOOL, type: 'custom', parse: (x) => x, run: (input) => run(input) }],
    });
    const run = (input) => {
      seen.push(input);
      return '!echo blue';
    };
    const last = await runner;
    assert.deepEqual(seen, [{ at: 'sky' }]);
    assert.deepEqual(last.content, [said('blue')]);
  });

  test('thoughts are shown to who asks', async () => {
    const params = { model: MODEL, max_tokens: 4000, messages: user('!think deep\n!echo so') };
    const quiet = await client.messages.create(params);
    assert.deepEqual(quiet.content, [said('so')]);
    const thinking = { type: 'enabled', budget_tokens: 1024 };
    const loud = await client.messages.create({ ...params, thinking });
    assert.deepEqual(
      loud.content.map(({ type }) => type),
      ['thinking', 'text'],
    );
    const final = await client.messages.stream({ ...params, thinking }).finalMessage();
    assert.deepEqual(final.content, loud.content);
  });

  test('tokens are counted, and marked as estimated', async () => {
    const params = { model: MODEL, messages: user('How many tokens are there in this?') };
    const { input_tokens: few, x_estimated: marked } = await client.messages.countTokens(params);
    assert.ok(few > 5 && few < 15, String(few));
    assert.equal(marked, true);
    const { input_tokens: more } = await client.messages.countTokens({ ...params, tools: [TOOL] });
    assert.ok(more > few);
    const betas = ['token-counting-2024-11-01'];
    const beta = await client.beta.messages.countTokens({ ...params, betas });
    assert.equal(beta.input_tokens, few);
  });

  test('errors have the shape of this API', async () => {
    const params = { model: MODEL, max_tokens: 5, messages: user('x') };
    const expect = async (work, name, status, type, text) => {
      const error = await work.then(() => assert.fail('taken'), (e) => e);
      assert.ok(error instanceof Anthropic[name], `${name}: ${error}`);
      assert.equal(error.status, status);
      assert.equal(error.error.type, 'error');
      assert.equal(error.error.error.type, type);
      assert.match(error.error.error.message, text);
    };
    const ask = (extra, c = client) => c.messages.create({ ...params, ...extra });
    const bad = ask({ messages: [{ role: 'user' }] });
    await expect(bad, 'BadRequestError', 400, 'invalid_request_error', /^messages\[0\]\.content/);
    await expect(ask({ model: 'none' }), 'NotFoundError', 404, 'not_found_error', /none/);
    const wrong = clientOf(gw, { apiKey: 'sk-wrong' });
    await expect(ask({}, wrong), 'PermissionDeniedError', 403, 'permission_error', /key/);
    const bearer = clientOf(gw, { apiKey: null, authToken: KEY });
    assert.equal((await ask({}, bearer)).type, 'message');
    for (const [path, method, status] of [
      ['/v1/messages/batches', 'POST', 404],
      ['/v1/messages', 'GET', 405],
      ['/v1/messages', 'PUT', 405],
    ]) {
      const answer = await gw.get(path, {}, method);
      assert.equal(answer.status, status, path);
      assert.equal(answer.json().type, 'error');
    }
    const none = await gw.get('/v1/messages', { authorization: '' }, 'POST');
    assert.equal(none.status, 401);
    assert.equal(none.json().error.type, 'authentication_error');
    const head = await gw.get('/', {}, 'HEAD');
    assert.equal(head.status, 200);
  });
});

describe('on an upstream that only knows a prompt', () => {
  let gw, client;
  before(async () => {
    ({ gw } = await world());
    client = clientOf(gw);
  });

  test("the request's id is where this API's client looks for it", async () => {
    const params = { model: 'GPT5', max_tokens: 9, messages: user('!echo x') };
    const answer = await client.messages.create(params);
    assert.match(answer._request_id, /^req_/);
    const { request_id } = await client.messages.stream(params).withResponse();
    assert.match(request_id, /^req_/);
    await assert.rejects(client.messages.create({ ...params, model: 'none' }), (error) => {
      assert.match(error.requestID, /^req_/);
      assert.equal(error.error.request_id, error.requestID);
      return true;
    });
    const wrong = await gw.get('/v1/messages');
    assert.equal(wrong.headers['request-id'], wrong.json().request_id);
  });

  test('models are listed, page by page', async () => {
    const listed = async () => (await gw.get('/v1/models')).json().data.map(({ id }) => id);
    const ids = await until(async () => {
      const found = await listed();
      return found.length > 2 && found;
    }, 'the list of the upstream');
    const seen = [];
    for await (const { id } of client.models.list({ limit: 1 })) seen.push(id);
    assert.deepEqual(seen, ids);
    assert.equal((await client.models.retrieve(ids[0])).display_name, ids[0]);
  });

  test('messages are answered', async () => {
    const body = { model: 'GPT5', messages: user(`!echo ${CANARY}`), stream: true };
    const stream = await client.messages.create(body);
    const types = [];
    for await (const { type } of stream) if (types.at(-1) !== type) types.push(type);
    assert.deepEqual(types, [
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const whole = await client.messages.create({ ...body, stream: false });
    assert.deepEqual(whole.content, [said(CANARY)]);
    assert.equal(whole.usage.x_estimated, true);
  });

  test('an answer that breaks off is an error', async () => {
    const messages = user('!fault frames cancelled at=1\n!lorem 20');
    const stream = await client.messages.create({ model: 'GPT5', messages, stream: true });
    const types = [];
    const reading = async () => {
      for await (const { type } of stream) types.push(type);
    };
    await assert.rejects(reading, (error) => error.error.error.type === 'api_error');
    assert.ok(types.includes('content_block_delta'));
    assert.ok(!types.includes('message_stop'));
  });
});
