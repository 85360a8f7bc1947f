// SPDX-License-Identifier: Apache-2.0
// A store in trouble: locked by another program, on a full or a read-only disk. Answers go on, from
// transcripts, and /readyz says why. And where the store is: settings, folders, none at all.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  BINARY,
  Gateway,
  KEY,
  Program,
  Simulator,
  finish,
  run,
  tempDir,
  until,
} from './lib/harness.mjs';
import { Home, readiness } from './lib/home.mjs';
import { Talk } from './lib/talk.mjs';

let sim;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600 });
});
after(finish);

const settings = () => ({ ...sim.env(), API_MASTER_KEY: KEY });

/** Turns until the store is seen to fail as `why` says; each is answered, from the transcript once
 *  the tip before it could not be kept. */
async function talkUntilFailing(gateway, talk, why) {
  const problem = await until(async () => {
    await talk.say(gateway);
    const { status, problems } = await readiness(gateway);
    return status === 503 && problems.store;
  }, '/readyz says that the store fails');
  assert.match(problem, why);
  const { store_failures_total: before } = await gateway.metrics();
  for (let i = 0; i < 3; i++) await talk.say(gateway);
  const last = talk.judge(await sim.posts()).slice(-2);
  assert.deepEqual(
    last.map(({ isContinued }) => isContinued),
    [false, false],
  );
  assert.ok((await gateway.metrics()).store_failures_total > before, 'metrics show it');
  assert.equal((await readiness(gateway)).status, 503);
  assert.match(gateway.log, /the store fails; conversations go on from their transcripts/);
}

/** All is well again, with nothing but time. */
async function assertRecovers(gateway, talk) {
  await until(async () => (await readiness(gateway)).status === 200, 'it is ready again');
  await until(() => gateway.log.includes('the store works again'), 'the log says so');
  // The tip of the turn before may be lost; that of a turn from now on is not.
  await until(async () => {
    await talk.say(gateway);
    return talk.judge(await sim.posts()).at(-1).isContinued;
  }, 'a turn in the same chat');
}

/** A program that holds a lock on the file until it is told to end. */
async function lockFile(file) {
  const script = `import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
sys.stdin.read()`;
  const program = new Program('python3', ['-c', script, file], { name: 'locker' });
  await until(() => {
    assert.ok(program.isRunning, program.stderr);
    return program.stdout.includes('locked');
  }, 'the file is locked');
  return async () => {
    program.child.stdin.end();
    assert.equal((await program.end()).code, 0, program.stderr);
  };
}

describe('a file that another program has locked', () => {
  test('costs longer prompts, no answer', async () => {
    const home = new Home(settings());
    const gw = await home.start();
    const talk = new Talk();
    await talk.say(gw);
    const unlock = await lockFile(path.join(home.state, 'state.db'));
    await talkUntilFailing(gw, talk, /another program holds a lock on the file/);
    const { store } = (await readiness(gw)).problems;
    const { stdout } = await home.run(['check']);
    assert.ok(stdout.includes(`\n  store          PROBLEM: ${store}\n`), stdout);
    await unlock();
    await assertRecovers(gw, talk);
    assert.doesNotMatch((await home.run(['check'])).stdout, /PROBLEM/);
  });

  test('keeps no renewed cookie from being used, and it is kept afterwards', async () => {
    const own = await Simulator.start();
    await own.set({ rotate_every: 1, old_cookie: 'never', token_life_s: 3600 });
    const home = new Home({ ...own.env(), API_MASTER_KEY: KEY });
    const gw = await home.start();
    await new Talk().say(gw);
    const unlock = await lockFile(path.join(home.state, 'state.db'));
    const { code, stdout } = await home.run(['check']);
    assert.equal(code, 0, stdout);
    await new Talk().say(gw);
    const { problems } = await readiness(gw);
    assert.match(problems.cto, /renewed cookies .* cannot be stored/);
    await unlock();
    await until(async () => (await readiness(gw)).status === 200, 'they are stored');
    await home.kill();
    await new Talk().say(await home.start());
    assert.deepEqual(await own.violations(), []);
  });
});

/** A disk that only the gateway sees, and that goes with it. `mount`: options of mount(8). */
class Disk {
  constructor(mount) {
    this.dir = tempDir();
    const script = 'mount "$1" "$2" "$3" "$4" "$5" "$0" && shift 5 && exec "$@"';
    this.wrap = ['unshare', '--mount', 'sh', '-c', script, this.dir, ...mount];
    try {
      execFileSync(this.wrap[0], [...this.wrap.slice(1), 'true'], { stdio: 'pipe' });
    } catch (error) {
      const need = 'This test mounts a disk of its own, as root with CAP_SYS_ADMIN';
      assert.fail(`${need} (in a container: --privileged): ${error.stderr}`);
    }
  }

  /** Of at most a megabyte, in memory. */
  static small() {
    return new Disk(['-t', 'tmpfs', '-o', 'size=1m', 'none']);
  }

  /**
   * One on which writes fail from some moment on: a file system that ends up read-only, as one does
   * whose device fails, or, on machines without loop devices, one whose files may not grow.
   */
  static failing() {
    if (!fs.existsSync('/dev/loop-control')) {
      const disk = Disk.small();
      const limit = () => ['--pid', String(disk.gw.program.pid), '--fsize=4096'];
      disk.fail = () => execFileSync('prlimit', limit());
      return disk;
    }
    const image = path.join(tempDir(), 'image');
    fs.writeFileSync(image, '');
    fs.truncateSync(image, 16 << 20);
    execFileSync('mkfs.ext4', ['-q', image], { stdio: 'pipe' });
    return new Disk(['-t', 'ext4', '-o', 'loop', image]);
  }

  async start() {
    const env = { ...settings(), STATE_DIRECTORY: this.dir };
    this.gw = await Gateway.start({ env, wrap: this.wrap });
    return this.gw;
  }

  /** A file on it as it is seen from here. */
  at(name) {
    return path.join('/proc', String(this.gw.program.pid), 'root', this.dir, name);
  }

  fill() {
    const file = fs.openSync(this.at('filler'), 'w');
    const piece = Buffer.alloc(512, 'x');
    try {
      for (;;) fs.writeSync(file, piece);
    } catch (error) {
      assert.equal(error.code, 'ENOSPC');
    } finally {
      fs.closeSync(file);
    }
  }

  free() {
    fs.rmSync(this.at('filler'));
  }

  fail() {
    const words = ['--mount', '--target', String(this.gw.program.pid)];
    execFileSync('nsenter', [...words, 'mount', '-o', 'remount,abort', this.dir]);
  }
}

describe('a disk', () => {
  test('that is full costs longer prompts, no answer', async () => {
    const disk = Disk.small();
    const gw = await disk.start();
    const talk = new Talk();
    await talk.say(gw);
    disk.fill();
    await talkUntilFailing(gw, talk, /disk is full/);
    disk.free();
    await assertRecovers(gw, talk);
  });

  test('that becomes read-only costs longer prompts, no answer', async () => {
    const disk = Disk.failing();
    const gw = await disk.start();
    const talk = new Talk();
    await talk.say(gw);
    disk.fail();
    await talkUntilFailing(gw, talk, /read-only|reading or writing the disk failed/);
    await gw.stop();
  });

  test('whose files may not grow (ulimit -f) costs longer prompts, no answer', async () => {
    const home = new Home(settings());
    const gw = await home.start();
    const talk = new Talk();
    const limit = (bytes) =>
      execFileSync('prlimit', ['--pid', String(gw.program.pid), `--fsize=${bytes}:`]);
    await talk.say(gw);
    limit(4096);
    await talkUntilFailing(gw, talk, /disk is full|reading or writing the disk failed/);
    limit('unlimited');
    await assertRecovers(gw, talk);
  });

  test('that is read-only from the start costs longer prompts, no answer', async () => {
    const disk = new Disk(['-t', 'tmpfs', '-o', 'ro', 'none']);
    const gw = await disk.start();
    await talkUntilFailing(gw, new Talk(), /read-only: make it writable/);
    await gw.stop();
  });

  test('that is read-only still gives the newest cookie', async () => {
    const own = await Simulator.start();
    await own.set({ rotate_every: 1, old_cookie: 'never', token_life_s: 3600 });
    const home = new Home({ ...own.env(), API_MASTER_KEY: KEY });
    for (const end of ['stop', 'kill']) {
      await new Talk().say(await home.start());
      await home[end]();
      await own.set({ rotate_every: 0 }); // one that is renewed now is lost with the process
      const disk = new Disk(['-o', 'bind', '-o', 'ro', home.state]);
      const env = { ...own.env(), API_MASTER_KEY: KEY, STATE_DIRECTORY: disk.dir };
      const gw = await Gateway.start({ env, wrap: disk.wrap });
      await until(async () => (await readiness(gw)).problems.cto === undefined, 'it signs in');
      const { status, problems } = await readiness(gw);
      assert.equal(status, 503);
      assert.match(problems.store, /read-only/);
      await new Talk().say(gw);
      await gw.stop();
      await own.set({ rotate_every: 1 });
    }
    assert.equal((await own.log('token')).length, 4);
    assert.deepEqual(await own.violations(), []);
  });

  test('that is full from the start is used as soon as there is room', async () => {
    const disk = Disk.small();
    const script = 'dd if=/dev/zero of="$0/filler" bs=512 2>/dev/null; exec "$@"';
    disk.wrap = [...disk.wrap, 'sh', '-c', script, disk.dir];
    const gw = await disk.start();
    const talk = new Talk();
    await talkUntilFailing(gw, talk, /disk is full/);
    disk.free();
    await assertRecovers(gw, talk);
  });
});

describe('STORE_URL', () => {
  test('memory: keeps renewed cookies, and no conversation', async () => {
    const own = await Simulator.start();
    await own.set({ rotate_every: 1, old_cookie: 'never', token_life_s: 3600 });
    const home = new Home({ ...own.env(), API_MASTER_KEY: KEY, STORE_URL: 'memory:' });
    const talk = new Talk();
    for (const end of ['kill', 'stop']) {
      const gw = await home.start();
      await talk.say(gw);
      await talk.say(gw);
      assert.equal(home.mode('cookies.db'), 0o600);
      assert.equal(home.mode('cookies.db.control'), 0o600);
      assert.equal(home.mode('state.db'), undefined);
      const { code, stdout } = await home.run(['check']);
      assert.equal(code, 0, stdout);
      assert.match(stdout, /asked by the gateway that runs/);
      await home[end]();
    }
    const turns = talk.judge(await own.posts());
    assert.deepEqual(
      turns.map(({ turn }) => turn),
      [1, 2, 1, 2],
    );
    assert.deepEqual(await own.violations(), []);
  });

  test('sqlite:PATH is that file', async () => {
    const file = path.join(tempDir(), 'other.db');
    const home = new Home({ ...settings(), STORE_URL: `sqlite:${file}` });
    const talk = new Talk();
    for (let i = 0; i < 2; i++) {
      await talk.say(await home.start());
      for (const suffix of ['', '-wal', '.lock', '.control'])
        assert.equal(fs.statSync(file + suffix).mode & 0o777, 0o600, suffix);
      const { code, stdout, stderr } = await home.run(['check']);
      assert.equal(code, 0, stdout + stderr);
      await home.kill();
    }
    assert.deepEqual(
      talk.judge(await sim.posts()).map(({ turn }) => turn),
      [1, 2],
    );
    assert.ok(!fs.existsSync(path.join(home.dir, '.local')));
  });

  test('a file that cannot be there is exit code 1, and named', async () => {
    const plain = path.join(tempDir(), 'plain');
    fs.writeFileSync(plain, 'no folder');
    for (const env of [
      { STORE_URL: `sqlite:${plain}/x.db` },
      { STORE_URL: `sqlite:${plain}.d/x.db` },
      { STATE_DIRECTORY: `${plain}/state` },
    ])
      for (const command of ['serve', 'check']) {
        const { code, stderr } = await run([command], {
          env: { ...settings(), LISTEN: '127.0.0.1:0', ...env },
        });
        assert.equal(code, 1, `${command} ${stderr}`);
        assert.match(stderr, /cannot open the store/);
        assert.ok(stderr.includes(plain), stderr);
      }
  });

  test('that is shared says how many answers at once can be', async () => {
    const env = { ...settings(), STORE_URL: 'redis://127.0.0.1:1', LISTEN: '127.0.0.1:0' };
    const { code, stderr } = await run(['serve'], {
      env: { ...env, ENGINELABS_MAX_PARALLEL: '4097' },
    });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /4096 answers at once.* not 4097: lower ENGINELABS_MAX_PARALLEL/);
  });

  test('that names a file of somebody else is exit code 1, and leaves it alone', async () => {
    const dir = tempDir();
    const text = path.join(dir, 'passwd');
    fs.writeFileSync(text, 'root:x:0:0:root:/root:/bin/bash\n'.repeat(50), { mode: 0o644 });
    const other = path.join(dir, 'places.sqlite');
    const sql = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('CREATE TABLE moz (x)')";
    execFileSync('python3', ['-c', sql, other]);
    for (const file of [text, other]) {
      const before = fs.readFileSync(file);
      for (const command of ['serve', 'check']) {
        const env = { ...settings(), LISTEN: '127.0.0.1:0', STORE_URL: `sqlite:${file}` };
        const { code, stderr } = await run([command], { env });
        assert.equal(code, 1, stderr);
        assert.match(stderr, /is left as it is; name another file in STORE_URL/);
      }
      assert.ok(fs.readFileSync(file).equals(before));
      assert.equal(fs.statSync(file).mode & 0o777, 0o644);
    }
    assert.deepEqual(fs.readdirSync(dir).sort(), ['passwd', 'places.sqlite']);
  });

  test('that is malformed is exit code 2, and told what is expected', async () => {
    const wrong = ['memory', 'sqlite', 'state.db', 'mysql://host', 'redis://', 'redis://h:port'];
    for (const STORE_URL of [...wrong, 'redis://h/db', 'memory:x', 'redis://u@h']) {
      const { code, stderr } = await run(['serve'], { env: { ...settings(), STORE_URL } });
      assert.equal(code, 2, `${STORE_URL}: ${stderr}`);
      assert.match(stderr, /environment: STORE_URL/, STORE_URL);
    }
    const { stderr } = await run(['serve'], { env: { ...settings(), STORE_URL: 'memory' } });
    assert.match(stderr, /memory:/);
  });
});

describe('the state directory', () => {
  /** The folder in which a gateway with `env` keeps state.db. */
  async function expectIn(dir, env) {
    const gw = await Gateway.start({ env: { ...settings(), ...env } });
    assert.equal(fs.statSync(path.join(dir, 'state.db')).mode & 0o777, 0o600);
    await gw.stop();
  }

  test('is STATE_DIRECTORY, the first of a list', async () => {
    const [one, two] = [tempDir(), tempDir()];
    const STATE_DIRECTORY = `${one}/deep/er:${two}`;
    await expectIn(`${one}/deep/er`, { STATE_DIRECTORY, XDG_STATE_HOME: two, HOME: two });
    assert.equal(fs.statSync(`${one}/deep`).mode & 0o777, 0o700, 'made for their owner');
    assert.deepEqual(fs.readdirSync(two), []);
  });

  test('else it is in XDG_STATE_HOME, else in HOME', async () => {
    const [one, two] = [tempDir(), tempDir()];
    await expectIn(`${one}/enginelabs-2api`, { XDG_STATE_HOME: one, HOME: two });
    assert.deepEqual(fs.readdirSync(two), []);
    const unset = { STATE_DIRECTORY: '', XDG_STATE_HOME: '' };
    await expectIn(`${two}/.local/state/enginelabs-2api`, { ...unset, HOME: two });
  });

  test('without any of them there is none, which is exit code 1 with what to do', async () => {
    for (const STORE_URL of ['sqlite:', 'memory:'])
      for (const command of ['serve', 'check']) {
        const env = { ...settings(), LISTEN: '127.0.0.1:0', STORE_URL };
        const words = ['-u', 'HOME', BINARY, command];
        const program = new Program('env', words, { env, input: '' });
        assert.equal((await program.end()).code, 1, program.stderr);
        assert.match(program.stderr, /cannot open the store: .*set HOME.*STATE_DIRECTORY/);
      }
  });

  test('is left alone by --demo and by commands that need none', async () => {
    const home = new Home({});
    const words = ['serve', '--demo', '--listen', '127.0.0.1:0'];
    const demo = new Program(BINARY, words, { cwd: home.dir, name: 'demo' });
    await until(() => demo.stderr.includes("}'\n"), 'the curl line');
    const curl = new Program('sh', ['-c', /curl [^]*?\}'\n/.exec(demo.stderr)[0]]);
    assert.equal((await curl.end()).code, 0, curl.stderr);
    demo.signal('SIGTERM');
    assert.equal((await demo.end()).code, 0);
    const offline = await home.run(['check', '--offline'], settings());
    assert.equal(offline.code, 0, offline.stderr);
    assert.deepEqual(fs.readdirSync(home.dir), []);
  });
});
