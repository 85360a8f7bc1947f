// SPDX-License-Identifier: Apache-2.0
// Real client libraries, each with what it is used for, on an upstream that only knows a prompt and
// on one of OpenAI's format. What came of it is the table in docs/clients.md.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { CLIENTS } from './clients/features.mjs';
import { KEY, finish } from './lib/harness.mjs';
import { KINDS, kindsWorld } from './lib/kinds.mjs';
import { Results } from './lib/results.mjs';

let sim, gw;

before(async () => {
  ({ sim, gw } = await kindsWorld({ isLimited: true }));
});
after(finish);

const results = new Results('libraries', Object.keys(KINDS));

function versionOf(library) {
  const places = ['clients/node_modules', 'node_modules'];
  const files = places.map((one) => new URL(`${one}/${library}/package.json`, import.meta.url));
  return JSON.parse(fs.readFileSync(files.find((file) => fs.existsSync(file)))).version;
}

/** Each request to an upstream of OpenAI's format brings what the first one brought. */
async function judgeHistories(since) {
  const log = await sim.log('completion', since);
  const [first, ...later] = log.map(({ body }) => JSON.parse(body));
  for (const { messages, tools } of later) {
    assert.deepEqual(messages.slice(0, first.messages.length), first.messages, 'the history');
    assert.deepEqual(tools, first.tools, 'the tools');
  }
}

/** How many upstream chats the prompts since entry `since` were in. */
async function chatsSince(since) {
  return new Set((await sim.posts(since)).map((post) => post.chat)).size;
}

for (const [client, { library, features }] of Object.entries(CLIENTS))
  describe(client, () => {
    const name = `${client} ${versionOf(library)}`;
    for (const [feature, use] of Object.entries(features))
      for (const [kind, { model, call }] of Object.entries(KINDS))
        test(`${feature}, on ${kind}`, () =>
          results.try(name, feature, kind, async () => {
            const since = (await sim.log()).at(-1)?.n ?? 0;
            await use({ url: gw.url, key: KEY, model, call });
            assert.ok((await chatsSince(since)) <= 1, 'the turns are in several upstream chats');
            await judgeHistories(since);
            assert.deepEqual(await sim.violations(), []);
          }));
  });

test('the table, and what the documentation says of it', (t) => results.settle(t));
