// SPDX-License-Identifier: Apache-2.0
// Documents that are small or plain and cost much to read: JSON of clients at every endpoint that
// takes it, YAML and .env of the settings. Each is answered or refused in time that grows with its
// bytes and no faster, within memory that does too; others are served meanwhile.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BINARY, Gateway, Program, finish, tempDir, until } from './lib/harness.mjs';
import { MiB, peakOf } from './lib/hostile.mjs';
import { fetchWhole } from './lib/http.mjs';
import { PlainUpstream, reply } from './lib/plain.mjs';

const IS_CHECKED = BINARY.includes('/asan/');
const MAX_BODY_MIB = 64;
/** Milliseconds for 50 MiB: hundreds were measured, and machines are busy. */
const MAX_MS = IS_CHECKED ? 60_000 : 15_000;
/** How often a body may be held: as it came, and what is made of it. */
const TIMES_HELD = IS_CHECKED ? 12 : 6;

const HELD_MAX = (IS_CHECKED ? 2048 : 400) * MiB;

let plain, gw;

before(async () => {
  plain = await PlainUpstream.start();
  const choices = [{ index: 0, message: { content: 'fine' }, finish_reason: 'stop' }];
  plain.handle = reply({ id: 'c', object: 'chat.completion', choices });
  const file = path.join(tempDir(), 'gateway.yaml');
  const one = { name: 'one', provider: 'openai', base_url: plain.url, models: ['m'] };
  const models = [
    { name: 'raw', targets: [{ upstream: 'one', model: 'm' }] },
    { name: 'read', targets: [{ upstream: 'one', model: 'm', split_think: true }] },
  ];
  fs.writeFileSync(file, JSON.stringify({ upstreams: [one], models }), { mode: 0o600 });
  const env = { WORKERS: 1, STORE_URL: 'memory:', MAX_BODY_BYTES: `${MAX_BODY_MIB}MiB` };
  gw = await Gateway.start({ args: ['--config', file], env: { ...env, DEFAULT_MODEL: 'raw' } });
});
after(finish);

const user = '"messages":[{"role":"user","content":"hi"}]';
const all = (more) => `{"max_tokens":9,${user},${more}}`;

/** The same for the endpoint: what is a message's text elsewhere is its input or its prompt. */
function bodyFor(target, model, made) {
  if (!made.startsWith('{"')) return made;
  const body = `{"model":"${model}",${made.slice(1)}`;
  if (target === '/v1/responses') return body.replace('"messages":', '"input":');
  if (target === '/v1/completions') return body.replace(user, '"prompt":"hi"');
  return body;
}
const many = (n, text) => text.repeat(n);
const list = (n, make) => Array.from({ length: n }, (_, i) => make(i)).join();

const JSON_BOMBS = {
  'arrays, 100,000 deep': () => all(`"x":${many(1e5, '[')}${many(1e5, ']')}`),
  'objects, 100,000 deep': () => all(`"x":${many(1e5, '{"a":')}1${many(1e5, '}')}`),
  'content, 100,000 deep': () =>
    `{"messages":[{"role":"user","content":${many(1e5, '[')}${many(1e5, ']')}}]}`,
  '50 MiB of [': () => many(50 * MiB, '['),
  '10 MiB of {"a":': () => many(2 * MiB, '{"a":'),
  'a million members': () => all(`"x":{${list(1e6, (i) => `"k${i}":${i}`)}}`),
  'a million members at the top': () => all(list(1e6, (i) => `"k${i}":0`)),
  'one member a million times': () => all(many(1e6, '"user":"a",').slice(0, -1)),
  'a number of 10 million digits': () => all(`"x":${many(1e7, '9')}`),
  'a temperature of 10 million digits': () => all(`"temperature":0.${many(1e7, '1')}`),
  'max_tokens of a million digits': () => all(`"max_completion_tokens":${many(1e6, '9')}`),
  'huge exponents': () => all(`"x":[${list(1e6, () => '1e999999999')}]`),
  'a string of 12 MiB of escapes': () =>
    `{"messages":[{"role":"user","content":"${many(2 * MiB, '\\u0041')}"}]}`,
  'a string of surrogate pairs': () =>
    `{"messages":[{"role":"user","content":"${many(MiB, '\\ud83d\\ude00')}"}]}`,
  'a string of backslashes': () =>
    `{"messages":[{"role":"user","content":"${many(6 * MiB, '\\\\')}"}]}`,
  'a string that does not end': () => `{"messages":"${many(10 * MiB, 'x')}`,
  'a name of 10 MiB': () => all(`"${many(10 * MiB, 'n')}":1`),
  'a million blanks between': () => all(`"x":1${many(1e6, '\n \t')}`) + many(1e6, ' '),
  'a million messages': () =>
    `{"messages":[${list(1e6, () => '{"role":"user","content":"x"}')}]}`,
  'a million parts': () =>
    `{"messages":[{"role":"user","content":[${list(1e6, () => '{"type":"text","text":"x"}')}]}]}`,
  '100,000 tools': () => {
    const tool = (i) => `{"type":"function","function":{"name":"t${i}","parameters":{}}}`;
    return all(`"tools":[${list(1e5, tool)}]`);
  },
  'a million stops': () => all(`"stop":[${list(1e6, () => '"x"')}]`),
  'a schema that is deep': () => {
    const deep = `${many(60, '{"type":"object","properties":{"a":')}{}${many(60, '}}')}`;
    const schema = `{"name":"s","strict":true,"schema":${deep}}`;
    return all(`"response_format":{"type":"json_schema","json_schema":${schema}}`);
  },
  'a schema of 10,000 alternatives': () => {
    const any = list(1e4, (i) => `{"type":"object","properties":{"k${i}":{"type":"string"}}}`);
    const schema = `{"name":"s","schema":{"anyOf":[${any}]}}`;
    return all(`"response_format":{"type":"json_schema","json_schema":${schema}}`);
  },
};

/** Too deep, or not whole. */
const REFUSED = /100,000 deep|MiB of [[{]|does not end/;

const ENDPOINTS = [
  ['/v1/chat/completions', 'raw'],
  ['/v1/chat/completions', 'read'],
  ['/v1/responses', 'read'],
  ['/v1/completions', 'read'],
  ['/v1/messages', 'read'],
  ['/v1/embeddings', 'raw'],
];

/** An answer, how long it took, and the longest that somebody else waited meanwhile. */
async function explode(target, body) {
  let isOver = false;
  const others = (async () => {
    for (let worst = 0; ; ) {
      const began = Date.now();
      assert.equal((await gw.get('/healthz')).status, 200);
      worst = Math.max(worst, Date.now() - began);
      if (isOver) return worst;
    }
  })();
  const began = Date.now();
  const answer = await fetchWhole(gw.port, {
    method: 'POST',
    path: target,
    headers: gw.headers({ 'content-type': 'application/json' }),
    body,
  });
  const ms = Date.now() - began;
  isOver = true;
  return { answer, ms, worst: await others };
}

describe('JSON of clients', () => {
  for (const [name, make] of Object.entries(JSON_BOMBS))
    test(name, async (t) => {
      const seen = [];
      let slowest = 0;
      let held = 0;
      const made = make();
      for (const [target, model] of ENDPOINTS) {
        plain.clear();
        const body = bodyFor(target, model, made);
        await gw.idle();
        peakOf(gw.program.pid);
        const before = peakOf(gw.program.pid);
        const { answer, ms, worst } = await explode(target, body);
        const more = peakOf(gw.program.pid) - before;
        assert.ok([200, 400, 413, 502].includes(answer.status), answer.text.slice(0, 300));
        if (answer.status >= 400) assert.ok(answer.json().error.message.length < 4000);
        if (answer.status === 502) assert.fail(answer.text);
        if (REFUSED.test(name) && target !== '/v1/embeddings') assert.equal(answer.status, 400);
        const most = TIMES_HELD * body.length + 32 * MiB;
        assert.ok(more < most, `${target}: ${more} bytes more for ${body.length}`);
        assert.ok(before + more < HELD_MAX, `${target}: ${before + more} bytes`);
        assert.ok(ms < MAX_MS && worst < MAX_MS, `${target}: ${ms} ms, others ${worst} ms`);
        seen.push(`${answer.status} in ${ms} (${worst}) ms`);
        slowest = Math.max(slowest, ms);
        held = Math.max(held, more);
      }
      const much = `${(held / MiB).toFixed(1)} MiB more at most`;
      t.diagnostic(`${seen.join(' ')}; ${slowest} ms at most, ${much}`);
    });
});

// ---- settings ----

const laughs = () => {
  const rows = ['a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]'];
  for (let i = 1; i < 40; i++)
    rows.push(`a${i}: &a${i} [${many(9, `*a${i - 1}, `).slice(0, -2)}]`);
  return rows.join('\n');
};
const indented = (n) => Array.from({ length: n }, (_, i) => `${many(i, ' ')}a:`).join('\n');
/** As often as the bound of a file's size allows. */
const full = (text) => many(Math.floor((MiB - 100) / text.length), text);
const counted = (n, make) => Array.from({ length: n }, (_, i) => make(i)).join('\n');

/** What is said of settings that are as good as none. */
const NO_ACCOUNT = /problems:\nCLERK_COOKIE is not set.*\n$/;

/** Each, and what is said of it. */
const YAML_BOMBS = {
  'a billion laughs': [laughs, /anchor|alias/],
  'an alias to itself': [() => 'a: &a [*a]\n', /anchor|alias/],
  'many aliases': [() => `a: &a x\nb: [${full('*a, ')}]`, /anchor|alias/],
  'lists, as deep as can be': [() => full('['), /deep|nest|level/],
  'maps, as deep as can be': [() => `a: ${full('{a: ')}`, /deep|nest|level/],
  'maps, 1,400 deep by blanks': [() => indented(1400), /deep|nest|level/],
  'dashes in a line': [() => full('- '), /deep|nest|level/],
  'a list of very many': [() => `known_models:\n${full('  - a\n')}`, /more than|many|1000/],
  'very many keys': [() => counted(80_000, (i) => `k${i}: 1`), /more|many|unknown/],
  'one key very often': [() => full('listen: 127.0.0.1:1\n'), /twice|more|many/],
  'a long text': [() => `default_model: ${full('x')}`, /default_model|DEFAULT_MODEL/],
  'a text of escapes': [() => `default_model: "${full('\\x41')}"`, /default_model|DEFAULT_MODEL/],
  'very many documents': [() => full('---\n'), /document/],
  'very many tags': [() => `a: [${full('!!str x, ')}y]`, /tag/],
  'a long key': [() => `${full('k')}: 1`, /./],
  'NUL and control bytes': [() => 'listen: "a\0\x01\x1b[31mb"\n\0\0\0', /control character/],
  'bytes that are no UTF-8': [() => Buffer.from('listen: \xff\xfe\xc0', 'latin1'), /UTF-8/],
  'blanks': [() => full(' '), NO_ACCOUNT],
  'comments': [() => full('# nothing to see 123\n'), NO_ACCOUNT],
  'more than a file may have': [() => many(20 * MiB, '# '), /too large/],
};

const MEASURE = [
  'import os, resource, subprocess, sys, time',
  'began = time.monotonic()',
  'done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL)',
  'kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss',
  'print("MEASURED", done.returncode, kib, round((time.monotonic() - began) * 1000), flush=True)',
].join('\n');

/** Runs `check --offline`; what it said, its code, how long it took and its most memory. */
async function check(args, cwd) {
  const words = ['-c', MEASURE, BINARY, 'check', '--offline', ...args];
  const program = new Program('python3', words, { cwd, name: 'check' });
  await program.end(2 * MAX_MS);
  const said = program.stdout + program.stderr;
  const [, code, kib, ms] = /MEASURED (-?\d+) (\d+) (\d+)/.exec(said);
  return { said, code: Number(code), bytes: Number(kib) * 1024, ms: Number(ms) };
}

async function assertBounded(t, { said, code, bytes, ms }, size, says) {
  t.diagnostic(`${code} in ${ms} ms, ${(bytes / MiB).toFixed(1)} MiB, ${said.length} bytes said`);
  assert.equal(code, 2, said.slice(0, 500));
  assert.match(said, says);
  assert.ok(said.length < 20_000, `${said.length} bytes are said`);
  assert.ok(ms < MAX_MS, `${ms} ms`);
  const most = (IS_CHECKED ? 400 : 40) * MiB + TIMES_HELD * size;
  assert.ok(bytes < most, `${bytes} bytes for ${size}`);
}

describe('YAML of the settings', () => {
  for (const [name, [make, says]] of Object.entries(YAML_BOMBS))
    test(name, async (t) => {
      const file = path.join(tempDir(), 'bomb.yaml');
      fs.writeFileSync(file, make(), { mode: 0o600 });
      const { size } = fs.statSync(file);
      await assertBounded(t, await check(['--config', file]), size, says);
    });
});

test('a gateway that reloads a billion laughs goes on as it was', async () => {
  const own = tempDir();
  const file = path.join(own, 'gateway.yaml');
  const one = { name: 'one', provider: 'openai', base_url: plain.url, models: ['m'] };
  fs.writeFileSync(file, JSON.stringify({ upstreams: [one] }), { mode: 0o600 });
  const env = { STORE_URL: 'memory:', DEFAULT_MODEL: 'm' };
  const serving = await Gateway.start({ args: ['--config', file], env });
  for (const [make] of Object.values(YAML_BOMBS)) {
    const before = serving.logLines.length;
    fs.writeFileSync(file, make(), { mode: 0o600 });
    serving.program.signal('SIGHUP');
    const refused = () =>
      serving.logLines.slice(before).some((line) => /were not reloaded/.test(line.message));
    await until(refused, 'it is refused');
    const answer = await serving.post({ messages: [{ role: 'user', content: 'hi' }] });
    assert.equal(answer.status, 200, answer.text);
  }
  assert.ok(peakOf(serving.program.pid) < (IS_CHECKED ? 1024 : 100) * MiB);
});

describe('.env', () => {
  const rows = {
    'a long line': [() => `DEFAULT_MODEL=${full('x')}`, /DEFAULT_MODEL/],
    'very many lines': [() => counted(60_000, (i) => `NAME_${i}=x`), /more than 1000/],
    'quotes that do not end': [() => `DEFAULT_MODEL="${full('x\n')}`, /./],
    'NUL and control bytes': [() => 'LISTEN=a\0b\x1b[31m\n\0=\0\n', /./],
    'more than a file may have': [() => many(20 * MiB, '# '), /too large/],
  };
  for (const [name, [make, says]] of Object.entries(rows))
    test(name, async (t) => {
      const dir = tempDir();
      fs.writeFileSync(path.join(dir, '.env'), make(), { mode: 0o600 });
      const { size } = fs.statSync(path.join(dir, '.env'));
      await assertBounded(t, await check([], dir), size, says);
    });
});
