// SPDX-License-Identifier: Apache-2.0
// Every example of the documentation that is marked as tested, on a gateway in front of the
// simulator: it works, and what is shown comes of it. docs/api.md has one for each endpoint.
// UPDATE_SNIPPETS=1 writes down what came instead; look at it before you keep it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  BINARY,
  Gateway,
  KEY,
  Program,
  Simulator,
  finish,
  secret,
  tempDir,
} from './lib/harness.mjs';
import { PlainUpstream, reply } from './lib/plain.mjs';
import { difference, readPage, rewritten, snippets } from './lib/snippets.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The front page has the demo, as `make run` starts it; the others a gateway with keys. */
const PAGES = { 'README.md': true, 'README.zh-CN.md': true, 'docs/api.md': false };
PAGES['docs/operations.md'] = false;
const ADMIN_KEY = secret('ak-snippets-41c7', 'the operators key');
const SIM_KEY = secret('sk-snippets-sim-52d8', 'a key of the simulator');

/** What docs/api.md says that its gateway has. */
const settings = (sim, more) => `
upstreams:
  - name: cto
    provider: enginelabs
    api_url: ${sim.url}
    clerk_url: ${sim.url}
    accounts: [{name: work, cookie: "${sim.cookie}"}]
  - name: local
    provider: openai
    base_url: ${sim.url}/v1
    api_key: ${SIM_KEY}
    models: [llama3, embed-1, whisper-1, voice-1]
  - name: more
    provider: openai
    base_url: ${more.url}
    api_key: ${SIM_KEY}
    models: [rerank-1, moderation-1, image-1, batch-1]
`;

/** What only an upstream knows: the gateway passes it on as it is. */
const ANSWERS = {
  '/v1/rerank': { results: [{ index: 1, relevance_score: 0.98 }] },
  '/v1/moderations': { model: 'moderation-1', results: [{ flagged: false }] },
  '/v1/images/generations': { data: [{ url: 'https://images.example/cat.png' }] },
  '/v1/uploads': { id: 'upload_1', object: 'upload', status: 'pending' },
  '/v1/uploads/upload_1/complete': { id: 'upload_1', object: 'upload', status: 'completed' },
  '/v1/batches': { id: 'batch_1', object: 'batch', status: 'validating' },
  '/v1/batches/batch_1/cancel': { id: 'batch_1', object: 'batch', status: 'cancelling' },
};

let sim, more;
before(async () => {
  more = await PlainUpstream.start();
  more.handle = async (request, response, seen) => {
    const answer = ANSWERS[request.url];
    const nothing = { error: { message: 'no such path' } };
    await reply(answer ?? nothing, answer ? 200 : 404)(request, response, seen);
  };
  sim = await Simulator.start();
  await sim.set({ api_keys: SIM_KEY, models: ['*'], pacing: { first_ms: 1, every_ms: 1 } });
});
after(finish);

/** A gateway for one page, and a folder in which its examples run as an operator's would. */
async function start(isDemo) {
  const cwd = tempDir();
  fs.writeFileSync(path.join(cwd, 'enginelabs-2api.yaml'), settings(sim, more));
  fs.writeFileSync(path.join(cwd, 'speech.wav'), 'RIFF, as far as the simulator cares');
  fs.mkdirSync(path.join(cwd, 'build'));
  for (const place of ['build/enginelabs-2api', 'enginelabs-2api'])
    fs.symlinkSync(BINARY, path.join(cwd, place));
  fs.symlinkSync(path.join(ROOT, 'tests/e2e/node_modules'), path.join(cwd, 'node_modules'));
  const env = { ADMIN_KEY, STATE_DIRECTORY: cwd, HOME: cwd, ENGINELABS_MAX_PARALLEL: undefined };
  env.API_MASTER_KEY = isDemo ? undefined : KEY;
  const gateway = await Gateway.start({ cwd, env, args: isDemo ? ['--demo'] : [] });
  return { cwd, gateway, env: { ...env, PATH: `${cwd}:${process.env.PATH}` } };
}

async function perform({ cwd, gateway, env }, { kind, command }) {
  const here = command.replaceAll('127.0.0.1:8089', `127.0.0.1:${gateway.port}`);
  const shell = ['bash', ['--norc', '-euo', 'pipefail', '-c', here]];
  const node = [process.execPath, ['--input-type=module', '-e', here]];
  const program = new Program(...(kind === 'js' ? node : shell), {
    cwd,
    env: { ...env, LISTEN: `127.0.0.1:${gateway.port}` },
    name: 'an example',
    secretOutput: true,
    input: '',
  });
  const { code } = await program.end();
  return { code, said: program.stdout, complained: program.stderr };
}

for (const [name, isDemo] of Object.entries(PAGES))
  describe(name, () => {
    const page = readPage(path.join(ROOT, name));
    const all = snippets(page);
    const real = [];
    let place;

    before(async () => (place = await start(isDemo)));
    for (const snippet of all)
      test(`line ${snippet.line}`, async () => {
        const { code, said, complained } = await perform(place, snippet);
        real.push(said);
        assert.equal(code, 0, `${snippet.command}\n${said}${complained}`);
        if (snippet.output && !process.env.UPDATE_SNIPPETS)
          assert.equal(difference(snippet.output, said), undefined, said);
      });
    after(async () => {
      // Its simulator's own connections would be taken for those of clients that stay.
      if (isDemo) await place.gateway.stop();
      if (process.env.UPDATE_SNIPPETS && real.length === all.length)
        fs.writeFileSync(path.join(ROOT, name), rewritten(page, all, real));
    });
  });

describe('docs/api.md', () => {
  const commands = snippets(readPage(path.join(ROOT, 'docs/api.md'))).map((s) => s.command);
  const isAsked = (method, pattern) =>
    commands.some((command) =>
      command.split(/\bcurl\b/).some((call) => {
        const usual = / (-d|-F) /.test(call) ? 'POST' : 'GET';
        const given = /-X (\w+)/.exec(call)?.[1] ?? usual;
        const url = /http:\/\/127\.0\.0\.1:8089([^\s"'?]*)/.exec(call)?.[1];
        return given === method && url !== undefined && pattern.test(url);
      }),
    );

  test("has every endpoint of the gateway's table", () => {
    const table = fs.readFileSync(path.join(ROOT, 'src/cli/serve.c'), 'utf8');
    const rows = [
      ...table.matchAll(/^ {4}\{ "(\/[^"]*)", HTTP_(\w+), ([^,]*),/gm),
      ...[...table.matchAll(/^ {4}ASK\("([^"]+)"/gm)].map(([, at]) => ['', `/v1${at}`, 'POST', '']),
      ...[...table.matchAll(/^ {4}RELAY\("([^"]+)", HTTP_(\w+), ([^)]*)\)/gm)].map(
        ([, at, method, needs]) => ['', `/v1${at}`, method, needs],
      ),
    ];
    assert.ok(rows.length > 30, `${rows.length} rows of the table were read`);
    for (const [, at, method, needs] of rows) {
      const isShort = rows.some(([, other]) => other === `/v1${at}`);
      const rest = needs.includes('PATH_PREFIX') ? '.+' : '';
      const pattern = new RegExp(`^${at.replaceAll('.', '\\.')}${rest}$`);
      if (!isShort) assert.ok(isAsked(method, pattern), `${method} ${at} has no example`);
    }
  });

  test("has every path of the operators' API", () => {
    const file = path.join(ROOT, 'src/admin/openapi.json');
    const { paths } = JSON.parse(fs.readFileSync(file, 'utf8'));
    for (const [at, { parameters, ...methods }] of Object.entries(paths))
      for (const method of Object.keys(methods)) {
        const pattern = new RegExp(`^/admin/api${at.replace(/\{\w+\}/g, '[^/]+')}$`);
        assert.ok(isAsked(method.toUpperCase(), pattern), `${method} ${at} has no example`);
      }
  });
});
