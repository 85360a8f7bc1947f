// SPDX-License-Identifier: Apache-2.0
// From process to process: nobody notices that the program was started anew. HANDOVERS (5) of them
// in a row under load, each way: SIGUSR2, and restarts by a manager that keeps the socket.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bytesOf } from './lib/bytes.mjs';
import * as harness from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { Load } from './lib/load.mjs';

const { BINARY, KEY, Program, finish, onEnd, run, tempDir, until, world } = harness;

after(finish);

const ROUNDS = Number(process.env.HANDOVERS ?? 5);
const MANAGER = fileURLToPath(new URL('lib/manager.py', import.meta.url));

const isAlive = (pid) => {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1][0] !== 'Z';
  } catch {
    return false;
  }
};

const rows = (gw, message) => gw.logLines.filter((line) => line.message === message);

/** The processes that a gateway goes through: the newest is the last. */
class Line {
  constructor(gw) {
    this.gw = gw;
    this.pids = [gw.program.pid];
    gw.disown();
    onEnd(() => this.pids.filter(isAlive).forEach((pid) => process.kill(pid, 'SIGKILL')));
  }

  get now() {
    return this.pids.at(-1);
  }

  /** Starts a new one, which serves when this is done. */
  async handOver() {
    const before = rows(this.gw, 'handed over').length;
    process.kill(this.now, 'SIGUSR2');
    await until(() => rows(this.gw, 'handed over').length > before, 'it is handed over');
    this.pids.push(rows(this.gw, 'a new process is started').at(-1).pid);
  }

  /** Ends the newest; all must be gone then, and have said nothing but that. */
  async end() {
    process.kill(this.now, 'SIGTERM');
    await this.gw.program.end();
    await until(() => !this.pids.some(isAlive), 'all are gone');
    assert.equal(rows(this.gw, 'stopped').length, this.pids.length);
    const bad = this.gw.logLines.filter(({ level }) => level === 'error' || level === 'warn');
    assert.deepEqual(bad, []);
  }
}

function judge(t, { failed, whole, streams, kept, bytes }) {
  assert.deepEqual(failed, []);
  assert.ok(streams > ROUNDS && kept > ROUNDS, 'there was a load');
  t.diagnostic(`${ROUNDS} rounds: ${whole} answers (${streams} streams, ${kept} on kept ` +
    `connections), ${bytes} bytes, 0 failed, 0 cut`);
}

/** Until some more answers have come, so that each process had some. */
const someMore = (load) => {
  const { whole } = load.tally;
  return until(() => load.tally.whole > whole + 20 || load.tally.failed.length, 'answers come');
};

describe('SIGUSR2', () => {
  test(`hands over ${ROUNDS} times in a row, and no request fails`, async (t) => {
    const { gw } = await world({ settings: { token_life_s: 4 } });
    const line = new Line(gw);
    const load = new Load(gw);
    await someMore(load);
    for (let i = 0; i < ROUNDS; i++) {
      await line.handOver();
      await someMore(load);
    }
    judge(t, await load.end());
    await line.end();
    assert.equal(new Set(line.pids).size, ROUNDS + 1);
  });

  test('what runs is finished by the old one, and its conversation goes on', async () => {
    const { gw, sim } = await world();
    const line = new Line(gw);
    const messages = [{ role: 'user', content: '!pacing 1 50\n!bytes 4000 7' }];
    const stream = await gw.stream({ messages });
    await line.handOver();
    await stream.whole();
    assert.equal(stream.text, bytesOf(4000, 7));
    const next = [{ role: 'assistant', content: stream.text }, { role: 'user', content: 'next' }];
    const answer = await gw.post({ messages: [...messages, ...next] });
    assert.equal(answer.status, 200);
    const posts = await sim.posts();
    assert.equal(new Set(posts.map(({ chat }) => chat)).size, 1, 'one chat');
    await line.end();
  });

  test('commands reach the new one, and its file stays one that was closed', async () => {
    const file = path.join(tempDir(), 'state.db');
    const { gw } = await world({ env: { STORE_URL: `sqlite:${file}` } });
    const line = new Line(gw);
    await line.handOver();
    await until(() => rows(gw, 'stopped').length === 1, 'the old one is gone');
    const options = { env: gw.env, cwd: gw.program.dir };
    const reload = await run(['reload'], options);
    assert.equal(reload.code, 0, reload.stderr);
    const check = await run(['check'], options);
    assert.equal(check.code, 0, check.stdout + check.stderr);
    await line.end();
    assert.equal(fs.readFileSync(`${file}.lock`, 'utf8'), '\n\nstore\n');
    assert.ok(!fs.existsSync(`${file}.control`));
  });

  test('a program that cannot start changes nothing', async () => {
    const dir = tempDir();
    const program = path.join(dir, 'program');
    fs.copyFileSync(BINARY, program);
    fs.chmodSync(program, 0o755);
    const { gw } = await world({ program });
    fs.unlinkSync(program);
    fs.writeFileSync(program, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    process.kill(gw.program.pid, 'SIGUSR2');
    const failed = 'the new process ended before it served; this one goes on';
    await until(() => rows(gw, failed).length, 'it says so');
    assert.equal((await gw.post({ messages: [{ role: 'user', content: 'x' }] })).status, 200);
    fs.unlinkSync(program);
    process.kill(gw.program.pid, 'SIGUSR2');
    await until(() => rows(gw, failed).length === 2, 'it says so again');
    assert.match(gw.log, /the program cannot be started anew/);
    assert.equal((await gw.post({ messages: [{ role: 'user', content: 'y' }] })).status, 200);
  });

  test('the first SIGTERM to who has handed over changes nothing, the second ends it', async () => {
    const { gw } = await world();
    const line = new Line(gw);
    const [old] = line.pids;
    const messages = [{ role: 'user', content: '!frames 1000 every 50' }];
    const stream = await gw.stream({ messages });
    await line.handOver();
    process.kill(old, 'SIGTERM');
    assert.equal((await gw.post({ messages: [{ role: 'user', content: 'x' }] })).status, 200);
    assert.ok(isAlive(old));
    process.kill(old, 'SIGTERM');
    await until(() => !isAlive(old), 'it ends');
    await stream.whole();
    assert.ok(stream.broken);
    process.kill(line.now, 'SIGTERM');
    await gw.program.end();
  });
});

/** A gateway under a service manager that keeps its socket. */
class Managed {
  static async start(env) {
    const managed = new Managed();
    const options = { env: { ...env, API_MASTER_KEY: KEY, LOG_LEVEL: 'info', LOG_FORMAT: 'json' } };
    managed.program = new Program('python3', [MANAGER, BINARY, 'serve'], options);
    Object.assign(managed, await managed.#answer(1));
    return managed;
  }

  async #answer(n) {
    const lines = () => this.program.stdout.split('\n').slice(0, -1);
    await until(() => lines().length >= n || this.program.stderr.includes('Traceback'), 'it says');
    return JSON.parse(lines()[n - 1]);
  }

  headers(extra) {
    return { authorization: `Bearer ${KEY}`, ...extra };
  }

  /** "restart", "upgrade" or "stop"; what came of it. */
  async tell(command) {
    const n = this.program.stdout.split('\n').length;
    this.program.child.stdin.write(`${command}\n`);
    return this.#answer(n);
  }
}

describe('a service manager that keeps the socket', () => {
  test(`restarts ${ROUNDS} times in a row, and no request fails`, async (t) => {
    const { sim } = await world();
    const managed = await Managed.start({ ...sim.env(), ENGINELABS_MAX_PARALLEL: 200 });
    const load = new Load(managed);
    await someMore(load);
    for (let i = 0; i < ROUNDS; i++) {
      const { code, main, before } = await managed.tell('restart');
      assert.equal(code, 0);
      assert.notEqual(main, before);
      await someMore(load);
    }
    judge(t, await load.end());
    assert.equal((await managed.tell('stop')).code, 0);
  });

  test('learns which process is the main one after SIGUSR2', async () => {
    const { sim } = await world();
    const managed = await Managed.start(sim.env());
    const { main, before } = await managed.tell('upgrade');
    assert.equal(before, managed.main);
    assert.notEqual(main, before);
    assert.equal((await fetchWhole(managed.port, { path: '/healthz' })).status, 200);
    await until(() => !isAlive(before), 'the old one is gone');
    assert.equal((await managed.tell('restart')).code, 0);
    assert.equal((await fetchWhole(managed.port, { path: '/healthz' })).status, 200);
    assert.equal((await managed.tell('stop')).code, 0);
  });
});

describe('what is passed is looked at', () => {
  test('a file is no socket', async () => {
    const program = new Program(
      'sh',
      ['-c', `LISTEN_PID=$$ LISTEN_FDS=1 exec ${BINARY} serve --demo 3</dev/null`],
      {},
    );
    assert.equal((await program.end()).code, 1);
    assert.match(program.stderr, /descriptor 3, .* is no listening stream socket/);
  });

  test('a socket that others can reach needs a key as LISTEN does', async () => {
    const script = [
      'import os, socket, sys',
      's = socket.create_server(("0.0.0.0", 0))',
      'os.dup2(s.fileno(), 3)',
      'os.set_inheritable(3, True)',
      'os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")',
      'os.execv(sys.argv[1], sys.argv[1:])',
    ].join('\n');
    const program = new Program('python3', ['-c', script, BINARY, 'serve', '--demo'], {});
    assert.equal((await program.end()).code, 1);
    assert.match(program.stderr, /open to other machines, and API_MASTER_KEY is not set/);
  });

  test('two sockets are one too many', async () => {
    const program = new Program(
      'sh',
      ['-c', `LISTEN_PID=$$ LISTEN_FDS=2 exec ${BINARY} serve --demo 3</dev/null 4</dev/null`],
      {},
    );
    assert.equal((await program.end()).code, 2);
    assert.match(program.stderr, /more than one socket was passed/);
  });
});
