// SPDX-License-Identifier: Apache-2.0
// A real inference server as the upstream: npm's inference-server, in which llama.cpp runs a model
// (lib/inference.mjs). Its authors never saw this gateway, and it has habits of its own: usage in
// the last chunk, errors that are a text, `[ERROR]` in a stream of status 200 that then hangs.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BODIES } from './lib/bodies.mjs';
import { assertError } from './lib/errors.mjs';
import { CANARY, Gateway, finish, run, tempDir, until } from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { Inference, WORDS } from './lib/inference.mjs';

const ANSWER = WORDS.join(' ');
const messages = [{ role: 'user', content: `${CANARY} hello` }];

let server, gw, file;

before(async () => {
  server = await Inference.start();
  file = path.join(tempDir(), 'gateway.yaml');
  const upstream = `{name: real, provider: openai, base_url: "${server.baseUrl}"}`;
  fs.writeFileSync(file, `default_model: big\nupstreams: [${upstream}]\n`, { mode: 0o600 });
  gw = await start();
});
after(finish);

const start = (env = {}) =>
  Gateway.start({ args: ['--config', file], env: { STORE_URL: 'memory:', ...env } });

const straight = (body) =>
  fetchWhole(server.port, {
    method: 'POST',
    path: '/openai/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body,
  });

describe('the official client', () => {
  test('sees the models that the server tells of', async () => {
    const seen = async () => (await gw.openai().models.list()).data.map(({ id }) => id).toSorted();
    await until(async () => (await seen()).length === 2, 'the list');
    assert.deepEqual(await seen(), ['big', 'endless']);
  });

  test('gets a whole answer with its usage', async () => {
    const answer = await gw.openai().chat.completions.create({ model: 'big', messages });
    assert.equal(answer.choices[0].message.content, ANSWER);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.model, 'big');
    assert.equal(answer.usage.completion_tokens, WORDS.length + 1);
    const { prompt_tokens: asked, completion_tokens: said, total_tokens: all } = answer.usage;
    assert.equal(all, asked + said);
  });

  test('gets a stream, with its usage where it asks for it', async () => {
    for (const include_usage of [true, false]) {
      const rest = include_usage ? { stream_options: { include_usage } } : {};
      const params = { model: 'big', messages, stream: true, ...rest };
      const chunks = [];
      for await (const chunk of await gw.openai().chat.completions.create(params))
        chunks.push(chunk);
      const pieces = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '');
      // Its streams leave out the blanks that begin its tokens.
      assert.deepEqual(pieces.filter(Boolean), WORDS);
      const reasons = chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean);
      assert.deepEqual(reasons, ['stop']);
      const counts = chunks.map((chunk) => chunk.usage).filter(Boolean);
      if (include_usage) assert.equal(counts.at(-1).completion_tokens, WORDS.length + 1);
    }
  });

  test('gets what comes before a stop sequence', async () => {
    const params = { model: 'big', messages, stop: ['jumps'] };
    const { choices } = await gw.openai().chat.completions.create(params);
    assert.match(choices[0].message.content, /^the quick brown fox/);
    assert.doesNotMatch(choices[0].message.content, /jumps/);
    assert.equal(choices[0].finish_reason, 'stop');
  });
});

describe('an error of the server', () => {
  test('for a body that it refuses arrives as it is', async () => {
    const answer = await gw.post({ model: 'big' });
    assert.equal(answer.status, 400);
    assert.match(answer.text, /need at least model and messages|messages/);
  });

  test('for an unknown model is told before anybody asks it', async () => {
    const before = server.bodies.length;
    const answer = await gw.post({ model: 'unheard', messages });
    assertError(answer, { status: 404, code: 'model_not_found', param: 'model' });
    assert.equal(server.bodies.length, before);
  });

  test('inside a stream of status 200, behind which it falls silent, is a time-out', async () => {
    const quick = { UPSTREAM_FIRST_TOKEN_TIMEOUT: 1 };
    const own = await start(quick);
    const body = { model: 'big', stream: true, messages: [{ role: 'user', content: 1 }] };
    const answer = await own.post(body);
    if (answer.status === 200) assert.match(answer.text, /"code":"upstream_timeout"/);
    else assertError(answer, { status: 504, code: 'upstream_timeout' });
  });
});

test('many clients at once get whole answers', async () => {
  const many = Array.from({ length: 8 }, (_, i) => gw.post({ messages, stream: i % 2 === 0 }));
  for (const answer of await Promise.all(many)) {
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.text.includes(WORDS.at(-1)) && !answer.text.includes('"error"'));
  }
});

test('check says that it can be used', async () => {
  const told = await run(['check', '--config', file], { env: { ...gw.env, LISTEN: undefined } });
  assert.match(told.stdout, /upstream real/);
  assert.match(told.stdout, /big, endless/);
  assert.equal(told.code, 0, told.stdout + told.stderr);
});

/** Without what differs from one answer to the next, and the blank line that it leaves out. */
const timeless = (text) =>
  text
    .trimEnd()
    .replace(/("id": ?)"[^"]*"/g, '$1""')
    .replace(/("created": ?)\d+/g, '$10')
    .replace(/("system_fingerprint": ?)"[^"]*"/g, '$1""');

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/**
 * What this server cannot do, after which some of its answers never end: limits, JSON mode, tools,
 * pictures, prompts of 1 MB. The simulator gets these too (routes.test.mjs).
 */
const BEYOND = /"max_tokens"|response_format|tool|image_url|1 MB/;
const SERVED = BODIES.filter((body) => !BEYOND.test(body));

describe('straight and through the gateway', () => {
  test(`${SERVED.length} requests and their answers are the same bytes`, async () => {
    for (const body of SERVED) {
      const what = body.slice(0, 200);
      // What it prints may be read later than what it answers: both are waited for.
      const before = server.bodies.length;
      const want = await straight(body);
      const got = await gw.post(body);
      await until(() => server.bodies.length >= before + 2, 'the bodies');
      assert.deepEqual(server.bodies.slice(before), [sha256(body), sha256(body)], what);
      assert.equal(want.status, 200, `${what}\n${want.text}`);
      assert.equal(got.status, 200, `${what}\n${got.text}`);
      assert.equal(timeless(got.text), timeless(want.text), what);
    }
  });
});

// The last one: this server goes on with an answer that nobody wants.
test('a client that leaves in mid-stream frees the connection to the server', async () => {
  const before = server.left;
  const stream = await gw.stream({ model: 'endless', messages });
  await stream.readUntil((event) => event.choices[0].delta.content === WORDS.at(-1));
  stream.leave();
  await until(() => server.left === before + 1, 'the server sees it');
  await gw.idle();
});
