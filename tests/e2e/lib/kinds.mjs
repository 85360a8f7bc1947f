// SPDX-License-Identifier: Apache-2.0
// One gateway in front of both kinds of upstream, under a model's name each, for clients that are
// to get the same from both; and a table of what they got.

import fs from 'node:fs';
import path from 'node:path';
import { Gateway, Simulator, secret, tempDir } from './harness.mjs';

const KEY = secret('sk-kinds-upstream-41', 'a key of the upstream');

/** The kinds, and what the model is called there, once by a name that a coding agent may know: a
 *  call of a tool is asked for differently. */
export const KINDS = {
  'only a prompt': {
    model: 'on-prompts',
    known: 'gpt-5.4',
    call: (name, args, ...more) =>
      `!say ${JSON.stringify(callsOf([name, args, ...more]).join('\n'))}`,
  },
  "OpenAI's format": {
    model: 'on-openai',
    known: 'gpt-5.3-codex',
    call: (name, args, ...more) =>
      pairs([name, args, ...more])
        .map(([one, its]) => `!tool ${one} ${JSON.stringify(its)}`)
        .join('\n'),
  },
};

const pairs = (list) =>
  Array.from({ length: list.length / 2 }, (_, i) => list.slice(2 * i, 2 * i + 2));

const callsOf = (list) =>
  pairs(list).map(
    ([name, args]) => `<tool_call name="${name}">\n${JSON.stringify(args)}\n</tool_call>`,
  );

const config = (sim, limits) => `
store_url: "memory:"
upstreams:
  - name: prompts
    provider: enginelabs
    api_url: ${sim.url}
    clerk_url: ${sim.url}
    models: [GPT5]
    accounts: [{name: main, cookie: "${sim.cookie}"}]${limits}
  - name: openai
    provider: openai
    base_url: ${sim.url}/v1
    api_keys: [${KEY}]
    models: [big]
models:
  - name: on-prompts
    aliases: [gpt-5.4]
    targets: [{upstream: prompts, model: GPT5}]
  - name: on-openai
    aliases: [gpt-5.3-codex]
    targets: [{upstream: openai, model: big}]
`;

const NO_LIMITS = '\n    max_prompt_chars: 0\n    max_prompt_bytes: 0';

/** With `isLimited` prompts are as short as the service wants them; else of any length. */
export async function kindsWorld({ isLimited = false, env = {} } = {}) {
  const sim = await Simulator.start();
  await sim.set({
    pacing: { first_ms: 1, every_ms: 1 },
    piece_bytes: 40,
    token_life_s: 3600,
    daily_limit: 1e6,
    api_keys: KEY,
    models: ['big'],
    ...(isLimited ? {} : { max_message_bytes: 0, max_message_chars: 0 }),
  });
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(file, config(sim, isLimited ? '' : NO_LIMITS), { mode: 0o600 });
  return { sim, gw: await Gateway.start({ args: ['--config', file], env }) };
}
