// SPDX-License-Identifier: Apache-2.0
// Coding agents through a whole task: read a file, change it, say so. What a model would answer is
// written in the files that they are made to read.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AGENTS, ARE_OTHERS } from './lib/agents.mjs';
import { finish, tempDir } from './lib/harness.mjs';
import { KINDS, kindsWorld } from './lib/kinds.mjs';
import { Results } from './lib/results.mjs';

after(finish);

const results = new Results('agents', Object.keys(KINDS));
const PROMPTS = 'only a prompt';

/** A directory with a file to change, and the script; `prompt` is what begins it. */
function taskFor(agent, call, edit = agent.edit) {
  const dir = tempDir();
  const file = path.join(dir, 'notes.txt');
  const write = (name, text) => fs.writeFileSync(path.join(dir, name), text);
  fs.writeFileSync(file, 'color: red\nsize: 3\n');
  write('second.txt', call(...edit(file, 'color: red', 'color: blue', 'third.txt')));
  write('third.txt', '!echo It is blue now.');
  const first = call(...agent.read(file, 'second.txt'));
  // An agent may put a message of its own behind this one: then "!then" says the same.
  const then = first.startsWith('!say ') ? first.replace('!say ', '!then ') : '';
  const prompt = `Make it blue.\n${then}\n${first}`;
  return { dir, home: tempDir(), prompt, text: () => fs.readFileSync(file, 'utf8') };
}

/** The upstream chats that a task was in, and that it was told as little as can be. */
async function judgePrompts(sim, since) {
  const posts = await sim.posts(since);
  assert.equal(posts.length, 4);
  assert.ok(posts[0].prompt.length > 20_000, 'all of it is told at first');
  for (const { prompt } of [posts[1], posts[3]])
    assert.ok(prompt.length < 2000, 'and then only what is new');
  const chats = new Set(posts.map((post) => post.chat)).size;
  return chats === 1 ? 'in one upstream chat' : `in ${chats} upstream chats`;
}

/** Each request has all that was said before it. */
async function judgeMessages(sim, since) {
  const log = await sim.log('completion', since);
  const counts = log.map(({ body }) => JSON.parse(body).messages.length);
  assert.equal(counts.length, 4);
  assert.deepEqual(counts, [...new Set(counts)].toSorted((a, b) => a - b), 'it grows');
}

for (const [name, agent] of Object.entries(AGENTS))
  describe(name, () => {
    let sim, gw, small;
    const client = `${name} ${agent.version}`;
    before(async () => {
      ({ sim, gw } = await kindsWorld());
      small = await kindsWorld({ isLimited: true });
    });

    async function goThrough(kind, model, edit) {
      const since = (await sim.log()).at(-1)?.n ?? 0;
      const task = taskFor(agent, KINDS[kind].call, edit);
      const ask = async (more) => {
        const result = await agent.run({ url: gw.url, model }, { ...task, ...more });
        if (result.code !== 0) throw new Error(agent.errorOf(result));
        return result;
      };
      const { said, stdout, stderr } = await ask();
      assert.equal(task.text(), 'color: blue\nsize: 3\n', `${stdout}${stderr}`);
      assert.equal(said, 'It is blue now.');
      const next = await ask({ isMore: true, prompt: 'Thank you.\n!echo You are welcome.' });
      assert.equal(next.said, 'You are welcome.');
      assert.deepEqual(await sim.violations(), []);
      if (kind === PROMPTS) return judgePrompts(sim, since);
      await judgeMessages(sim, since);
    }

    for (const [kind, { model, known }] of Object.entries(KINDS)) {
      const feature = 'reads, edits, ends, goes on later';
      test(`${feature}, on ${kind}`, () =>
        results.try(client, feature, kind, () => goThrough(kind, model)));

      const byName = 'the same, by the name of a model it knows';
      if (agent.editKnown)
        test(`${byName}, on ${kind}`, () =>
          results.try(client, byName, kind, () => goThrough(kind, known, agent.editKnown)));
    }

    test('is told why, when its prompt is longer than the upstream takes', () => {
      const feature = 'the same, with the limits of a prompt not lifted';
      const told = / characters .* at most 20000\..*\(0 lifts the limit\)/s;
      return results.fails(client, feature, PROMPTS, told, async () => {
        const { model, call } = KINDS[PROMPTS];
        const task = taskFor(agent, call);
        const result = await agent.run({ url: small.gw.url, model }, task);
        assert.deepEqual(await small.sim.posts(), [], 'nothing was sent upstream');
        assert.equal(task.text(), 'color: red\nsize: 3\n');
        if (result.code !== 0) throw new Error(agent.errorOf(result));
      });
    });
  });

test('the table, and what the documentation says of it', (t) =>
  results.settle(t, { isKept: !ARE_OTHERS }));
