// SPDX-License-Identifier: Apache-2.0
// Usage is an estimate where the upstream does not count. Here it is held against the real
// tokenizer (o200k), through the API: within 15 % on prose, code and Chinese.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { finish, world } from './lib/harness.mjs';

const TOLERANCE = 0.15;
let gw;

before(async () => {
  ({ gw } = await world({
    env: { ENGINELABS_MAX_PROMPT_CHARS: 0, ENGINELABS_MAX_PROMPT_BYTES: 0 },
    settings: {
      max_message_bytes: 0,
      max_message_chars: 0,
      pacing: { first_ms: 0, every_ms: 0 },
    },
  }));
});
after(finish);

/** Texts of this folder, and those that the estimate's own tests use. */
function texts() {
  const found = [];
  for (const folder of ['texts/', '../data/estimate/']) {
    const dir = new URL(folder, import.meta.url);
    for (const name of fs.readdirSync(dir).filter((file) => file.endsWith('.txt')))
      found.push([folder + name, fs.readFileSync(new URL(name, dir), 'utf8').trim()]);
  }
  return found;
}

const user = (content) => [{ role: 'user', content }];

async function usageOf(messages) {
  const answer = await gw.post({ messages });
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

function assertNear(t, name, estimated, text) {
  const real = encode(text).length;
  const off = (estimated - real) / real;
  t.diagnostic(`${name}: ${estimated} for ${real} tokens, ${(100 * off).toFixed(1)} %`);
  assert.ok(Math.abs(off) <= TOLERANCE, `${name}: ${estimated} for ${real} tokens`);
}

describe('usage is within 15 % of the tokenizer', () => {
  for (const [name, text] of texts()) {
    test(`for prompts: ${name}`, async (t) => {
      const { usage } = await usageOf(user(text));
      assertNear(t, name, usage.prompt_tokens, text);
    });

    test(`for answers: ${name}`, async (t) => {
      const { usage, choices } = await usageOf(user(`!say ${JSON.stringify(text)}`));
      assert.ok(choices[0].message.content === text, 'the answer is the text');
      assertNear(t, name, usage.completion_tokens, text);
    });
  }

  test('wherever the answer is cut', async () => {
    const [, text] = texts().find(([name]) => name.includes('chinese'));
    const say = `!say ${JSON.stringify(text)}`;
    const counts = new Set();
    for (const how of ['words=1', 'piece_bytes=1', 'piece_bytes=7', 'words=1000']) {
      const { usage } = await usageOf(user(`!set ${how}\n${say}`));
      counts.add(usage.completion_tokens);
    }
    assert.equal(counts.size, 1, [...counts].join());
  });
});

test('usage is the same streamed and not, and counts the whole conversation', async () => {
  const messages = user('one two three');
  const first = await usageOf(messages);
  const stream = await gw.stream({ messages, stream_options: { include_usage: true } });
  await stream.whole();
  assert.deepEqual(stream.events.at(-1).usage, first.usage);
  messages.push(first.choices[0].message, ...user('four five'));
  const second = await usageOf(messages);
  const { prompt_tokens } = second.usage;
  assert.ok(prompt_tokens > first.usage.prompt_tokens + first.usage.completion_tokens - 5);
});

test('reasoning counts as completion', async () => {
  const plain = await usageOf(user('!echo short'));
  const thoughtful = await usageOf(user('!think one two three four five six seven\n!echo short'));
  assert.ok(thoughtful.usage.completion_tokens >= plain.usage.completion_tokens + 6);
});
