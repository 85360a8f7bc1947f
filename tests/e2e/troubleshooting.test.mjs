// SPDX-License-Identifier: Apache-2.0
// Troubleshooting in docs/operations.md: each symptom of its tables is provoked, and what one sees
// has the words that stand there.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Gateway, KEY, Simulator, finish, run } from './lib/harness.mjs';
import { secret, tempDir, until, world } from './lib/harness.mjs';

const PAGE = fileURLToPath(new URL('../../docs/operations.md', import.meta.url));
const MEBIBYTE = 1024 * 1024;

after(finish);

const user = (content) => ({ messages: [{ role: 'user', content }] });

/** What a command says that ends by itself. */
async function said(words, env = {}, dir = tempDir()) {
  const { stdout, stderr } = await run(words, { cwd: dir, env: { STATE_DIRECTORY: dir, ...env } });
  return stdout + stderr;
}

/** What a client is told by a gateway with a simulator, both of its own. */
async function told(env, prepare, body = user('!echo x'), headers = {}) {
  const { sim, gw } = await world({ env });
  const undo = await prepare?.({ sim, gw });
  const { status, text } = await gw.post(body, { headers });
  await undo?.();
  return `${status} ${text}`;
}

const withFault = (fault, env) => told(env, ({ sim }) => sim.fault({ times: -1, ...fault }));

/** A port that somebody has, while `work` is done. */
async function withPort(work) {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = `127.0.0.1:${server.address().port}`;
  const result = await work(at);
  server.close();
  return [at, result];
}

const [nobody] = await withPort(() => {});

/** One answer fills the only place, until the function that is returned was called. */
async function fill({ gw }) {
  const body = { ...user('!set first_ms=60000\n!echo late'), stream: true };
  const { request } = await gw.beginStream(body);
  await until(async () => (await gw.metrics()).enginelabs_leases === 1, 'one runs');
  return async () => {
    request.destroy();
    await until(async () => (await gw.metrics()).exchanges === 0, 'it is over');
  };
}

/** Posts of which nobody sends the end hold their beginning in buffers. */
async function fillBuffers({ gw }) {
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'Host: x',
    `Authorization: Bearer ${KEY}`,
    'Content-Type: application/json',
    `Content-Length: ${2 * MEBIBYTE}`,
  ];
  const socket = net.connect(gw.port, '127.0.0.1');
  socket.on('error', () => {});
  let answer = '';
  socket.setEncoding('utf8').on('data', (text) => (answer += text));
  socket.write(`${head.join('\r\n')}\r\n\r\n{"x":"${'x'.repeat(MEBIBYTE + 65536)}`);
  await until(() => answer.includes('}}'), 'an answer');
  socket.destroy();
  return answer.replace('HTTP/1.1 ', '');
}

const image = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }];
const wrong = secret('sk-wrong-7d21', 'a wrong key');
const slow = secret('sk-slow-91ac', 'a key with a limit');
const limited = `keys: [{name: slow, key: ${slow}, requests_per_minute: 1}]\n`;

/** By the first words of a row. */
const PROVOKE = {
  'CLERK_COOKIE is not set': () => said(['serve']),
  'which other machines can reach, and API_MASTER_KEY is not set': () =>
    said(['serve', '--demo', '--listen', '0.0.0.0:0']),
  'Address already in use; something else listens there': async () =>
    (await withPort((at) => said(['serve', '--demo', '--listen', at])))[1],
  'is in use by the process with pid': async () => {
    const { sim, gw } = await world({ env: { STORE_URL: 'sqlite:' } });
    const env = { ...sim.env(), HOME: gw.program.dir, STATE_DIRECTORY: undefined };
    return said(['serve', '--listen', '127.0.0.1:0'], env, gw.program.dir);
  },
  'is no setting and has no effect; did you mean': async () => {
    const dir = tempDir();
    fs.writeFileSync(path.join(dir, '.env'), 'LOG_LEVL=debug\n');
    return said(['check', '--offline'], { CLERK_COOKIE: 'c' }, dir);
  },
  'Is it running? LISTEN says where': () => said(['models', '--listen', nobody]),
  'no gateway answers at': () => said(['reload'], { CLERK_COOKIE: 'c' }),
  'another value of these needs a restart': async () => {
    const dir = tempDir();
    const { sim, gw } = await world({ env: { STORE_URL: 'sqlite:' }, cwd: dir });
    fs.writeFileSync(path.join(dir, '.env'), 'WORKERS=3\n');
    const env = { ...sim.env(), HOME: dir, STATE_DIRECTORY: undefined, LISTEN: gw.address };
    return said(['reload'], env, dir);
  },
  missing_api_key: () => told({}, null, user('x'), { authorization: '' }),
  invalid_api_key: () => told({}, null, user('x'), { authorization: `Bearer ${wrong}` }),
  'takes no requests from web pages of other origins': () =>
    told({ API_MASTER_KEY: undefined }, null, user('x'), { origin: 'https://app.example' }),
  'answers only to the Host localhost or 127.0.0.1': () =>
    told({ API_MASTER_KEY: undefined }, null, user('x'), { host: 'gateway.lan' }),
  admin_disabled: async () => {
    const { gw } = await world();
    const { status, text } = await gw.get('/admin/api/problems');
    return `${status} ${text}`;
  },
  model_not_found: () => told({}, null, { model: 'GPT6', ...user('x') }),
  context_length_exceeded: () => told({}, null, user('x'.repeat(20001))),
  'has an image, and the upstream of this model takes only text': () => told({}, null, user(image)),
  queue_timeout: () => told({ ENGINELABS_MAX_PARALLEL: 1, QUEUE_TIMEOUT: 0.2 }, fill),
  rate_limit_exceeded: async () => {
    const dir = tempDir();
    fs.writeFileSync(path.join(dir, 'enginelabs-2api.yaml'), limited);
    const { gw } = await world({ cwd: dir });
    const headers = { authorization: `Bearer ${slow}` };
    // Of three in a row two are in one minute of the clock, wherever that ends.
    for (let i = 0; i < 3; i++) {
      const { status, text } = await gw.post(user('!echo x'), { headers });
      if (status !== 200) return `${status} ${text}`;
    }
    return 'none was refused';
  },
  insufficient_quota: () => withFault({ where: 'post', status: 402 }),
  upstream_auth_failed: () => withFault({ where: 'client', kind: 'signed_out' }),
  upstream_challenge: () => withFault({ where: 'token', kind: 'challenge' }),
  upstream_unavailable: () => told({ CLERK_URL: `http://${nobody}` }),
  upstream_timeout: () =>
    withFault({ where: 'post', kind: 'hang' }, { UPSTREAM_ACCEPT_TIMEOUT: 0.2 }),
  upstream_interrupted: () => withFault({ where: 'frames', kind: 'cut', at: 1 }),
  overloaded: async () => fillBuffers(await world({ env: { MEMORY_LIMIT: '1MiB' } })),
};

/** [status, words...] of each row's first cell. */
function symptoms() {
  const text = fs.readFileSync(PAGE, 'utf8');
  const section = /^## Troubleshooting\n([\s\S]*?)^## /m.exec(text)[1];
  return [...section.matchAll(/^\| ((?:\d{3} )?)(`[^|]*`) \|/gm)].map(([, status, cell]) => ({
    status: status.trim(),
    words: [...cell.matchAll(/`([^`]+)`/g)].map(([, words]) => words),
  }));
}

test('each symptom of the page is provoked here, and no other', () => {
  const keys = symptoms().map(({ words }) => words[0]);
  assert.deepEqual(keys.sort(), Object.keys(PROVOKE).sort());
});

for (const { status, words } of symptoms())
  test(`${status} ${words[0]} is what one sees`, async () => {
    const seen = await PROVOKE[words[0]]();
    for (const part of words) assert.ok(seen.includes(part), `${part} in: ${seen}`);
    if (status) assert.equal(seen.slice(0, 3), status, seen);
  });

test('a session of another sign-in is named, where one is set', async () => {
  const bare = await told({ CLERK_COOKIE: 'x' });
  const set = await told({ CLERK_SESSION_ID: 'sess_x' });
  assert.match(set, /^502 .*CLERK_SESSION_ID.* leave it out\./);
  assert.match(bare, /^502 .*is signed out/);
  assert.doesNotMatch(bare, /CLERK_SESSION_ID/);
});

test('what a signed-out account is told to do helps: a new cookie, and reload', async () => {
  const dir = tempDir();
  const sim = await Simulator.start();
  const put = (cookie) => fs.writeFileSync(path.join(dir, '.env'), `CLERK_COOKIE='${cookie}'\n`);
  put('__client=eyJhbGciOiJSUzI1NiJ9.bm8.bm8');
  const env = { ...sim.env(), CLERK_COOKIE: undefined, STORE_URL: 'sqlite:', STATE_DIRECTORY: dir };
  const gw = await Gateway.start({ env, cwd: dir });
  const { text } = await gw.post(user('!echo x'));
  assert.match(text, /is signed out.* into CLERK_COOKIE .*reload\./);
  put(sim.cookie);
  assert.match(await said(['reload'], env, dir), /CLERK_COOKIE/);
  assert.equal((await gw.post(user('!echo x'))).status, 200);
});
