// SPDX-License-Identifier: Apache-2.0
// OpenAI's other APIs with its own client and with Vercel's, on an upstream that speaks chat
// completions, and on one that only knows a prompt.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createOpenAI, generateText, jsonSchema, streamText, tool } from './clients/vercel.mjs';
import { CANARY, KEY, finish, world } from './lib/harness.mjs';
import { NATIVE_MODEL as MODEL, nativeWorld } from './lib/native.mjs';

after(finish);

const LOOK = { type: 'function', name: 'look', parameters: { type: 'object' }, strict: null };

/** What the upstream was asked last. */
const asked = async (sim) => JSON.parse((await sim.log('completion')).at(-1).body);

const vercel = (gw) => createOpenAI({ baseURL: `${gw.url}/v1`, apiKey: KEY });

describe('on an upstream of another format', () => {
  let sim, gw, openai;
  before(async () => {
    ({ sim, gw } = await nativeWorld());
    openai = gw.openai();
  });

  test('a response comes whole and streamed', async () => {
    const params = {
      model: MODEL,
      instructions: 'Be brief.',
      input: `${CANARY}\n!echo ${CANARY} said`,
      max_output_tokens: 50,
      temperature: 0.5,
    };
    const whole = await openai.responses.create(params);
    assert.equal(whole.output_text, `${CANARY} said`);
    assert.equal(whole.status, 'completed');
    assert.equal(whole.instructions, 'Be brief.');
    assert.equal(whole.temperature, 0.5);
    assert.ok(whole.usage.input_tokens > 0 && whole.usage.output_tokens > 0);
    const sent = await asked(sim);
    assert.deepEqual(sent.messages, [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: params.input },
    ]);
    assert.equal(sent.max_tokens, 50);

    const stream = openai.responses.stream(params);
    let text = '';
    let next = 0;
    for await (const event of stream) {
      assert.equal(event.sequence_number, next++);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    assert.equal(text, `${CANARY} said`);
    const final = await stream.finalResponse();
    assert.equal(final.output_text, text);
    assert.equal(final.status, 'completed');
    assert.deepEqual(await sim.violations(), []);
  });

  test('a response calls tools, and is told what came of it', async () => {
    const input = [{ role: 'user', content: '!tool look {"at":"the \\"sky\\""}' }];
    const tools = [LOOK, { type: 'web_search' }];
    for (const stream of [false, true]) {
      const params = { model: MODEL, input, tools };
      const answer = stream
        ? await openai.responses.stream(params).finalResponse()
        : await openai.responses.create(params);
      const [call] = answer.output;
      assert.equal(call.type, 'function_call');
      assert.deepEqual(JSON.parse(call.arguments), { at: 'the "sky"' });
      assert.deepEqual((await asked(sim)).tools.map((t) => t.function.name), ['look']);
      const output = { type: 'function_call_output', call_id: call.call_id, output: '!echo blue' };
      const next = await openai.responses.create({ ...params, input: [...input, call, output] });
      assert.equal(next.output_text, 'blue');
    }
  });

  test('thoughts are a summary of their own', async () => {
    const params = { model: MODEL, input: '!think deep\n!echo so' };
    const { output } = await openai.responses.create(params);
    assert.deepEqual(output.map(({ type }) => type), ['reasoning', 'message']);
    const final = await openai.responses.stream(params).finalResponse();
    assert.deepEqual(final.output[0].summary, output[0].summary);
  });

  test("Vercel's client streams responses, and runs tools", async () => {
    const model = vercel(gw)(MODEL);
    const { textStream } = streamText({ model, prompt: `!echo ${CANARY}` });
    let text = '';
    for await (const piece of textStream) text += piece;
    assert.equal(text, CANARY);
    const seen = [];
    const look = tool({
      description: 'Looks.',
      inputSchema: jsonSchema({ type: 'object', properties: { at: { type: 'string' } } }),
      execute: async (args) => {
        seen.push(args);
        return '!echo blue';
      },
    });
    const { toolCalls } = await generateText({
      model,
      prompt: '!tool look {"at":"sky"}',
      tools: { look },
    });
    assert.equal(toolCalls.length, 1);
    assert.deepEqual(seen, [{ at: 'sky' }]);
  });

  test('a completion comes whole and streamed', async () => {
    const params = { model: MODEL, prompt: `!echo ${CANARY}`, max_tokens: 9, stop: 'never' };
    const whole = await openai.completions.create(params);
    assert.equal(whole.object, 'text_completion');
    assert.equal(whole.choices[0].text, CANARY);
    assert.equal(whole.choices[0].finish_reason, 'stop');
    assert.equal((await asked(sim)).max_tokens, 9);
    let text = '';
    const options = { include_usage: true };
    const stream = await openai.completions.create({
      ...params,
      stream: true,
      stream_options: options,
    });
    let last;
    for await (last of stream) text += last.choices[0]?.text ?? '';
    assert.equal(text, CANARY);
    assert.ok(last.usage.total_tokens > 0);
  });

  test('what cannot be done is refused by name', async () => {
    const refused = async (work, param) => {
      const error = await work.then(() => assert.fail('taken'), (e) => e);
      assert.equal(error.status, 400);
      assert.equal(error.param, param);
    };
    const response = { model: MODEL, input: 'x' };
    const create = (extra) => openai.responses.create({ ...response, ...extra });
    await refused(create({ conversation: 'conv_x' }), 'conversation');
    await refused(create({ background: true }), 'background');
    await refused(create({ tools: [{ type: 'file_search' }] }), 'tools[0].type');
    await refused(create({ tool_choice: { type: 'web_search' } }), 'tool_choice.type');
    const completion = { model: MODEL, prompt: 'x' };
    await refused(openai.completions.create({ ...completion, suffix: 'y' }), 'suffix');
    await refused(openai.completions.create({ ...completion, prompt: [1, 2] }), 'prompt');
  });
});

describe('on an upstream that only knows a prompt', () => {
  let gw, openai;
  before(async () => {
    ({ gw } = await world());
    openai = gw.openai();
  });

  test('responses and completions are answered', async () => {
    const response = { model: 'GPT5', input: `!echo ${CANARY}` };
    const whole = await openai.responses.create(response);
    assert.equal(whole.output_text, CANARY);
    assert.equal(whole.usage.x_estimated, true);
    assert.equal((await openai.responses.stream(response).finalResponse()).output_text, CANARY);
    const completion = await openai.completions.create({ model: 'GPT5', prompt: '!echo it' });
    assert.equal(completion.choices[0].text, 'it');
  });

  test('an answer that breaks off is a failed response', async () => {
    const input = '!fault frames cancelled at=1\n!lorem 20';
    const stream = await openai.responses.create({ model: 'GPT5', input, stream: true });
    const types = [];
    for await (const { type } of stream) types.push(type);
    assert.ok(types.includes('response.output_text.delta'));
    assert.deepEqual(types.slice(-2), ['response.failed', 'error']);
    assert.ok(!types.includes('response.completed'));
  });

  test('a limit ends a response as incomplete', async () => {
    const cut = { model: 'GPT5', input: '!lorem 200', max_output_tokens: 5 };
    const whole = await openai.responses.create(cut);
    assert.equal(whole.status, 'incomplete');
    assert.equal(whole.incomplete_details.reason, 'max_output_tokens');
    assert.ok(whole.output_text.length > 0 && whole.output_text.length < 60, whole.output_text);
  });

  test('tools that the model does not need leave its text alone', async () => {
    const input = `!echo ${CANARY}`;
    const response = await openai.responses.create({ model: 'GPT5', input, tools: [LOOK] });
    assert.equal(response.output_text, CANARY);
  });

  test('a format that the model does not keep to is an error, not an answer', async () => {
    const text = { format: { type: 'json_object' } };
    const asking = openai.responses.create({ model: 'GPT5', input: '!echo no', text });
    await assert.rejects(asking, (error) => {
      assert.equal(error.status, 502);
      assert.match(error.message, /also when it was asked to correct it.*\n- there is no JSON/);
      return true;
    });
    const good = await openai.responses.create({ model: 'GPT5', input: '!echo {"a":1}', text });
    assert.equal(good.output_text, '{"a":1}');
  });
});
