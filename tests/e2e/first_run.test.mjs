// SPDX-License-Identifier: Apache-2.0
// Who starts it for the first time, and wrongly: each way says what is wrong and what to do. Help
// has examples; colors are for terminals.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BINARY, Program, Simulator, finish, run, tempDir, until } from './lib/harness.mjs';

let sim, taken, dir;

before(async () => {
  sim = await Simulator.start();
  taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  dir = tempDir();
  fs.writeFileSync(path.join(dir, 'quote.env'), "CLERK_COOKIE='abc\n");
  fs.writeFileSync(path.join(dir, 'words.env'), 'just words\n');
  fs.writeFileSync(path.join(dir, 'name.yaml'), 'upstreems: []\n');
  fs.writeFileSync(path.join(dir, 'indent.yaml'), 'upstreams:\n  - name: a\n   provider: openai\n');
  fs.writeFileSync(path.join(dir, 'garbage.db'), 'no database at all, but text\n');
});
after(async () => {
  taken.close();
  await finish();
});

/** Exit code, words, what it must say to do; then settings beside a good account's. */
const WRONG = [
  ['no account', 2, 'serve', /copy it from your .*serve --demo/, { CLERK_COOKIE: undefined }],
  ['no key', 2, 'serve', /set a key, listen on 127/, { LISTEN: '0.0.0.0:0' }],
  ['a blank key', 2, 'serve', /give it a value, or remove it/, { API_MASTER_KEY: ' ' }],
  ['no port', 2, 'serve --listen localhost', /expected HOST:PORT/],
  ['a port that is taken', 1, 'serve --listen TAKEN', /stop it, or choose another\n.*--listen/],
  ['no such address', 1, 'serve --listen 192.0.2.1:0', /choose another\n/, { API_MASTER_KEY: 'k' }],
  ['no such folder', 1, 'serve --listen unix:/nonexistent/s', /make it, or choose another/],
  ['no such option', 2, 'serve --port 80', /--port: unknown option\nTry: .* help serve\n/],
  ['an option with a slip', 2, 'serve --lisen=x', /unknown option; did you mean --listen\?\n/],
  ['an option of others', 2, 'models --scenari x', /--scenari: unknown option\n/],
  ['no such command', 2, 'start', /start: unknown command\nTry: .* help\n/],
  ['a command with a slip', 2, 'server', /unknown command; did you mean serve\?\nTry: /],
  ['help for a slip', 2, 'help kyes', /unknown command; did you mean keys\?\nTry: /],
  ['no such .env', 2, 'serve --env-file none.env', /none\.env.*make it, or name another one/],
  ['an open quote', 2, 'serve --env-file quote.env', /line 1.*put the same quote behind it/],
  ['words in .env', 2, 'serve --env-file words.env', /line 1: expected NAME=VALUE/],
  ['a folder as .env', 2, 'serve --env-file .', /name a file/],
  ['no such YAML file', 2, 'serve --config none.yaml', /none\.yaml.*make it, or name another/],
  ['an unknown name', 2, 'serve --config name.yaml', /line 1: upstreems: .*mean upstreams\?/],
  ['wrong indents', 2, 'serve --config indent.yaml', /indent\.yaml line 3: no valid YAML/],
  ['no cookie file', 2, 'serve', /cannot be read.*name another/, { COOKIE_FILE: '/nonexistent' }],
  ['no certificates', 2, 'serve', /UPSTREAM_CA_FILE.*none\.pem/, { UPSTREAM_CA_FILE: 'none.pem' }],
  ['an odd store', 2, 'serve', /expected sqlite:.*redis:/, { STORE_URL: 'postgres://x' }],
  ['another file as store', 1, 'serve', /name another file/, { STORE_URL: 'sqlite:garbage.db' }],
  ['no place for a store', 1, 'serve', /name another one in/, { STATE_DIRECTORY: '/proc/x' }],
  ['an odd protocol', 2, 'serve', /classic\|project\|native/, { ENGINELABS_PROTOCOL: 'odd' }],
  ['no sign-in', 2, 'serve', /writes it at sign-in/, { ENGINELABS_PROTOCOL: 'native' }],
  ['an odd proxy', 2, 'serve', /expected http:\/\/HOST:PORT/, { HTTPS_PROXY: 'gopher://x' }],
  ['too many workers', 2, 'serve', /at most 64/, { WORKERS: '1000' }],
  ['nobody to ask', 1, 'models --listen 127.0.0.1:9', /Is it running\? LISTEN says where/],
  ['nobody to reload', 1, 'reload', /Is it running\? .*same user/],
  ['a key without a name', 2, 'keys add', /how is the key to be called\?/],
];

describe('a wrong start', () => {
  for (const [what, wanted, words, remedy, more = {}] of WRONG)
    test(`${what}: ends with ${wanted} and says what to do`, async () => {
      const { COOKIE_FILE: CLERK_COOKIE_FILE, ...rest } = more;
      const env = { ...sim.env(), LISTEN: '127.0.0.1:0', STATE_DIRECTORY: dir, ...rest };
      if (CLERK_COOKIE_FILE) Object.assign(env, { CLERK_COOKIE: undefined, CLERK_COOKIE_FILE });
      const line = words.replace('TAKEN', `127.0.0.1:${taken.address().port}`);
      const { code, stderr } = await run(line.split(' '), { env, cwd: dir });
      assert.equal(code, wanted, stderr);
      assert.match(stderr, remedy);
    });
});

test("each command's help has an example that begins with the program's name", async () => {
  const { stdout } = await run(['help']);
  const commands = [...stdout.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name);
  assert.ok(commands.length >= 11);
  for (const name of commands) {
    const help = (await run([name, '--help'])).stdout;
    const [, examples] = /\nExamples?(?::| of)[^\n]*\n([\s\S]+)$/.exec(help) ?? [];
    assert.match(examples ?? '', new RegExp(`enginelabs-2api ${name}\\b`), name);
  }
});

test('a slip in .env is told by check, serve and reload, and is no problem', async () => {
  const cwd = tempDir();
  const file = path.join(cwd, '.env');
  const said = /\.env line 1: DEFAULT_MODLE is no setting.*did you mean DEFAULT_MODEL\?/;
  fs.writeFileSync(file, 'DEFAULT_MODLE=GPT5\nOTHERS=1\n', { mode: 0o644 });
  const env = { ...sim.env(), STATE_DIRECTORY: cwd, STORE_URL: 'sqlite:', LISTEN: '127.0.0.1:0' };
  const checked = await run(['check', '--offline'], { env, cwd });
  assert.equal(checked.code, 0, checked.stderr);
  assert.match(checked.stdout, new RegExp(`^note: ${said.source}\\n`, 'm'));
  assert.doesNotMatch(checked.stdout, /OTHERS|chmod/);

  const program = new Program(BINARY, ['serve'], { env, cwd });
  await until(() => program.stderr.includes('"listening"'), 'it listens');
  assert.match(program.stderr, said);
  fs.writeFileSync(file, "\nWORKRS=2\nCLERK_COOKIE='c'\n");
  const reloaded = await run(['reload'], { env, cwd });
  assert.equal(reloaded.code, 0, reloaded.stderr);
  for (const note of [/\.env line 2: WORKRS .*did you mean WORKERS\?/, /"warn".*chmod 600 \.env/])
    await until(() => note.test(program.stderr), `${note} is told`);
  program.signal('SIGTERM');
  assert.equal((await program.end()).code, 0);
});

test('keys need no account: they are made before there is one', async () => {
  const env = { STATE_DIRECTORY: tempDir() };
  const { code, stdout, stderr } = await run(['keys', 'add', 'laptop'], { env });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^sk-\w{32,}\n$/);
});

test('check says on a terminal that it asks, and nothing of it elsewhere', async () => {
  const env = { ...sim.env(), STORE_URL: 'memory:', STATE_DIRECTORY: tempDir() };
  const shown = new Program('script', ['-qefc', `${BINARY} check`, '/dev/null'], { env });
  assert.equal((await shown.end()).code, 0, shown.stdout);
  assert.match(shown.stdout, /valid.*\r\nAsking the upstreams\.\.\.\r\n[^]*can be used/);
  const { stdout, stderr } = await run(['check'], { env });
  assert.doesNotMatch(stdout + stderr, /Asking/);
});

describe('colors', () => {
  /** What a terminal gets to see of the first lines. */
  async function onTerminal(env) {
    const words = ['-qefc', `${BINARY} serve --demo --listen 127.0.0.1:0`, '/dev/null'];
    const program = new Program('script', words, { env, name: 'on a terminal' });
    const port = await until(() => /127\.0\.0\.1:(\d+)/.exec(program.stdout)?.[1], 'it listens');
    // The terminal goes, and with it what ran in its foreground.
    program.signal('SIGTERM');
    await program.end();
    await until(() => isRefused(port), 'the gateway ends with its terminal');
    return program.stdout;
  }

  const isRefused = (port) =>
    new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('connect', () => resolve(false)).on('error', () => resolve(true));
      socket.on('connect', () => socket.destroy());
    });

  test('are on a terminal', async () => {
    assert.match(await onTerminal({ TERM: 'xterm' }), /\x1b\[32mINFO/);
  });

  test('are not there with NO_COLOR', async () => {
    const shown = await onTerminal({ TERM: 'xterm', NO_COLOR: '1' });
    assert.doesNotMatch(shown, /\x1b/);
    assert.match(shown, /INFO +listening/);
  });

  test('are not there on a terminal that knows none', async () => {
    for (const TERM of ['dumb', '', undefined])
      assert.doesNotMatch(await onTerminal({ TERM }), /\x1b/, TERM);
  });

  test('are nowhere else', async () => {
    for (const words of [['help'], ['help', 'settings'], ['check'], ['models']]) {
      const { stdout, stderr } = await run(words, { env: sim.env() });
      assert.doesNotMatch(stdout + stderr, /\x1b/, words.join(' '));
    }
  });
});
