// SPDX-License-Identifier: Apache-2.0
// The first run: `init` tries the cookie and writes a file with which everything else works.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { BINARY, Gateway, Simulator, finish, run, tempDir } from './lib/harness.mjs';

after(finish);

let sim;
before(async () => {
  sim = await Simulator.start();
});

/** In a folder of its own, with `input` typed. */
async function init(input, { dir = tempDir(), words = [], env = {} } = {}) {
  const { CLERK_COOKIE: _, ...hosts } = sim.env();
  const state = path.join(dir, 'state');
  const said = await run(['init', ...words], {
    cwd: dir,
    input,
    env: { ...hosts, STATE_DIRECTORY: state, STORE_URL: 'sqlite:', ...env },
  });
  return { ...said, dir, file: path.join(dir, '.env') };
}

test('a cookie that works becomes a file of its own, with new keys', async () => {
  const inputs = [sim.cookie, `  Cookie: ${sim.cookie}\r\n`, `${sim.cookie}\n`];
  const keys = new Set();
  for (const input of inputs) {
    const { code, stdout, stderr, file } = await init(input);
    assert.equal(code, 0, stderr);
    assert.ok(!stdout.includes(sim.cookie) && !stderr.includes(sim.cookie), 'it is not shown');
    assert.ok(stdout.endsWith(`\n  ${BINARY} serve\n`), 'the next command works as it stands');
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    const text = fs.readFileSync(file, 'utf8');
    for (const name of ['API_MASTER_KEY', 'ADMIN_KEY'])
      keys.add(new RegExp(`^${name}=([a-z]+-[0-9A-Za-z]{32})$`, 'm').exec(text)[1]);
    assert.ok(!stdout.includes([...keys].at(-1)) && !stderr.includes([...keys].at(-1)));
  }
  assert.equal(keys.size, 2 * inputs.length, 'no key is given twice');
});

test('with that file the gateway serves', async () => {
  const { dir, file } = await init(sim.cookie);
  const key = /^API_MASTER_KEY=(.*)$/m.exec(fs.readFileSync(file, 'utf8'))[1];
  const { CLERK_COOKIE: _, ...hosts } = sim.env();
  const env = { ...hosts, API_MASTER_KEY: '', STATE_DIRECTORY: path.join(dir, 'state') };
  const gw = await Gateway.start({ env: { ...env, STORE_URL: 'sqlite:' }, cwd: dir });
  const headers = { authorization: `Bearer ${key}` };
  const answer = await gw.get('/v1/models', headers);
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await gw.get('/v1/models')).status, 401);
});

test('a cookie that does not work is told, and nothing is written', async () => {
  const { code, stdout, stderr, file } = await init('__client=nobody');
  assert.equal(code, 1);
  assert.match(stdout, /PROBLEM/);
  assert.match(stderr, /cannot be used \(see above\); nothing was written/);
  assert.match(stderr, /^Run init again/m);
  assert.doesNotMatch(stderr, /ERROR|is signed out/, 'the report says it, once');
  assert.ok(!fs.existsSync(file));
});

test('no cookie: the demo is named', async () => {
  for (const input of ['', '\n', '  \n', 'Cookie:\n']) {
    const { code, stderr, file } = await init(input);
    assert.equal(code, 1);
    assert.match(stderr, /serve --demo/);
    assert.ok(!fs.existsSync(file));
  }
});

test('a file that is there is left as it is', async () => {
  const dir = tempDir();
  fs.writeFileSync(path.join(dir, '.env'), 'API_MASTER_KEY=mine\n');
  const refused = await init(sim.cookie, { dir });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /\.env is there already and is left as it is/);
  assert.equal(fs.readFileSync(refused.file, 'utf8'), 'API_MASTER_KEY=mine\n');
  const other = await init(sim.cookie, { dir, words: ['--env-file', 'other.env'] });
  assert.equal(other.code, 0, other.stderr);
  assert.match(other.stdout, /serve --env-file other\.env/);
  assert.match(fs.readFileSync(path.join(dir, 'other.env'), 'utf8'), /^CLERK_COOKIE='/m);
});

test('a place that cannot be written to is told', async () => {
  const { code, stderr } = await init(sim.cookie, { words: ['--env-file', 'no/such/place'] });
  assert.equal(code, 1);
  assert.match(stderr, /cannot write no\/such\/place: No such file or directory/);
  assert.match(stderr, /name one: init --env-file FILE/);
  assert.doesNotMatch(stderr, /Your cookie/, 'before somebody pastes one for nothing');
});

test('a gateway that runs is told before the cookie is asked for', async () => {
  const dir = tempDir();
  const env = { ...sim.env(), STATE_DIRECTORY: path.join(dir, 'state'), STORE_URL: 'sqlite:' };
  await Gateway.start({ env, cwd: dir });
  const { code, stderr, file } = await init(sim.cookie, { dir });
  assert.equal(code, 1);
  assert.match(stderr, /is in use by the process with pid \d+: stop it/);
  assert.doesNotMatch(stderr, /Your cookie/);
  assert.ok(!fs.existsSync(file));
});

test('other settings that are wrong are told before the cookie is asked for', async () => {
  const { code, stderr, file } = await init(sim.cookie, { env: { WORKERS: 'many' } });
  assert.equal(code, 2);
  assert.match(stderr, /^environment: WORKERS is "many": expected/m);
  assert.doesNotMatch(stderr, /Your cookie/);
  assert.ok(!fs.existsSync(file));
});
