// SPDX-License-Identifier: Apache-2.0
// The commands, the settings and where they come from, exit codes (interface.md, "Commands" and
// "Settings").

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fetchWhole } from './lib/http.mjs';
import {
  BINARY,
  Gateway,
  KEY,
  Program,
  Simulator,
  finish,
  gate,
  pair,
  run,
  secret,
  tempDir,
  until,
  world,
} from './lib/harness.mjs';
import { finished, piece, running } from './lib/upstream.mjs';

let sim, gw;

before(async () => {
  ({ sim, gw } = await world());
});
after(finish);

/** Settings under which every command is content. */
const good = () => ({ ...sim.env(), API_MASTER_KEY: KEY, LISTEN: `127.0.0.1:${gw.port}` });

/** A directory with an .env of these lines. */
function dirWith(text, name = '.env') {
  const dir = tempDir();
  fs.writeFileSync(path.join(dir, name), text);
  return dir;
}

describe('version and help', () => {
  test('version prints name and number', async () => {
    for (const word of ['version', '--version']) {
      const { code, stdout } = await run([word]);
      assert.equal(code, 0);
      assert.match(stdout, /^enginelabs-2api \d+\.\d+\.\d+\S*\n/);
    }
  });

  test('help names every command, and explains each', async () => {
    const commands = ['serve', 'init', 'check', 'reload', 'chat', 'models', 'simulate'];
    commands.push('version', 'help');
    for (const words of [['help'], ['--help'], ['-h']]) {
      const { code, stdout } = await run(words);
      assert.equal(code, 0);
      for (const command of commands) assert.match(stdout, new RegExp(`\\b${command}\\b`));
    }
    for (const command of commands) {
      const { code, stdout } = await run(['help', command]);
      assert.equal(code, 0, command);
      assert.match(stdout, new RegExp(command));
      const again = await run([command, '--help']);
      assert.deepEqual([again.code, again.stdout], [0, stdout]);
    }
  });

  test('help settings lists each with its default', async () => {
    const { code, stdout } = await run(['help', 'settings']);
    assert.equal(code, 0);
    assert.match(stdout, /^ {2}LISTEN +127\.0\.0\.1:8089$/m);
    assert.match(stdout, /^ {2}CLERK_COOKIE +\(none\)$/m);
    assert.match(stdout, /^ {2}CLERK_COOKIE_FILE +a file that holds it$/m);
    const page = fs.readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    for (const [, name] of page.matchAll(/^\| `(\w+)`/gm))
      assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
  });

  test('wrong usage is exit code 2 and says what was wrong', async () => {
    const rows = [
      [['dance'], /dance/],
      [['help', 'dance'], /dance/],
      [['serve', '--dance'], /--dance/],
      [['serve', 'extra'], /extra/],
      [['serve', '--listen'], /--listen/],
      [['serve', '--listen', ''], /--listen.*needs a value/],
      [['check', '--env-file='], /--env-file.*needs a value/],
      [['version', '--demo'], /--demo/],
      [['simulate', '--listen', 'nowhere'], /nowhere/],
    ];
    for (const [words, what] of rows) {
      const { code, stderr } = await run(words, { env: good() });
      assert.equal(code, 2, words.join(' '));
      assert.match(stderr, what);
    }
  });
});

describe('settings', () => {
  const offline = (options) => run(['check', '--offline'], options);

  test('that are wrong are all named at once, with where they stand', async () => {
    const cwd = dirWith('# comment\n\nQUEUE_TIMEOUT=soon\nMAX_CONNECTIONS=-4\n');
    const env = {
      ...good(),
      LISTEN: 'no port',
      API_REQUEST_TIMEOUT: '5 minutes',
      MAX_BODY_BYTES: '12 parsecs',
      LOG_LEVEL: 'loud',
      LOG_FORMAT: 'pretty',
      CLERK_URL: 'ftp://x',
      KNOWN_MODELS: '["open',
      ALLOW_NO_AUTH: 'perhaps',
      HTTPS_PROXY: 'gopher://proxy',
      WORKERS: '0x10',
    };
    const { LISTEN, ...rest } = env;
    for (const words of [['check', '--offline'], ['serve'], []]) {
      const { code, stderr } = await run(words, { env: { ...rest, LISTEN }, cwd });
      assert.equal(code, 2, words.join());
      const wrong = Object.keys(env).filter((name) => !(name in sim.env()) || name === 'CLERK_URL');
      for (const name of wrong.filter((name) => name !== 'API_MASTER_KEY'))
        assert.match(stderr, new RegExp(`environment.*${name}`), name);
      assert.match(stderr, /\.env.*3.*QUEUE_TIMEOUT/);
      assert.match(stderr, /\.env.*4.*MAX_CONNECTIONS/);
    }
  });

  test('of every stage are told at once, before anything is opened', async () => {
    const cwd = dirWith('just words\nWORKERS=100\nalso words\n');
    const env = {
      ...sim.env(),
      CLERK_COOKIE: undefined,
      LISTEN: `0.0.0.0:${gw.port}`, // in use: exit code 1 if it came to that
      QUEUE_TIMEOUT: 'soon',
      UPSTREAM_CA_FILE: '/nonexistent/ca.pem',
    };
    for (const words of [['check', '--offline'], ['check'], ['serve']]) {
      const { code, stdout, stderr } = await run(words, { env, cwd });
      assert.deepEqual([code, stdout], [2, ''], words.join(' '));
      for (const what of [
        /\.env line 1: expected NAME=VALUE/,
        /\.env line 2: WORKERS/,
        /\.env line 3: expected NAME=VALUE/,
        /environment: QUEUE_TIMEOUT/,
        /API_MASTER_KEY is not set/,
        /CLERK_COOKIE is not set/,
        /UPSTREAM_CA_FILE.*ca\.pem/,
      ])
        assert.match(stderr, what, words.join(' '));
    }
  });

  test('come from .env in all its forms', async () => {
    const forms = [
      'DEFAULT_MODEL=GPT5\n',
      'DEFAULT_MODEL=GPT5',
      'export DEFAULT_MODEL=GPT5\n',
      'DEFAULT_MODEL="GPT5"\n',
      "DEFAULT_MODEL='GPT5'\n",
      '  DEFAULT_MODEL = GPT5  \n',
      'DEFAULT_MODEL=GPT5 # the newer one\n',
      'DEFAULT_MODEL="GPT5" # the newer one\n',
      '# DEFAULT_MODEL=no\r\nDEFAULT_MODEL=GPT5\r\n',
      '\uFEFFDEFAULT_MODEL=GPT5\n',
    ];
    for (const text of forms) {
      const { code, stdout, stderr } = await offline({ env: good(), cwd: dirWith(text) });
      assert.equal(code, 0, `${JSON.stringify(text)}: ${stderr}`);
      assert.match(stdout, /default model GPT5$/m, JSON.stringify(text));
    }
  });

  test('in .env may be a cookie in quotes, as the original wrote it', async () => {
    const cookie = sim.cookie.replace('__client=', '');
    const text = `API_MASTER_KEY=${KEY}\nCLERK_COOKIE="_ga=1; __client=${cookie}; x=a=b"\n`;
    const { CLERK_COOKIE, API_MASTER_KEY, ...env } = good();
    assert.ok(CLERK_COOKIE && API_MASTER_KEY);
    const own = await Gateway.start({
      env: { ...env, LISTEN: '127.0.0.1:0', API_MASTER_KEY: undefined },
      cwd: dirWith(text),
    });
    own.key = KEY;
    const answer = await own.post({ messages: [{ role: 'user', content: 'x' }] });
    assert.equal(answer.status, 200, answer.text);
  });

  test('of the environment win over .env, those of the command line over both', async () => {
    const cwd = dirWith('DEFAULT_MODEL=ClaudeSonnet4_5\nLISTEN=127.0.0.1:1111\n');
    const env = { ...good(), DEFAULT_MODEL: 'GPT5', LISTEN: '127.0.0.1:2222' };
    const { stdout } = await offline({ env, cwd });
    assert.match(stdout, /default model GPT5/);
    assert.match(stdout, /127\.0\.0\.1:2222/);
    const words = ['check', '--offline', '--listen', '127.0.0.1:3333'];
    assert.match((await run(words, { env, cwd })).stdout, /127\.0\.0\.1:3333/);
  });

  test('may stand in another file, which must be there', async () => {
    const cwd = dirWith('DEFAULT_MODEL=GPT5\n', 'other.env');
    const words = ['check', '--offline', '--env-file'];
    const { stdout } = await run([...words, 'other.env'], { env: good(), cwd });
    assert.match(stdout, /default model GPT5/);
    const missing = await run([...words, 'missing.env'], { env: good(), cwd });
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /missing\.env/);
  });

  test('may stand in enginelabs-2api.yaml, below all other sources', async () => {
    const cwd = dirWith('default_model: GPT5\nlisten: 127.0.0.1:4444\n', 'enginelabs-2api.yaml');
    const { stdout } = await offline({ env: { ...good(), LISTEN: undefined }, cwd });
    assert.match(stdout, /127\.0\.0\.1:4444, default model GPT5/);
    fs.writeFileSync(path.join(cwd, '.env'), 'DEFAULT_MODEL=ClaudeSonnet4_5\n');
    assert.match((await offline({ env: good(), cwd })).stdout, /default model ClaudeSonnet4_5/);
  });

  test('may stand in another YAML file, which must be there', async () => {
    const cwd = dirWith('default_model: GPT5\n', 'other.yaml');
    const words = ['check', '--offline', '--config'];
    const { stdout } = await run([...words, 'other.yaml'], { env: good(), cwd });
    assert.match(stdout, /default model GPT5/);
    const missing = await run([...words, 'missing.yaml'], { env: good(), cwd });
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /missing\.yaml: cannot be read/);
  });

  test('of a YAML file that are wrong are named with file, line and key', async () => {
    const text = 'workers: x\nupstreams:\n  - {name: a, provider: openai, api_keyz: sk-hush}\n';
    const cwd = dirWith(text, 'enginelabs-2api.yaml');
    for (const command of ['serve', 'check']) {
      const { code, stderr } = await run([command], { env: good(), cwd });
      assert.equal(code, 2);
      assert.match(stderr, /^enginelabs-2api\.yaml line 1: workers is "x": /m);
      assert.match(stderr, /^enginelabs-2api\.yaml line 3: upstreams\[0\]\.api_keyz: /m);
      assert.match(stderr, /^enginelabs-2api\.yaml line 3: upstreams\[0\]: base_url is missing/m);
      assert.doesNotMatch(stderr, /hush/);
    }
  });

  test('that are secret may come from files', async () => {
    const key = secret('sk-from-a-file-77', 'a key from a file');
    const dir = dirWith(`${key}\n`, 'key');
    fs.writeFileSync(path.join(dir, 'cookie'), `${sim.cookie}\n`);
    const { CLERK_COOKIE, ...env } = { ...sim.env(), API_MASTER_KEY: undefined };
    assert.ok(CLERK_COOKIE);
    const files = {
      API_MASTER_KEY_FILE: path.join(dir, 'key'),
      CLERK_COOKIE_FILE: path.join(dir, 'cookie'),
    };
    const own = await Gateway.start({ env: { ...env, ...files } });
    own.key = key;
    const answer = await own.post({ messages: [{ role: 'user', content: 'x' }] });
    assert.equal(answer.status, 200, answer.text);
    const gone = { ...good(), CLERK_COOKIE: undefined, CLERK_COOKIE_FILE: `${dir}/none` };
    const { code, stderr } = await offline({ env: gone });
    assert.equal(code, 2);
    assert.match(stderr, /CLERK_COOKIE_FILE.*none/);
  });

  test('without a cookie are refused, with a way out', async () => {
    const { code, stderr } = await run(['serve'], { env: { ...good(), CLERK_COOKIE: undefined } });
    assert.equal(code, 2);
    assert.match(stderr, /CLERK_COOKIE/);
  });

  test('beyond loopback need a key, or a word that none is wanted', async () => {
    for (const LISTEN of ['0.0.0.0:0', '[::]:0']) {
      const env = { ...sim.env(), LISTEN, LOG_FORMAT: 'json' };
      const { code, stderr } = await run(['serve'], { env });
      assert.equal(code, 2, LISTEN);
      assert.match(stderr, /API_MASTER_KEY/);
      assert.match(stderr, /ALLOW_NO_AUTH/);
    }
    const more = [{ ALLOW_NO_AUTH: 'true', API_MASTER_KEY: undefined }, { API_MASTER_KEY: KEY }];
    for (const settings of more) {
      const own = await Gateway.start({
        env: { ...sim.env(), LISTEN: '0.0.0.0:0', ...settings },
      });
      assert.equal((await own.get('/healthz')).status, 200);
    }
  });

  test('that name a port in use are exit code 1', async () => {
    const { code, stderr } = await run(['serve'], { env: good() });
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`${gw.port}`));
  });
});

describe('check', () => {
  test('signs in and tells account, organization, plan, quota and models', async () => {
    const { code, stdout, stderr } = await run(['check'], { env: good() });
    assert.equal(code, 0, stderr);
    const [account] = (await sim.state()).accounts;
    assert.match(stdout, /account +default/);
    assert.match(stdout, new RegExp(account.organization));
    assert.match(stdout, /300/, 'the daily limit');
    assert.match(stdout, /GPT5/);
    assert.match(stdout, /ClaudeSonnet4_5/);
    assert.match(stdout, /plan|tier/i);
  });

  test('is exit code 1 when the account cannot be used', async () => {
    const own = await Simulator.start();
    await own.fault({ where: 'token', kind: 'signed_out', times: -1 });
    const { code, stdout, stderr } = await run(['check'], { env: { ...good(), ...own.env() } });
    assert.equal(code, 1);
    assert.match(stdout + stderr, /signed out|cookie/i);
    const nobody = { ...good(), CLERK_URL: 'http://127.0.0.1:9' };
    assert.equal((await run(['check'], { env: nobody })).code, 1);
  });

  test('--offline asks nobody', async () => {
    const nobody = { CLERK_URL: 'http://127.0.0.1:9', ENGINELABS_API_URL: 'http://127.0.0.1:9' };
    assert.equal((await run(['check', '--offline'], { env: { ...good(), ...nobody } })).code, 0);
  });
});

describe('a terminal client', () => {
  test('chat prints the answer to its words, or to standard input', async () => {
    const words = await run(['chat', 'say', 'it', '\n!echo from words'], { env: good() });
    assert.deepEqual([words.code, words.stdout], [0, 'from words\n'], words.stderr);
    const input = 'several\nlines\n!echo from input';
    const piped = await run(['chat', '-m', 'GPT5'], { env: good(), input });
    assert.deepEqual([piped.code, piped.stdout], [0, 'from input\n'], piped.stderr);
    const post = (await sim.posts()).at(-1);
    assert.deepEqual([post.adapter, post.prompt], ['GPT5', input]);
  });

  test('chat prints while the answer comes', async () => {
    const { upstream, gw: own } = await pair();
    const end = gate();
    upstream.answer = () => [running, piece('the first '), end.opened, piece('the last'), finished];
    const env = { ...good(), LISTEN: `127.0.0.1:${own.port}` };
    const program = new Program(BINARY, ['chat', 'slowly'], { env });
    await until(() => program.stdout.includes('the first'), 'the first piece');
    assert.ok(program.isRunning);
    end.open();
    assert.equal((await program.end()).code, 0);
    assert.equal(program.stdout, 'the first the last\n');
  });

  test('chat on a terminal keeps the conversation', async () => {
    const command = `${BINARY} chat`;
    const env = { ...good(), SHELL: '/bin/sh' };
    const program = new Program('script', ['-qec', command, '/dev/null'], { env });
    const prompts = (n) => until(() => program.stdout.split('\n> ').length > n, 'a prompt');
    await prompts(1);
    program.child.stdin.write('remember the teapot\n');
    await prompts(2);
    assert.match(program.stdout, /This is turn 1/);
    program.child.stdin.write('!repeat\n');
    const seen = () => program.stdout.split('remember the teapot').length - 1;
    await until(() => seen() >= 3 || assert.fail(program.stdout), 'it remembers');
    program.child.stdin.write('\x04');
    assert.equal((await program.end()).code, 0);
  });

  test('a terminal is shown escape sequences and obeys none', async () => {
    const words = `!say "\\u001b]0;title\\u0007 \\u001b[31mred"`;
    const env = { ...good(), SHELL: '/bin/sh', TEXT: words };
    const seen = new Program('script', ['-qec', `${BINARY} chat "$TEXT"`, '/dev/null'], { env });
    assert.equal((await seen.end()).code, 0);
    assert.equal(seen.stdout, '\\u001b]0;title\\u0007 \\u001b[31mred\r\n');
    const piped = await run(['chat', words], { env: good() });
    assert.equal(piped.stdout, '\u001b]0;title\u0007 \u001b[31mred\n');
  });

  test('output that cannot be written is exit code 1', async () => {
    for (const words of ['version', 'models', 'chat "!echo x"']) {
      const full = new Program('sh', ['-c', `${BINARY} ${words} > /dev/full`], { env: good() });
      assert.equal((await full.end()).code, 1, words);
      assert.match(full.stderr, /standard output cannot be written/);
    }
  });

  test('chat says why there is no answer, exit code 1', async () => {
    const rows = [
      [['chat', '-m', 'no-such-model', 'x'], {}, /no-such-model/],
      [['chat', 'x\n!fault post 500'], {}, /50[0-9]/],
      [['chat', 'x'], { LISTEN: '127.0.0.1:9' }, /127\.0\.0\.1:9/],
      [['chat', 'x'], { API_MASTER_KEY: 'sk-not-this-one' }, /key/i],
      [['models'], { LISTEN: '127.0.0.1:9' }, /127\.0\.0\.1:9/],
    ];
    for (const [words, env, what] of rows) {
      const { code, stdout, stderr } = await run(words, { env: { ...good(), ...env } });
      assert.deepEqual([code, stdout], [1, ''], words.join(' '));
      assert.match(stderr, what);
    }
  });

  test('chat cut off in the middle is exit code 1', async () => {
    const words = ['!set replay=none\n!echo one two three four five\n!fault frames reset at=1'];
    const { code, stderr } = await run(['chat', ...words], { env: good() });
    assert.equal(code, 1);
    assert.match(stderr, /broke off|interrupted/);
  });

  test('models lists what the gateway serves', async () => {
    const { code, stdout } = await run(['models'], { env: good() });
    assert.equal(code, 0);
    const names = stdout.trim().split('\n').sort();
    assert.ok(names.includes('ClaudeSonnet4_5') && names.includes('GPT5'), stdout);
    assert.ok(!names.includes('Retired1'), 'the service has it no more');
  });
});

describe('simulate', () => {
  test('takes a scenario, and refuses a wrong one', async () => {
    const scenario = { first_ms: 0, faults: [{ where: 'post', status: 402 }] };
    const own = await Simulator.start({ scenario });
    assert.equal((await own.state()).faults.length, 1);
    own.program.signal('SIGTERM');
    assert.equal((await own.program.end()).code, 0);
    for (const text of ['{', '{"nothing": 1}', '{"faults":[{"where":"moon"}]}']) {
      const cwd = dirWith(text, 'wrong.json');
      const words = ['simulate', '--listen', '127.0.0.1:0', '--scenario', 'wrong.json'];
      const { code, stderr } = await run(words, { cwd });
      assert.equal(code, 2, text);
      assert.ok(stderr.length > 20, stderr);
    }
    const gone = await run(['simulate', '--listen', '127.0.0.1:0', '--scenario', 'gone.json']);
    assert.equal(gone.code, 2);
    assert.match(gone.stderr, /gone\.json/);
    const folder = await run(['simulate', '--listen', '127.0.0.1:0', '--scenario', '.']);
    assert.equal(folder.code, 2);
    assert.match(folder.stderr, /directory/);
    const taken = await run(['simulate', '--listen', `127.0.0.1:${gw.port}`]);
    assert.equal(taken.code, 1, 'a port in use');
  });
});

describe('serve', () => {
  test('--demo needs nothing, and its curl line works as it stands', async () => {
    const rows = [
      [{}, '127.0.0.1:0'],
      [{ API_MASTER_KEY: KEY }, '127.0.0.1:0'],
      [{}, `unix:${tempDir()}/it's a.sock`],
    ];
    for (const [env, listen] of rows) {
      const words = ['serve', '--demo', '--listen', listen];
      const demo = new Program(BINARY, words, { env, name: 'demo' });
      await until(() => demo.stderr.includes("}'\n"), 'the curl line');
      const line = /curl [^]*?\}'\n/.exec(demo.stderr)[0];
      const curl = new Program('sh', ['-c', line], { env });
      assert.equal((await curl.end()).code, 0, curl.stderr);
      assert.match(curl.stdout, /data: \{.*"role":"assistant"/);
      assert.match(curl.stdout, /data: \[DONE\]\n/);
      demo.signal('SIGTERM');
      assert.deepEqual(await demo.end(), { code: 0, signal: null });
    }
  });

  test('--demo ignores what the real account needs, and so does chat', async () => {
    const cwd = dirWith(`CLERK_COOKIE_FILE=/nonexistent\nCLERK_SESSION_ID=sess_other\n`);
    const env = {
      CLERK_ORGANIZATION_ID: 'org_other',
      ENGINELABS_ORIGIN: 'https://other.example',
      ENGINELABS_API_URL: 'http://127.0.0.1:9',
      HTTP_PROXY: 'http://127.0.0.1:9',
      NO_PROXY: '.corp.example',
      UPSTREAM_CA_FILE: '/nonexistent',
    };
    const own = new Program(BINARY, ['serve', '--demo', '--listen', '127.0.0.1:0'], { env, cwd });
    const line = /curl -N http:\/\/(\S+?)\/v1/;
    const [, at] = await until(() => line.exec(own.stderr), 'the curl line');
    const chat = await run(['chat', '--listen', at, '!echo from the demo'], { env, cwd });
    assert.deepEqual([chat.code, chat.stdout], [0, 'from the demo\n'], chat.stderr);
    own.signal('SIGTERM');
    assert.equal((await own.end()).code, 0);
  });

  test('--demo=auto is the demo without a cookie, and says so', async () => {
    const rows = [
      ['CLERK_COOKIE=""\n', 'demo'],
      [` CLERK_COOKIE = ${sim.cookie}\n`, 'live'],
    ];
    for (const [text, mode] of rows) {
      const settings = { LISTEN: '127.0.0.1:0', LOG_FORMAT: 'json' };
      const env = { ...sim.env(), ...settings, CLERK_COOKIE: undefined };
      const own = new Program(BINARY, ['serve', '--demo=auto'], { env, cwd: dirWith(text) });
      await until(() => own.stderr.includes(`"mode":"${mode}"`), mode);
      if (mode === 'demo') await until(() => own.stderr.includes('\n  curl -N http://'), 'curl');
      own.signal('SIGTERM');
      assert.equal((await own.end()).code, 0);
      assert.equal(own.stderr.includes('Demo mode'), mode === 'demo');
    }
    const wrong = await run(['serve', '--demo=yes']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--demo=yes.*auto/);
  });

  test('is the default command', async () => {
    const env = { ...good(), LISTEN: '127.0.0.1:0', LOG_FORMAT: 'json' };
    const program = new Program(BINARY, [], { env, name: 'default' });
    const line = await until(() => /"listening","address":"(\S+?)"/.exec(program.stderr), 'a line');
    const port = Number(line[1].split(':').pop());
    assert.equal((await fetchWhole(port, { path: '/healthz' })).status, 200);
    program.signal('SIGINT');
    assert.deepEqual(await program.end(), { code: 0, signal: null });
  });

  test('ends at once at the second signal', async () => {
    const own = await Gateway.start({ env: { ...sim.env(), SHUTDOWN_TIMEOUT: 600 } });
    own.disown();
    const messages = [{ role: 'user', content: '!frames 10000 every 100' }];
    const stream = await own.stream({ messages });
    await stream.readUntil((chunk) => chunk.choices[0].delta.content);
    own.program.signal('SIGTERM');
    await until(() => own.log.includes('shutting down'), 'it says so');
    assert.ok(own.program.isRunning);
    own.program.signal('SIGTERM');
    await own.program.end();
    stream.leave();
    await sim.reset();
  });

  test('writes logs as text or JSON, as it is told', async () => {
    for (const [LOG_FORMAT, pattern] of [
      ['text', /^\d\d:\d\d:\d\d\.\d{3} INFO +listening address=127/m],
      ['json', /^\{"time":"\d{4}-.*"level":"info","message":"listening"/m],
      [undefined, /^\{"time":"\d{4}-.*"level":"info","message":"listening"/m],
    ]) {
      const env = { ...good(), LISTEN: '127.0.0.1:0', LOG_FORMAT };
      const program = new Program(BINARY, ['serve'], { env, name: `log ${LOG_FORMAT}` });
      await until(() => pattern.test(program.stderr), `a line in ${LOG_FORMAT}`);
      program.signal('SIGTERM');
      assert.equal((await program.end()).code, 0);
    }
  });
});
