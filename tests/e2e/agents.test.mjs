// SPDX-License-Identifier: Apache-2.0
// Coding agents through a whole task: read a file, change it, say so. What a model would answer is
// written in the files that they are made to read.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AGENTS } from './lib/agents.mjs';
import { finish, tempDir } from './lib/harness.mjs';
import { KINDS, kindsWorld } from './lib/kinds.mjs';
import { Results } from './lib/results.mjs';

after(finish);

const results = new Results('agents', Object.keys(KINDS));
const PROMPTS = 'only a prompt';

/** A directory with a file to change, and the script; `prompt` is what begins it. */
function taskFor(agent, call) {
  const dir = tempDir();
  const file = path.join(dir, 'notes.txt');
  const write = (name, text) => fs.writeFileSync(path.join(dir, name), text);
  fs.writeFileSync(file, 'color: red\nsize: 3\n');
  write('second.txt', call(...agent.edit(file, 'color: red', 'color: blue', 'third.txt')));
  write('third.txt', '!echo It is blue now.');
  const first = call(...agent.read(file, 'second.txt'));
  // An agent may put a message of its own behind this one: then "!then" says the same.
  const then = first.startsWith('!say ') ? first.replace('!say ', '!then ') : '';
  const prompt = `Make it blue.\n${then}\n${first}`;
  return { dir, prompt, text: () => fs.readFileSync(file, 'utf8') };
}

for (const [name, agent] of Object.entries(AGENTS))
  describe(name, () => {
    let sim, gw, small;
    const client = `${name} ${agent.version}`;
    before(async () => {
      ({ sim, gw } = await kindsWorld());
      small = await kindsWorld({ isLimited: true });
    });

    for (const [kind, { model, call }] of Object.entries(KINDS))
      test(`reads a file, changes it and ends, on ${kind}`, () =>
        results.try(client, 'reads, edits, ends', kind, async () => {
          const since = (await sim.log()).at(-1)?.n ?? 0;
          const task = taskFor(agent, call);
          const { code, said, stdout, stderr } = await agent.run(
            { url: gw.url, model },
            task.dir,
            task.prompt,
          );
          assert.equal(task.text(), 'color: blue\nsize: 3\n', `${stdout}${stderr}`);
          assert.equal(said, 'It is blue now.');
          assert.equal(code, 0);
          const posts = await sim.posts(since);
          if (kind === PROMPTS) {
            assert.equal(new Set(posts.map((post) => post.chat)).size, 1, 'one upstream chat');
            assert.equal(posts.length, 3);
            assert.ok(posts[0].prompt.length > 20_000, 'all of it is told once');
            assert.ok(posts[2].prompt.length < 2000, 'and then only what is new');
          } else assert.equal((await sim.log('completion', since)).length, 3);
          assert.deepEqual(await sim.violations(), []);
        }));

    test('is told why, when its prompt is longer than the upstream takes', async (t) => {
      const { model, call } = KINDS[PROMPTS];
      const task = taskFor(agent, call);
      const where = { url: small.gw.url, model };
      const { code, stdout } = await agent.run(where, task.dir, task.prompt);
      t.diagnostic(stdout.slice(-1500));
      assert.notEqual(code, 0);
      assert.match(stdout, /ENGINELABS_MAX_PROMPT_CHARS|20000/);
      assert.equal(task.text(), 'color: red\nsize: 3\n');
      assert.deepEqual(await small.sim.posts(), [], 'nothing was sent upstream');
    });
  });

test('the table, and what the documentation says of it', (t) => results.settle(t));
