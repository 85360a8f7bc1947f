// SPDX-License-Identifier: Apache-2.0
// Several accounts: who answers, what becomes of one that is signed out, cookies that are replaced
// while the gateway runs, and the line of those who wait.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { answeredBy, cookies, gatewayOf, letter, service, settingsFile } from './lib/accounts.mjs';
import { assertError } from './lib/errors.mjs';
import { Gateway, KEY, finish, run, tempDir, until } from './lib/harness.mjs';
import { readiness } from './lib/home.mjs';
import { Talk } from './lib/talk.mjs';

after(finish);

const user = (content) => [{ role: 'user', content }];
const ENDLESS = '!frames 10000 every 200';
const SIGNED_OUT = { where: 'token', kind: 'signed_out', times: -1 };

const signedOut = async (gw) => (await gw.metrics()).enginelabs_accounts_signed_out;
const isLogged = (gw, message, account) =>
  gw.logLines.some((line) => line.message === message && line.account === account);

/** Asks until the answer is whole. */
async function answered(gw, content = '!echo yes') {
  const answer = await gw.post({ model: 'GPT5', messages: user(content) });
  assert.equal(answer.status, 200, answer.text);
  return answer.json().choices[0].message.content;
}

/** A gateway whose accounts have their cookies in files: { sim, gw, files, check }. */
async function withFiles(n, all = 2) {
  const sim = await service(all);
  const dir = tempDir();
  const own = (await cookies(sim)).slice(0, n);
  const accounts = own.map((cookie, i) => {
    const file = path.join(dir, `${letter(i)}.cookie`);
    fs.writeFileSync(file, `${cookie}\n`);
    return { name: letter(i), cookie_file: file, max_parallel: 2 };
  });
  const config = ['--config', settingsFile(sim, accounts)];
  const gw = await Gateway.start({ args: config, cwd: dir });
  const env = { API_MASTER_KEY: KEY, LISTEN: '127.0.0.1:0' };
  const check = () => run(['check', ...config], { cwd: dir, env });
  return { sim, gw, check, files: accounts.map((account) => account.cookie_file) };
}

/** As an editor or a secret's mount does it. */
function replaceFile(file, text) {
  fs.writeFileSync(`${file}.new`, text);
  fs.renameSync(`${file}.new`, file);
}

describe('a cookie in a file', () => {
  test('that is replaced is used without a restart', async () => {
    const { sim, gw, files } = await withFiles(1);
    const [, other] = await cookies(sim);
    await answered(gw);
    replaceFile(files[0], other);
    await until(async () => {
      await answered(gw);
      return (await answeredBy(sim)).at(-1) === 1;
    }, 'the other cookie is used');
    await until(() => isLogged(gw, 'a cookie was replaced', 'A'), 'it is told');
    assert.deepEqual(await sim.violations(), []);
  });

  test('of CLERK_COOKIE_FILE just the same, written in place', async () => {
    const sim = await service(2);
    const [first, second] = await cookies(sim);
    const file = path.join(tempDir(), 'cookie');
    fs.writeFileSync(file, first);
    const urls = { ENGINELABS_API_URL: sim.url, CLERK_URL: sim.url };
    const gw = await Gateway.start({ env: { ...urls, CLERK_COOKIE_FILE: file } });
    await answered(gw);
    fs.writeFileSync(file, second);
    await until(async () => {
      await answered(gw);
      return (await answeredBy(sim)).at(-1) === 1;
    }, 'the other cookie is used');
  });

  test('that is no cookie changes nothing', async () => {
    const { sim, gw, files } = await withFiles(1);
    await answered(gw);
    replaceFile(files[0], '');
    replaceFile(files[0], 'a\u0001b');
    const refused = 'a cookie cannot be used; the one before it stays';
    await until(() => isLogged(gw, refused, 'A'), 'it is refused');
    await answered(gw);
    assert.deepEqual(await sim.violations(), []);
  });
});

describe('the only account, signed out,', () => {
  test('is told everywhere, and is back when its file has another cookie', async () => {
    const { sim, gw, files, check } = await withFiles(1);
    const [, other] = await cookies(sim);
    await sim.fault({ ...SIGNED_OUT, account: 0 });
    const want = { status: 502, code: 'upstream_auth_failed' };
    assertError(await gw.post({ messages: user('x') }), want);
    assert.equal(await signedOut(gw), 1);
    await until(() => isLogged(gw, 'an account is signed out', 'A'), 'it is told');
    const { status, problems } = await readiness(gw);
    assert.equal(status, 503);
    assert.match(problems.cto, /"A" is signed out/);
    const { code, stdout } = await check();
    assert.equal(code, 1);
    assert.match(stdout, /PROBLEM.*signed out/);
    const tokens = (await sim.log('token')).length;
    assertError(await gw.post({ messages: user('x') }), want);
    assert.equal((await sim.log('token')).length, tokens, 'the service is not asked meanwhile');

    replaceFile(files[0], other);
    await until(async () => (await readiness(gw)).status === 200, 'it is ready again');
    assert.equal(await signedOut(gw), 0);
    await answered(gw);
    assert.deepEqual(await answeredBy(sim), [1]);
    assert.equal((await check()).code, 0);
  });
});

describe('one of two accounts, signed out,', () => {
  test('is passed over until its file has another cookie', async () => {
    const { sim, gw, files } = await withFiles(2, 3);
    const all = await cookies(sim);
    await sim.fault({ ...SIGNED_OUT, account: 0 });
    for (let i = 0; i < 6; i++) await answered(gw);
    assert.deepEqual(await answeredBy(sim), [1, 1, 1, 1, 1, 1]);
    assert.equal(await signedOut(gw), 1);
    await until(() => isLogged(gw, 'an account is signed out', 'A'), 'it is told');
    assert.ok(!isLogged(gw, 'an account is signed out', 'B'));
    assert.equal((await readiness(gw)).status, 200, 'one is enough');
    replaceFile(files[0], all[2]);
    await until(async () => (await signedOut(gw)) === 0, 'it is tried again');
    for (let i = 0; i < 4; i++) await answered(gw);
    const by = (await answeredBy(sim)).slice(6);
    assert.deepEqual(by.sort(), [1, 1, 2, 2]);
  });

  test('is named by check, which fails', async () => {
    const { sim, check } = await withFiles(2);
    await sim.fault({ ...SIGNED_OUT, account: 1 });
    const { code, stdout } = await check();
    assert.equal(code, 1, stdout);
    assert.match(stdout, /\bA\b/);
    assert.match(stdout, /PROBLEM.*"B".*signed out/);
  });
});

describe('two accounts', () => {
  test('share what is to be done', async () => {
    const sim = await service(2);
    const gw = await gatewayOf(sim, 2, { account: { max_parallel: 2 } });
    const streams = [];
    for (let i = 0; i < 4; i++) {
      const stream = await gw.stream({ model: 'GPT5', messages: user(`${i}\n${ENDLESS}`) });
      await stream.readUntil((chunk) => chunk.choices[0].delta.content);
      streams.push(stream);
    }
    const { accounts } = await sim.state();
    assert.deepEqual(accounts.map(({ tasks }) => tasks), [2, 2]);
    assert.deepEqual([...(await answeredBy(sim))].slice(0, 2).sort(), [0, 1], 'by turns');
    for (const stream of streams) stream.leave();
  });

  test('keep the conversations that they have', async () => {
    const sim = await service(2);
    const gw = await gatewayOf(sim, 2, { account: { max_parallel: 2 } });
    const talks = [new Talk(), new Talk({ stream: false }), new Talk()];
    for (let turn = 0; turn < 5; turn++) for (const talk of talks) await talk.say(gw);
    const posts = await sim.posts();
    const homes = talks.map((talk) => {
      const chats = new Set(talk.judge(posts).map(({ chat }) => chat));
      assert.equal(chats.size, 1, 'one chat');
      const by = new Set(posts.filter(({ chat }) => chats.has(chat)).map((p) => p.account));
      assert.equal(by.size, 1, 'one account');
      return [...by][0];
    });
    assert.deepEqual([...new Set(homes)].sort(), [0, 1]);
  });

  test('hand a conversation over when its own one cannot go on', async () => {
    const sim = await service(2);
    const gw = await gatewayOf(sim, 2, { account: { max_parallel: 2 } });
    const talk = new Talk();
    await talk.say(gw);
    const [home] = await answeredBy(sim);
    await sim.fault({ where: 'post', status: 429, retry_after: '60', account: home, times: -1 });
    for (let turn = 0; turn < 3; turn++) await talk.say(gw);
    assert.deepEqual(await answeredBy(sim), [home, 1 - home, 1 - home, 1 - home]);
    const turns = talk.judge(await sim.posts());
    assert.deepEqual(turns.map(({ isContinued }) => isContinued), [false, false, true, true]);
  });

  test('do not try again and again the one in trouble that has the conversation', async () => {
    const sim = await service(2);
    const gw = await gatewayOf(sim, 2, { account: { max_parallel: 2 } });
    const talk = new Talk();
    await talk.say(gw);
    const [home] = await answeredBy(sim);
    await sim.fault({ where: 'ws', status: 503, account: home, times: -1 });
    await talk.say(gw);
    assert.deepEqual(await answeredBy(sim), [home, 1 - home]);
  });
});

describe('the line', () => {
  /** A gateway all of whose accounts are busy. */
  async function busy(env) {
    const sim = await service(2);
    const gw = await gatewayOf(sim, 2, { env, account: { max_parallel: 1 } });
    const streams = [];
    for (let i = 0; i < 2; i++) {
      const stream = await gw.stream({ model: 'GPT5', messages: user(`${i}\n${ENDLESS}`) });
      await stream.readUntil((chunk) => chunk.choices[0].delta.content);
      streams.push(stream);
    }
    const leave = () => streams.forEach((stream) => stream.leave());
    return { sim, gw, leave };
  }

  const waiting = async (gw) => (await gw.metrics()).enginelabs_waiting;

  test('ends at QUEUE_TIMEOUT, with a time to come back', async () => {
    const { sim, gw, leave } = await busy({ QUEUE_TIMEOUT: 0.3 });
    for (const stream of [false, true]) {
      const answer = await gw.post({ model: 'GPT5', stream, messages: user('x') });
      assertError(answer, { status: 429, code: 'queue_timeout' });
      assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d*$/);
    }
    assert.equal(await waiting(gw), 0);
    assert.equal((await sim.posts()).length, 2);
    leave();
  });

  test('is left by a client that leaves', async () => {
    const { sim, gw, leave } = await busy({ QUEUE_TIMEOUT: 60 });
    const requests = [];
    for (let i = 0; i < 4; i++)
      requests.push(await gw.begin({ model: 'GPT5', stream: i % 2 === 0, messages: user('x') }));
    await until(async () => (await waiting(gw)) === 4, 'they wait');
    for (const request of requests.slice(1)) request.destroy();
    await until(async () => (await waiting(gw)) === 1, 'three have left');
    requests[0].destroy();
    await until(async () => (await waiting(gw)) === 0, 'all have left');
    assert.equal((await sim.posts()).length, 2);
    leave();
  });
});
