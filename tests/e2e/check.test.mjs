// SPDX-License-Identifier: Apache-2.0
// What `check` says of several upstreams and of the routes to them: every target is tried by asking
// its upstream, and no prompt is sent.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, KEY, Simulator, finish, run, secret, tempDir } from './lib/harness.mjs';

after(finish);

const GOOD = secret('sk-check-good-31', 'a key');
const WRONG = secret('sk-check-wrong-32', 'a key');

let cto, local, upstreams;

const enginelabs = (name, sims) => `
  - name: ${name}
    provider: enginelabs
    api_url: ${sims[0].url}
    clerk_url: ${sims[0].url}
    accounts:
      - {name: first, cookie: "${sims[0].cookie}"}
      - {name: second, cookie: "${sims[1].cookie}"}`;

const openai = (name, url, key) => `
  - {name: ${name}, provider: openai, base_url: "${url}/v1", api_keys: [${key}]}`;

before(async () => {
  cto = await Simulator.start();
  local = await Simulator.start();
  await local.set({ api_keys: GOOD, models: ['big', 'small'], native: false });
  upstreams = {
    cto: enginelabs('cto', [cto, { cookie: '__client=unknown' }]),
    good: openai('good', local.url, GOOD),
    refused: openai('refused', local.url, WRONG),
    down: openai('down', 'http://127.0.0.1:9', GOOD),
  };
});

/** A file of settings with these upstreams and routes. */
function settings(names, routes) {
  const file = path.join(tempDir(), 'gateway.yaml');
  const text = `upstreams:${names.map((name) => upstreams[name]).join('')}\n${routes}\n`;
  fs.writeFileSync(file, text, { mode: 0o600 });
  return file;
}

async function check(names, routes) {
  const words = ['check', '--config', settings(names, routes)];
  const told = await run(words, { env: { STORE_URL: 'memory:', LISTEN: '127.0.0.1:0' } });
  const blocks = told.stdout.split(/\n(?=upstream |route |All |Not all )/);
  /** What it says of an upstream or a route. */
  told.of = (name) => {
    const block = blocks.find((one) => /^(upstream|route) ([^ ,\n]+)/.exec(one)?.[2] === name);
    assert.ok(block, `${name} in ${told.stdout}${told.stderr}`);
    return block;
  };
  return told;
}

const ROUTES = `
default_model: chat
models:
  - name: chat
    aliases: [talk, main]
    targets:
      - upstream: good
        model: big
        set: {temperature: 0.5, stop: ["x", "y"]}
        drop: [logit_bias]
        rename: {max_tokens: max_completion_tokens}
        system_prompt: "Be kind.\\n${'ä'.repeat(40)}"
      - {upstream: good, model: huge}
  - name: shared
    strategy: weighted
    targets: [{upstream: good, model: big, weight: 3}, {upstream: refused, model: big}]
  - name: "any/*"
    targets: [{upstream: good, model: "*"}]
  - name: late
    targets: [{upstream: down, model: big}, {upstream: cto, model: GPT5}]`;

/** Of the first target of "chat". */
const CHANGES = `      drop logit_bias
      rename max_tokens to max_completion_tokens
      set temperature: 0.5
      set stop: ["x","y"]
      system_prompt: Be kind. ${'ä'.repeat(25)}...
`;

describe('check', () => {
  test('--offline prints the routes and what their targets change', async () => {
    const OFFLINE = ROUTES.replaceAll('refused', 'down');
    const words = ['check', '--offline', '--config', settings(['good', 'down', 'cto'], OFFLINE)];
    const { code, stdout, stderr } = await run(words, {});
    assert.equal(code, 0, stderr);
    const at = stdout.indexOf('route ');
    assert.equal(
      stdout.slice(at),
      `route chat, talk, main (fallback)\n    good: big\n${CHANGES}    good: huge\n` +
        'route shared (weighted)\n    good: big, weight 3\n    down: big, weight 1\n' +
        'route any/* (fallback)\n    good: *\n' +
        'route late (fallback)\n    down: big\n    cto: GPT5\n',
    );
  });

  test('says of each upstream and each target what stands against it', async () => {
    const told = await check(['cto', 'good', 'refused', 'down'], ROUTES);
    assert.equal(told.code, 1, told.stdout + told.stderr);
    assert.match(told.of('cto'), /account +first\n[^]*account +second\n[^]*PROBLEM: /);
    assert.match(told.of('good'), /accepted\n[^]*2: big, small/);
    assert.doesNotMatch(told.of('good'), /PROBLEM/);
    assert.match(told.of('refused'), /PROBLEM: .*status 401.*refuses our key/);
    assert.match(told.of('down'), /PROBLEM: .*127\.0\.0\.1/);
    const lists = ['chat', 'shared', 'any/*', 'late'].map((name) => told.of(name).trimEnd());
    assert.deepEqual(lists, [
      `route chat, talk, main (fallback)\n    good: big\n${CHANGES}` +
        '    good: huge  PROBLEM: the upstream does not list this model: choose one of those above',
      'route shared (weighted)\n    good: big, weight 3\n' +
        '    refused: big, weight 1  PROBLEM: the upstream cannot be used: see above',
      'route any/* (fallback)\n    good: *',
      'route late (fallback)\n    down: big  PROBLEM: the upstream cannot be used: see above\n' +
        '    cto: GPT5',
    ]);
    assert.match(told.stdout, /Not all upstreams, accounts and targets can be used\.\n$/);
    assert.deepEqual(await cto.posts(), [], 'no prompt');
    assert.deepEqual(await local.log('completion'), [], 'no prompt');
  });

  test('is content where everything can be used', async () => {
    const routes = 'default_model: a\nmodels: [{name: a, targets: [{upstream: good, model: big}]}]';
    const told = await check(['good'], routes);
    assert.equal(told.code, 0, told.stdout + told.stderr);
    assert.match(told.stdout, /All upstreams, accounts and targets can be used\.\n$/);
  });

  test('fails for a target alone', async () => {
    const routes = 'default_model: a\nmodels: [{name: a, targets: [{upstream: good, model: no}]}]';
    const told = await check(['good'], routes);
    assert.equal(told.code, 1, told.stdout);
    assert.match(told.of('a'), /good: no  PROBLEM: the upstream does not list this model/);
  });

  test('says the same through a gateway that runs', async () => {
    const file = settings(['good', 'refused'], ROUTES.replace(/ *- name: late[^]*/, ''));
    const dir = tempDir();
    const env = { STORE_URL: `sqlite:${dir}/state.db`, API_MASTER_KEY: KEY };
    await Gateway.start({ args: ['--config', file], env });
    const told = await run(['check', '--config', file], { env: { ...env, LISTEN: '127.0.0.1:0' } });
    assert.match(told.stdout, /asked by the gateway that runs/, told.stderr);
    assert.match(told.stdout, /good: huge  PROBLEM: the upstream does not list this model/);
    assert.match(told.stdout, /refused: big, weight 1  PROBLEM: /);
    assert.equal(told.code, 1);
  });
});
