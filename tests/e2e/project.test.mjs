// SPDX-License-Identifier: Apache-2.0
// Protocol `project`: each conversation is one project, and nobody is answered by another model
// than the one that was asked for, though the model is a setting of the whole team.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Gateway, Simulator, finish, until, world } from './lib/harness.mjs';
import { Home, readiness } from './lib/home.mjs';
import { Redis } from './lib/redis.mjs';
import { Talk, assertHeld } from './lib/talk.mjs';

const PROJECT = { ENGINELABS_PROTOCOL: 'project', KNOWN_MODELS: 'gpt_5,claude_sonnet_4_5' };
const CALM = { pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600 };
const KEYS = { GPT5: 'gpt_5', ClaudeSonnet4_5: 'claude_sonnet_4_5' };

after(finish);

/** A talk in a model of its own. */
const talkOf = (model, options) => new Talk({ model, ...options });

const count = async (sim, kind) => (await sim.log(kind)).length;

/** What the simulator took: prompts that went alone, in projects that were made for them. */
async function assertClean(sim) {
  assert.deepEqual(await sim.violations(), []);
  const posts = await sim.posts();
  assert.ok(posts.every(({ protocol }) => protocol === 'project'));
}

describe('a conversation', () => {
  for (const stream of [true, false])
    test(`of five turns is one project, ${stream ? 'streamed' : 'whole'}`, async () => {
      const { sim, gw } = await world({ env: PROJECT });
      const talk = talkOf('gpt_5', { stream });
      for (let turn = 0; turn < 5; turn++) await talk.say(gw);
      assertHeld(talk, await sim.posts());
      assert.equal(await count(sim, 'project'), 1);
      assert.equal(await count(sim, 'offers'), 1);
      assert.equal(await count(sim, 'preferred_model'), 5);
      await assertClean(sim);
    });

  test('goes on in its project after a restart, and a kill', async () => {
    const sim = await Simulator.start();
    await sim.set(CALM);
    const home = new Home({ ...sim.env(), ...PROJECT, STORE_URL: undefined });
    const talk = talkOf('gpt_5');
    await talk.say(await home.start());
    await home.stop();
    await talk.say(await home.start());
    await home.kill();
    await talk.say(await home.start());
    await talk.say(home.gw);
    assertHeld(talk, await sim.posts());
    assert.equal(await count(sim, 'project'), 1);
    await assertClean(sim);
  });

  test('whose project is gone goes on in a new one with all that was said', async () => {
    const { sim, gw } = await world({ env: PROJECT });
    const talk = talkOf('gpt_5');
    await talk.say(gw);
    await talk.say(gw);
    await sim.lose();
    await talk.say(gw);
    await talk.say(gw);
    const turns = talk.judge(await sim.posts());
    assert.deepEqual(
      turns.map(({ isContinued }) => isContinued),
      [false, true, false, true],
    );
    assert.equal(new Set(turns.map(({ chat }) => chat)).size, 2);
    assert.equal(await count(sim, 'project'), 2);
    await assertClean(sim);
  });

  test('survives a change of the protocol, there and back', async () => {
    const sim = await Simulator.start();
    await sim.set(CALM);
    const home = new Home({ ...sim.env(), KNOWN_MODELS: 'GPT5', DEFAULT_MODEL: 'GPT5' });
    const talk = talkOf('GPT5');
    for (const protocol of ['classic', 'project', 'classic', 'project']) {
      const gw = await home.start({ ENGINELABS_PROTOCOL: protocol });
      await talk.say(gw);
      await talk.say(gw);
      await home.stop();
    }
    talk.judge(await sim.posts());
    assert.deepEqual(await sim.violations(), []);
    assert.equal(await count(sim, 'project'), 2);
  });
});

describe('two models at once', () => {
  /** Each prompt says which model was asked; the simulator, which one answered. */
  async function askBoth(sim, gws, n, models) {
    // Time for others between the model and the prompt.
    await sim.fault({ where: 'offers', kind: 'delay', delay_ms: 20, times: -1 });
    const asked = [];
    for (let i = 0; i < n; i++)
      for (const model of models) {
        const talk = talkOf(model, { stream: i % 2 === 0 });
        const gw = gws[asked.length % gws.length];
        asked.push(talk.say(gw, `asks ${model}, ${i}\n!model`).then((said) => [model, said]));
      }
    return Promise.all(asked);
  }

  const PAIR = ['gpt_5', 'claude_sonnet_4_5'];

  function assertTrue(answers, posts) {
    for (const [model, said] of answers) assert.equal(said, KEYS[model] ?? model);
    const taken = posts.filter(({ status }) => status === 200);
    assert.equal(taken.length, answers.length);
    for (const { prompt, adapter } of taken) {
      const [, model] = /^asks (\w+),/.exec(prompt);
      assert.equal(adapter, KEYS[model] ?? model, prompt);
    }
  }

  test('are never mixed up', async () => {
    const { sim, gw } = await world({ env: { ...PROJECT, WORKERS: 2 } });
    const answers = await askBoth(sim, [gw], 20, ['gpt_5', 'claude_sonnet_4_5']);
    assertTrue(answers, await sim.posts());
    await assertClean(sim);
  });

  test('are never mixed up by replicas either', async () => {
    const redis = await Redis.start();
    const sim = await Simulator.start();
    await sim.set(CALM);
    const env = { ...sim.env(), ...PROJECT, STORE_URL: redis.url, QUEUE_TIMEOUT: 120 };
    const gws = await Promise.all(
      [1, 2].map((n) => Gateway.start({ env, name: `replica ${n}` })),
    );
    for (const gw of gws)
      await until(async () => (await readiness(gw)).status === 200, 'the replica is ready');
    // The two models of a pair go to different replicas, and those of the next the other way round.
    const answers = await askBoth(sim, [gws[0], gws[1], gws[1], gws[0]], 10, [
      'gpt_5',
      'claude_sonnet_4_5',
    ]);
    assertTrue(answers, await sim.posts());
    await assertClean(sim);
  });

  test('are not mixed up by reloads either', async () => {
    const sim = await Simulator.start();
    await sim.set({ ...CALM, accounts: 1 });
    const { accounts } = await sim.state();
    const home = new Home({ ...sim.env(), CLERK_COOKIE: undefined, ...PROJECT });
    const write = (turn) =>
      home.write(
        'enginelabs-2api.yaml',
        'upstreams:\n  - name: cto\n    provider: enginelabs\n    accounts:\n' +
          `      - {name: A, max_parallel: ${20 + turn}, cookie: "${accounts[0].cookie}"}\n`,
      );
    write(0);
    const gw = await home.start();
    const isReloaded = (line) => /settings reloaded/.test(line.message ?? '');
    const answers = [];
    for (let turn = 1; turn <= 8; turn++) {
      // The service is slow to take the prompts: they are on their way when all begins anew.
      await sim.fault({ where: 'post', kind: 'delay', delay_ms: 60, times: 4 });
      answers.push(askBoth(sim, [gw], 2, turn % 2 ? PAIR : PAIR.toReversed()));
      write(turn);
      gw.program.signal('SIGHUP');
      await until(() => gw.logLines.filter(isReloaded).length === turn, 'it is reloaded');
    }
    assertTrue((await Promise.all(answers)).flat(), await sim.posts());
    await assertClean(sim);
  });

  test('may be of two accounts of a team', async () => {
    const sim = await Simulator.start();
    await sim.set({ ...CALM, accounts: 2, team_size: 2 });
    const { accounts } = await sim.state();
    const list = accounts.map(
      ({ cookie }, i) => `      - name: account${i}\n        cookie: "${cookie}"\n`,
    );
    const home = new Home({ ...sim.env(), CLERK_COOKIE: undefined, ...PROJECT });
    const head = 'upstreams:\n  - name: cto\n    provider: enginelabs\n    accounts:\n';
    home.write('enginelabs-2api.yaml', head + list.join(''));
    const answers = await askBoth(sim, [await home.start()], 10, ['gpt_5', 'claude_sonnet_4_5']);
    const posts = await sim.posts();
    assertTrue(answers, posts);
    assert.equal(new Set(posts.map(({ account }) => account)).size, 2);
    await assertClean(sim);
  });
});

describe('a model', () => {
  test('may be named by either of its names', async () => {
    for (const names of ['gpt_5,claude_sonnet_4_5', 'GPT5,ClaudeSonnet4_5']) {
      const { sim, gw } = await world({ env: { ...PROJECT, KNOWN_MODELS: names } });
      const said = [];
      for (const model of names.split(','))
        said.push(await talkOf(model).say(gw, `asks ${model}\n!model`));
      assert.deepEqual(said, ['gpt_5', 'claude_sonnet_4_5']);
      await assertClean(sim);
    }
  });

  test('keeps its names when the service told its list', async () => {
    const { sim, gw } = await world({ env: { ENGINELABS_PROTOCOL: 'project' } });
    const named = { GPT5: 'gpt_5', gpt_5: 'gpt_5', ClaudeSonnet4_5: 'claude_sonnet_4_5' };
    const messages = [{ role: 'user', content: 'Who?\n!model' }];
    const asks = async (model) =>
      (await gw.post({ model, messages })).json().choices?.[0].message.content;
    assert.equal(await asks(undefined), 'claude_sonnet_4_5');
    await until(async () => (await gw.get('/v1/models')).json().data.length > 2, 'the list');
    for (const [model, name] of Object.entries(named)) assert.equal(await asks(model), name);
    assert.equal(await asks(undefined), 'claude_sonnet_4_5');
    await assertClean(sim);
  });

  test('that is the default may be one that the service does not list', async () => {
    const env = { ENGINELABS_PROTOCOL: 'project', DEFAULT_MODEL: 'gpt_5' };
    const { sim, gw } = await world({ env });
    await sim.fault({ where: 'adapters', kind: 'status', status: 403, times: -1 });
    assert.equal(await talkOf('gpt_5').say(gw, 'Who?\n!model'), 'gpt_5');
    const answer = await gw.post({ model: 'GPT5', messages: [{ role: 'user', content: 'Hi' }] });
    assert.equal(answer.status, 404, answer.text);
    assert.equal(await count(sim, 'preferred_model'), 1);
    await assertClean(sim);
  });

  test('goes out by the name that the service told, from the first prompt on', async () => {
    const { sim, gw } = await world({ env: { ENGINELABS_PROTOCOL: 'project' } });
    await sim.fault({ where: 'adapters', kind: 'late', delay_ms: 300 });
    const said = await Promise.all([1, 2].map(() => talkOf('GPT5').say(gw, 'Who?\n!model')));
    assert.deepEqual(said, ['gpt_5', 'gpt_5']);
    await assertClean(sim);
  });

  test('that cannot be set gets no prompt', async () => {
    const { sim, gw } = await world({ env: PROJECT });
    await sim.fault({ where: 'preferred_model', kind: 'status', status: 400, times: -1 });
    const messages = [{ role: 'user', content: 'Hi' }];
    for (const stream of [false, true]) {
      const answer = await gw.post({ model: 'gpt_5', messages, stream });
      assert.equal(answer.status, 502, answer.text);
    }
    assert.deepEqual(await sim.posts(), []);
  });

  test('gets no image, and the client is told which', async () => {
    const { sim, gw } = await world({ env: PROJECT });
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    const content = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url } },
    ];
    const answer = await gw.post({ model: 'gpt_5', messages: [{ role: 'user', content }] });
    assert.equal(answer.status, 400, answer.text);
    assert.equal(answer.json().error.param, 'messages[0].content[1]');
    assert.equal(await count(sim, 'preferred_model'), 0);
  });
});
