// SPDX-License-Identifier: Apache-2.0
// Settings are loaded anew while the gateway runs: by SIGHUP and by `reload`, as a whole or not at
// all, and nobody who is being served notices.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { answeredBy, cookies, service } from './lib/accounts.mjs';
import { CANARY, Gateway, KEY, Simulator, finish, run, secret, tempDir } from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { until } from './lib/until.mjs';

after(finish);

const UPSTREAM_KEY = secret('sk-upstream-reload-3', 'a key');
const NEW_KEY = secret('sk-e2e-reload-new-4', 'an API key');
const sims = {};

const user = (content) => [{ role: 'user', content: `${CANARY}\n${content}` }];

before(async () => {
  for (const name of ['one', 'two']) {
    sims[name] = await Simulator.start();
    await sims[name].set({ api_keys: UPSTREAM_KEY, models: ['big'], native: false });
  }
});

const openai = (name, sim = name) => `
  - name: ${name}
    provider: openai
    base_url: ${sims[sim].url}/v1
    api_key: ${UPSTREAM_KEY}
    models: [big]`;

/** `accounts`: [name, cookie] each. */
const enginelabs = (sim, accounts) => `
  - name: cto
    provider: enginelabs
    api_url: ${sim.url}
    clerk_url: ${sim.url}
    models: [GPT5]
    accounts:${accounts
      .map(([name, cookie]) => `\n      - {name: ${name}, max_parallel: 2, cookie: "${cookie}"}`)
      .join('')}`;

const route = (upstream, model = 'big') => `
models:
  - name: m
    targets: [{upstream: ${upstream}, model: ${model}}]
`;

/** A gateway on a settings file that write() replaces. */
async function start(yaml, env = {}) {
  for (const sim of Object.values(sims)) {
    await sim.clearFaults();
    await sim.clearLog();
  }
  const dir = tempDir();
  const file = path.join(dir, 'gateway.yaml');
  const write = (text) => {
    fs.writeFileSync(`${file}.new`, `default_model: m\nupstreams:${text}`, { mode: 0o600 });
    fs.renameSync(`${file}.new`, file);
  };
  write(yaml);
  const all = { STATE_DIRECTORY: tempDir(), ...env };
  const gw = await Gateway.start({ args: ['--config', file], env: all });
  const command = () => run(['reload', '--config', file], { cwd: dir, env: all });
  return { gw, write, command, file };
}

const reloads = (gw) => gw.logLines.filter((line) => /reloaded/.test(line.message ?? ''));

/** Sends SIGHUP and waits for what the log says of it. */
async function hup(gw) {
  const before = reloads(gw).length;
  gw.program.signal('SIGHUP');
  await until(() => reloads(gw).length > before, 'the reload is over');
  return reloads(gw).at(-1);
}

const ask = (gw, prompt = '!echo here') => gw.post({ messages: user(prompt) });

async function assertFrom(gw, upstream) {
  const answer = await ask(gw);
  assert.equal(answer.headers['x-upstream'], upstream, answer.text);
  assert.equal(answer.json().choices[0].message.content, 'here');
}

const both = () => openai('one') + openai('two');

test('routes lead elsewhere, and a stream of before goes on to its end', async () => {
  const { gw, write, command } = await start(both() + route('one'));
  const stream = await gw.stream({ messages: user('!pacing 5 20\n!lorem 60') });
  await stream.readUntil((event) => event.choices[0].delta.content);
  write(both() + route('two'));
  const told = await command();
  assert.equal(told.stdout, 'reloaded; changed:\n  models\n', told.stderr);
  assert.equal(told.code, 0);
  await assertFrom(gw, 'two');
  await stream.whole();
  assert.deepEqual(stream.finishReasons, ['stop']);
  assert.equal(stream.headers['x-upstream'], 'one');
  assert.equal((await command()).stdout, 'reloaded; nothing has changed\n');
  await gw.idle();
});

test('an upstream goes, and what runs there ends well', async () => {
  const { gw, write } = await start(both() + route('one'));
  const stream = await gw.stream({ messages: user('!pacing 5 20\n!lorem 60') });
  await stream.readUntil((event) => event.choices[0].delta.content);
  write(openai('two') + route('two'));
  const { changed } = await hup(gw);
  assert.deepEqual(JSON.parse(changed), ['no more upstream one', 'models']);
  await assertFrom(gw, 'two');
  const { parts } = (await gw.get('/readyz')).json();
  assert.deepEqual(parts.map((part) => part.name), ['gateway', 'two', 'store']);
  await stream.whole();
  assert.deepEqual(stream.finishReasons, ['stop']);
  await gw.idle();
});

test('a key of clients is replaced', async () => {
  const dir = tempDir();
  const keyFile = path.join(dir, 'key');
  fs.writeFileSync(keyFile, KEY);
  const env = { API_MASTER_KEY: undefined, API_MASTER_KEY_FILE: keyFile };
  const { gw, command } = await start(both() + route('one'), env);
  gw.key = KEY;
  await assertFrom(gw, 'one');
  fs.writeFileSync(keyFile, NEW_KEY);
  assert.equal((await command()).stdout, 'reloaded; changed:\n  API_MASTER_KEY\n');
  assert.equal((await ask(gw)).status, 403);
  gw.key = NEW_KEY;
  await assertFrom(gw, 'one');
});

test('settings with problems are refused, all of them named, and the old ones stay', async () => {
  const { gw, write, command } = await start(both() + route('one'));
  write(`${both()}${route('nobody')}queue_timeout: soon\nunknown_thing: 1\n`);
  const told = await command();
  assert.equal(told.code, 2);
  assert.equal(told.stdout, '');
  assert.match(told.stderr, /not reloaded, the old settings stay/);
  for (const name of ['targets.0..upstream', 'queue_timeout', 'unknown_thing'])
    assert.match(told.stderr, new RegExp(`gateway.yaml.*${name}`, 'i'));
  const line = await hup(gw);
  assert.equal(line.level, 'error');
  assert.equal(line.problems.trim().split('\n').length, 3);
  await assertFrom(gw, 'one');
  write(both() + route('two'));
  await hup(gw);
  await assertFrom(gw, 'two');
});

test('what needs a restart is refused by name, with all else', async () => {
  const { gw, write, command } = await start(both() + route('one'));
  write(`${both()}${route('two')}workers: 7\nmax_body_bytes: 1MiB\nstore_url: "memory:"\n`);
  const told = await command();
  assert.equal(told.code, 2);
  assert.match(told.stderr, /needs a restart:\n {2}WORKERS\n {2}STORE_URL\n {2}MAX_BODY_BYTES\n$/);
  await assertFrom(gw, 'one');
});

test('without a gateway, reload says so', async () => {
  const dir = tempDir();
  const told = await run(['reload'], { cwd: dir, env: { STATE_DIRECTORY: dir } });
  assert.equal(told.code, 1);
  assert.match(told.stderr, /no gateway answers at .*: /);
});

test('accounts come, go and change; one that goes finishes what runs on it', async () => {
  const sim = await service(3);
  const [a, b, c] = await cookies(sim);
  const { gw, write } = await start(enginelabs(sim, [['A', a]]) + route('cto', 'GPT5'));
  const streams = [];
  for (let i = 0; i < 2; i++) {
    streams.push(await gw.stream({ messages: user('!pacing 5 30\n!lorem 60') }));
    await streams[i].readUntil((event) => event.choices[0].delta.content);
  }
  // A is full. What runs on it goes on counting, so that a third answer is for B.
  write(enginelabs(sim, [['A', a], ['B', b]]) + route('cto', 'GPT5'));
  assert.deepEqual(JSON.parse((await hup(gw)).changed), ['upstream cto', 'new account B']);
  assert.equal((await ask(gw)).status, 200);
  assert.deepEqual(await answeredBy(sim), [0, 0, 1]);
  // A goes; its streams do not.
  write(enginelabs(sim, [['B', c]]) + route('cto', 'GPT5'));
  const { changed } = await hup(gw);
  assert.deepEqual(JSON.parse(changed), ['upstream cto', 'account B', 'no more account A']);
  assert.equal((await ask(gw)).status, 200);
  assert.deepEqual(await answeredBy(sim), [0, 0, 1, 2]);
  for (const stream of streams) assert.deepEqual((await stream.whole()).finishReasons, ['stop']);
  // Now they have ended: two more fit on B at once, and no third.
  assert.deepEqual(await sim.violations(), []);
  await gw.idle();
});

test('answers of before count until they end', async () => {
  const sim = await service(1);
  const [a] = await cookies(sim);
  const yaml = enginelabs(sim, [['A', a]]) + route('cto', 'GPT5');
  const { gw, write } = await start(yaml);
  const slow = '!pacing 5 40\n!lorem 60';
  const streams = [];
  for (let i = 0; i < 2; i++) {
    streams.push(await gw.stream({ messages: user(slow) }));
    await streams[i].readUntil((event) => event.choices[0].delta.content);
  }
  for (let i = 0; i < 3; i++) {
    write(`${yaml}upstream_accept_timeout: ${20 + i}\n`);
    await hup(gw);
  }
  const later = ask(gw);
  await until(async () => (await gw.metrics()).enginelabs_waiting === 1, 'it waits in line');
  for (const stream of streams) assert.deepEqual((await stream.whole()).finishReasons, ['stop']);
  assert.equal((await later).status, 200);
  assert.deepEqual(await sim.violations(), []);
  await gw.idle();
});

test('under load not one request fails, whatever is reloaded', async () => {
  const { gw, write, command } = await start(both() + route('one'));
  let isOver = false;
  let asked = 0;
  const wrong = [];
  const client = async (stream) => {
    while (!isOver) {
      asked++;
      if (stream) {
        const told = await (await gw.stream({ messages: user('!echo here') })).whole();
        if (told.text !== 'here' || told.finishReasons.join() !== 'stop' || !told.done)
          wrong.push(JSON.stringify(told.events));
      } else {
        const answer = await ask(gw);
        if (answer.json().choices?.[0].message.content !== 'here') wrong.push(answer.text);
      }
    }
  };
  const clients = Array.from({ length: 12 }, (_, i) => client(i % 2 === 0));
  const yamls = [
    both() + route('two'),
    openai('two') + route('two'),
    openai('new', 'one') + openai('two') + route('new'),
    `${both()}${route('one')}request_broken: yes\n`,
    `${both()}${route('one')}upstream_accept_timeout: 17\n`,
    both() + route('one'),
  ];
  for (let i = 0; i < 24; i++) {
    const before = asked;
    write(yamls[i % yamls.length]);
    if (i % 2) await command();
    else await hup(gw);
    await until(() => asked > before + 24, 'requests went on');
  }
  isOver = true;
  await Promise.all(clients);
  assert.deepEqual(wrong, []);
  assert.equal(reloads(gw).filter((line) => line.level === 'info').length, 20);
  await gw.idle();
});

test('nothing piles up', async () => {
  // What the address sanitizer holds back for a while, though it is free, is not counted.
  const ASAN_OPTIONS = `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=8`;
  const { gw, write } = await start(both() + route('one'), { ASAN_OPTIONS });
  const fds = () => fs.readdirSync(`/proc/${gw.program.pid}/fd`).length;
  const status = () => fs.readFileSync(`/proc/${gw.program.pid}/status`, 'utf8');
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(status())[1]);
  const turn = async (i) => {
    write(`${both()}${route(i % 2 ? 'one' : 'two')}upstream_accept_timeout: ${i + 10}\n`);
    await hup(gw);
    await assertFrom(gw, i % 2 ? 'one' : 'two');
  };
  for (let i = 0; i < 20; i++) await turn(i);
  const before = { fds: fds(), rss: rss() };
  for (let i = 20; i < 100; i++) await turn(i);
  assert.ok(fds() <= before.fds + 2, `${fds()} descriptors, ${before.fds} before`);
  assert.ok(rss() < before.rss * 1.3 + 2048, `${rss()} KiB, ${before.rss} before`);
  await gw.idle();
});

test('what was replaced is gone: its signed-out account is not counted any more', async () => {
  const sim = await service(2);
  const [a, b] = await cookies(sim);
  const yaml = (cookie) => enginelabs(sim, [['A', cookie]]) + route('cto', 'GPT5');
  const signedOut = async () => (await gw.metrics()).enginelabs_accounts_signed_out;
  const dead = secret(`${a}gone`, 'a cookie that the service does not know');
  const { gw, write } = await start(yaml(dead));
  assert.notEqual((await ask(gw)).status, 200);
  assert.equal(await signedOut(), 1);
  write(yaml(b));
  await hup(gw);
  assert.equal((await ask(gw)).status, 200);
  await until(async () => (await signedOut()) === 0, 'the account of before is freed');
  await gw.idle();
});

test('answers of a target are shaped in another way', async () => {
  const tagged = (value) => `
models:
  - name: m
    targets: [{upstream: one, model: big, think_tags: ${value}}]
`;
  const { gw, write, command } = await start(both() + tagged(false));
  const contents = async (n) => {
    const answer = await gw.post({ messages: user('!think why\n!echo here'), n });
    return answer.json().choices.map((choice) => choice.message.content);
  };
  assert.deepEqual(await contents(2), ['here', 'here (choice 1)'], 'of one call');
  write(both() + tagged(true));
  assert.equal((await command()).stdout, 'reloaded; changed:\n  models\n');
  await sims.one.clearLog();
  const tags = await contents(2);
  assert.equal(tags.length, 2);
  for (const text of tags) assert.match(text, /^<think>\s*why\s*<\/think>\s*here$/);
  assert.equal((await sims.one.log('completion')).length, 2, 'each in a call of its own');
});

test('models that were discovered stay known', async () => {
  const discovering = (turn) => `
  - name: one
    provider: openai
    base_url: ${sims.one.url}/v1
    api_key: ${UPSTREAM_KEY}
    headers: {x-turn: "${turn}"}`;
  const { gw, write } = await start(discovering(1));
  const names = async () => (await gw.get('/v1/models')).json().data.map(({ id }) => id);
  await until(async () => (await names()).includes('big'), 'the models are known');
  await sims.one.fault({ where: 'models', kind: 'status', status: 500, times: -1 });
  write(discovering(2));
  assert.deepEqual(JSON.parse((await hup(gw)).changed), ['upstream one']);
  assert.ok((await names()).includes('big'));
  assert.equal((await gw.get('/readyz')).status, 200);
});

test('a pipe is not read a second time', async () => {
  const dir = tempDir();
  const pipe = path.join(dir, 'settings.yaml');
  execFileSync('mkfifo', [pipe]);
  const yaml = `default_model: m\nupstreams:${both()}${route('one')}`;
  const written = fs.promises.writeFile(pipe, yaml);
  const env = { STATE_DIRECTORY: tempDir() };
  const gw = await Gateway.start({ args: ['--config', pipe], env });
  await written;
  const line = await hup(gw);
  assert.equal(line.level, 'error');
  assert.match(line.problems, /settings.yaml: cannot be read: it is a pipe/);
  const told = await run(['reload', '--config', pipe], { cwd: dir, env });
  assert.equal(told.code, 2);
  assert.match(told.stderr, /it is a pipe, which can be read only once/);
  await assertFrom(gw, 'one');
});

test('a connection that is kept alive goes by the new settings', async () => {
  const http = await import('node:http');
  const { gw, write } = await start(both() + route('one'));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const body = JSON.stringify({ messages: user('!echo here') });
  const headers = gw.headers({ 'content-type': 'application/json' });
  const target = { method: 'POST', path: '/v1/chat/completions', headers, body, agent };
  assert.equal((await fetchWhole(gw.port, target)).headers['x-upstream'], 'one');
  write(both() + route('two'));
  await hup(gw);
  assert.equal((await fetchWhole(gw.port, target)).headers['x-upstream'], 'two');
  agent.destroy();
});

test('SIGTERM right behind a SIGHUP ends it in peace', async () => {
  const { gw, write } = await start(both() + route('one'));
  write(both() + route('two'));
  gw.program.signal('SIGHUP');
  await gw.stop();
});
