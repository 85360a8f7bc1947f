// SPDX-License-Identifier: Apache-2.0
// Where secrets must not be: the command line, logs of every level, metrics, errors, what operators
// are shown, files that others may read, cores. An upstream that repeats its key is one more way.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { cookies } from './lib/accounts.mjs';
import * as harness from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { PlainUpstream } from './lib/plain.mjs';

const { BINARY, Gateway, KEY, Program, Simulator, finish, secret, tempDir, until } = harness;

const ADMIN = secret('admin-7c2f8e01b4d9', 'the admin key');
const LAPTOP = secret('sk-laptop-5d2e9a7c31', 'a key of a client');
const UPSTREAM_KEY = secret('sk-up-93ab10c7de52', 'the key of an upstream');
const REDIS = secret('redis-pass-2b8d11', 'a password in a URL');
const all = [KEY, ADMIN, LAPTOP, UPSTREAM_KEY];

let gw;
let plain;
let state;
const shown = [];

const user = (content) => ({ messages: [{ role: 'user', content }] });

before(async () => {
  const sim = await Simulator.start();
  await sim.set({ token_life_s: 2, pacing: { first_ms: 1, every_ms: 1 } });
  plain = await PlainUpstream.start();
  const [cookie] = await cookies(sim);
  all.push(cookie, cookie.replace('__client=', ''));
  state = path.join(tempDir(), 'state');
  const config = path.join(tempDir(), 'settings.yaml');
  const cto = { name: 'cto', provider: 'enginelabs', api_url: sim.url, clerk_url: sim.url };
  const local = { name: 'local', provider: 'openai', base_url: plain.url, models: ['llama'] };
  const upstreams = [
    { ...cto, accounts: [{ name: 'work', cookie }] },
    { ...local, api_keys: [UPSTREAM_KEY] },
  ];
  const keys = [{ name: 'laptop', key: LAPTOP }];
  fs.writeFileSync(config, JSON.stringify({ upstreams, keys }));
  const env = { ADMIN_KEY: ADMIN, STATE_DIRECTORY: state };
  gw = await Gateway.start({ args: ['--config', config], env });
});
after(finish);

/** Asks, and keeps what came for the last test. */
async function ask(options) {
  const answer = await fetchWhole(gw.port, options);
  shown.push(`${options.path}: ${JSON.stringify(answer.headers)} ${answer.text}`);
  return answer;
}

const post = (body, key = KEY) =>
  ask({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('a gateway with secrets of every kind', () => {
  test('is used, rightly and wrongly', async () => {
    assert.equal((await post(user('hello'))).status, 200);
    assert.equal((await post(user('hello'), LAPTOP)).status, 200);
    assert.equal((await post(user('hello'), `${LAPTOP.slice(0, -1)}x`)).status, 403);
    assert.equal((await post(user('!fault post 401'))).status, 502);
    assert.equal((await post({ ...user('x'), model: `no-${'x'.repeat(10)}` })).status, 404);
    assert.equal((await post({ model: KEY, messages: 7 })).status, 400);
  });

  test('has an upstream that repeats its key in errors of every status', async () => {
    for (const status of [400, 401, 403, 404, 409, 413, 422, 429, 500, 503]) {
      plain.handle = async (request, response) => {
        const message = `Incorrect API key provided: ${request.headers.authorization}`;
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ error: { message, type: 'x', code: UPSTREAM_KEY } }));
      };
      assert.ok((await post({ ...user('x'), model: 'llama' })).status >= 400);
    }
  });

  test('shows operators all there is', async () => {
    const operator = { authorization: `Bearer ${ADMIN}` };
    for (const what of ['overview', 'settings', 'accounts', 'keys', 'live', 'usage', 'routes'])
      await ask({ path: `/admin/api/${what}`, headers: operator });
    for (const what of ['/metrics', '/readyz', '/healthz', '/', '/v1/models'])
      await ask({ path: what, headers: { authorization: `Bearer ${KEY}` } });
    assert.ok(shown.some((text) => text.startsWith('/admin/api/settings') && text.includes('cto')));
  });

  test('says none of them anywhere', async () => {
    await until(() => gw.logLines.some(({ level }) => level === 'debug'), 'it logs all');
    const cmdline = fs.readFileSync(`/proc/${gw.program.pid}/cmdline`, 'latin1');
    const places = { cmdline, log: gw.log, answers: shown.join('\n') };
    for (const [place, text] of Object.entries(places))
      for (const value of all) assert.ok(!text.includes(value), `${place} shows ${value}`);
    for (const text of Object.values(places)) assert.doesNotMatch(text, /eyJ[\w-]{8,}\.[\w-]{8,}/);
  });

  test('keeps its files to itself', () => {
    const names = fs.readdirSync(state);
    assert.ok(names.includes('state.db') && names.includes('state.db.control'), names.join());
    assert.equal(fs.statSync(state).mode & 0o777, 0o700);
    for (const name of names)
      assert.equal(fs.statSync(path.join(state, name)).mode & 0o177, 0, name);
  });
});

describe('a crash', () => {
  const SCRIPT = [
    'import os, resource, signal, subprocess, sys',
    'soft, hard = resource.getrlimit(resource.RLIMIT_CORE)',
    'resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))',
    'pid = os.fork()',
    'pid or os.execv(sys.argv[1], sys.argv[1:])',
    'print(pid, flush=True)',
    'print(os.WCOREDUMP(os.waitpid(pid, 0)[1]), flush=True)',
  ].join('\n');

  /** Whether a core is written when it crashes. */
  async function crash(env) {
    const args = ['-c', SCRIPT, BINARY, 'serve', '--demo'];
    const program = new Program('python3', args, { env: { LISTEN: '127.0.0.1:0', ...env } });
    await until(() => program.stderr.includes('listening'), 'it listens');
    process.kill(Number(program.stdout), 'SIGSEGV');
    await program.end();
    return program.stdout.trim().endsWith('True');
  }

  test('leaves no core, but with CORE_DUMPS', async () => {
    assert.equal(await crash({}), false);
    assert.equal(await crash({ CORE_DUMPS: 'true' }), true);
  });
});

test('a store that cannot be reached is named without its password', async () => {
  const url = `redis://user:${REDIS}@127.0.0.1:1/0`;
  const own = new Gateway({ args: ['--demo'], env: { STORE_URL: `${url}x` } });
  assert.notEqual((await own.program.end()).code, 0);
  assert.ok(!own.log.includes(REDIS), own.log);
});
