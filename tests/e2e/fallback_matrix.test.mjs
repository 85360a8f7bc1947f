// SPDX-License-Identifier: Apache-2.0
// Twelve kinds of failure, each before the upstream accepts, behind that but before the first word,
// and in the middle of the answer; with EngineLabs in front of a server of OpenAI's format, and the
// other way round; whole and streamed. Prints the table of what came of each.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CANARY, Gateway, Simulator, finish, secret, tempDir } from './lib/harness.mjs';

after(finish);

const API_KEY = secret('sk-matrix-upstream-41', 'a key');
const WORDS = 40;
const messages = [{ role: 'user', content: `${CANARY}\n!lorem ${WORDS}` }];
const sims = {};
let file;

before(async () => {
  for (const name of ['cto', 'api']) {
    sims[name] = await Simulator.start();
    await sims[name].set({ pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600 });
  }
  await sims.api.set({ api_keys: API_KEY, models: ['big'], native: false });
  file = path.join(tempDir(), 'gateway.yaml');
  const text = `
default_model: cto-first
upstreams:
  - name: cto
    provider: enginelabs
    protocol: classic
    api_url: ${sims.cto.url}
    clerk_url: ${sims.cto.url}
    models: [GPT5]
    accounts: [{name: main, cookie: "${sims.cto.cookie}"}]
  - name: api
    provider: openai
    base_url: ${sims.api.url}/v1
    api_key: ${API_KEY}
    models: [big]
models:
  - name: cto-first
    targets: [{upstream: cto, model: GPT5}, {upstream: api, model: big}]
  - name: api-first
    targets: [{upstream: api, model: big}, {upstream: cto, model: GPT5}]
`;
  fs.writeFileSync(file, text, { mode: 0o600 });
});

const at = (where, kind) => ({ where, kind });
const status = (where, code, more) => ({ where, status: code, ...more });
const post = (kind) => at('post', kind);
const frames = (kind) => at('frames', kind);
const chunks = (kind) => at('chunks', kind);
const completions = (kind) => at('completions', kind);

/**
 * By first upstream and kind of failure, which faults there are: before it accepts; behind that,
 * before the first word; and in the middle of the answer, where the client gets to see `code`.
 * `tries`: how often the first is asked before the second is; `stays`: what the client gets since
 * the second may not be asked. A server of OpenAI's format gives a whole answer at once: `whole` is
 * how that breaks.
 */
const KINDS = {
  cto: {
    'bad request': { before: status('post', 400) },
    'sign-in refused': { before: at('token', 'signed_out') },
    'payment due': { before: status('post', 402) },
    forbidden: { before: status('post', 403) },
    'rate limit': { before: status('post', 429) },
    'server error': { before: status('post', 500), tries: 3 },
    overload: { before: status('ws', 503), tries: 3 },
    challenge: { before: post('challenge') },
    reset: {
      before: post('reset'),
      accepted: frames('reset'),
      middle: frames('reset'),
      code: 'upstream_timeout',
    },
    silence: {
      before: post('hang'),
      accepted: frames('silence'),
      middle: frames('silence'),
      code: 'upstream_timeout',
    },
    garbage: {
      before: post('garbage'),
      accepted: frames('masked'),
      middle: frames('masked'),
      code: 'upstream_protocol',
    },
    'error told': {
      before: post('schema'),
      tries: 3,
      accepted: frames('cancelled'),
      middle: frames('cancelled'),
      code: 'upstream_interrupted',
    },
  },
  api: {
    'bad request': { before: status('completions', 400), stays: '400 invalid_request_error' },
    'sign-in refused': { before: status('completions', 401) },
    'payment due': { before: status('completions', 402) },
    forbidden: { before: status('completions', 403) },
    'rate limit': { before: status('completions', 429) },
    'server error': { before: status('completions', 500) },
    overload: { before: status('completions', 503) },
    challenge: { before: completions('challenge') },
    reset: {
      before: completions('reset'),
      accepted: chunks('reset'),
      middle: chunks('reset'),
      code: 'upstream_interrupted',
      whole: completions('truncated'),
    },
    silence: {
      before: completions('hang'),
      accepted: chunks('silence'),
      middle: chunks('silence'),
      code: 'upstream_timeout',
    },
    garbage: {
      before: completions('garbage'),
      accepted: chunks('not_json'),
      middle: chunks('not_json'),
      code: 'upstream_protocol',
      whole: completions('invalid_json'),
    },
    'error told': {
      before: status('completions', 502),
      accepted: chunks('error'),
      middle: chunks('error'),
      code: 'server_error',
      whole: status('completions', 200, { body: '{"error":{"message":"no","code":"oops"}}' }),
    },
  },
};

/** A gateway for each, since accounts and keys that failed rest. */
async function start() {
  for (const sim of Object.values(sims)) {
    await sim.clearFaults();
    await sim.clearLog();
  }
  const quick = {
    API_REQUEST_TIMEOUT: 3,
    STREAM_COMMIT_AFTER: 0.2,
    UPSTREAM_FIRST_TOKEN_TIMEOUT: 0.6,
    UPSTREAM_ACCEPT_TIMEOUT: 0.3,
    UPSTREAM_CONNECT_TIMEOUT: 0.3,
    UPSTREAM_IDLE_TIMEOUT: 0.6,
  };
  const env = { STORE_URL: 'memory:', ...quick };
  return Gateway.start({ args: ['--config', file], env });
}

/** Who answered: as the head says or, where that went out before, the comment behind it. */
function answererOf({ headers, text }) {
  const late = /^: upstream=(\S+) attempts=(\d+)$/m.exec(text);
  const [upstream, attempts] = late?.slice(1) ?? [headers['x-upstream'], headers['x-attempts']];
  return { upstream, attempts: Number(attempts) };
}

const named = ({ code, type }) => code ?? type;

/** What the client saw, in words. */
function seen(answer) {
  if (!answer.headers['content-type'].startsWith('text/event-stream')) {
    const { error, choices } = answer.json();
    if (error) return `${answer.status} ${named(error)}`;
    return choices[0].finish_reason === 'stop' ? 'whole' : 'no end';
  }
  const data = [...answer.text.matchAll(/^data: (.*)$/gm)].map(([, line]) => line);
  const isDone = data.at(-1) === '[DONE]';
  const events = data.slice(0, isDone ? -1 : undefined).map((line) => JSON.parse(line));
  const choices = events.map((event) => event.choices?.[0]).filter(Boolean);
  const hasWords = choices.some(({ delta }) => delta.content);
  const hasEnd = choices.some((choice) => choice.finish_reason) || isDone;
  const { error } = events.at(-1);
  assert.ok(Boolean(error) !== hasEnd, `an error or an end: ${answer.text.slice(-500)}`);
  if (!error) return 'whole';
  return `${hasWords ? 'words, then ' : ''}event ${named(error)}`;
}

async function play(first, fault, stream) {
  const gw = await start();
  await sims[first].fault({ times: -1, ...fault });
  const answer = await gw.post({ model: `${first}-first`, messages, stream });
  const asked = {
    cto: (await sims.cto.posts()).length,
    api: (await sims.api.log('completion')).length,
  };
  await gw.idle();
  await gw.stop();
  return { ...answererOf(answer), asked, saw: seen(answer) };
}

/** The second answers, and was asked once; the first before as often as it may be. */
function assertMoved(got, first, second, { tries = 1 }) {
  const { upstream, attempts, asked, saw } = got;
  assert.deepEqual([upstream, attempts, asked[second], saw], [second, tries + 1, 1, 'whole']);
  assert.ok(asked[first] <= tries);
}

/** The first has the last word, and nobody else was asked. */
function assertStayed(got, first, second, saw) {
  const { upstream, attempts, asked } = got;
  assert.deepEqual([upstream, attempts, asked[first], asked[second]], [first, 1, 1, 0]);
  assert.equal(got.saw, saw);
}

const STATUS = { upstream_timeout: 504 };

const table = [];

function row(name, first, fault, stream, judge) {
  test(name, async () => {
    const got = await play(first, fault, stream);
    const { upstream, attempts, asked, saw } = got;
    table.push([name, `${upstream} after ${attempts}`, `${asked.cto}+${asked.api}`, saw]);
    judge(got);
  });
}

function rowsOf(first, kind, faults) {
  const second = first === 'cto' ? 'api' : 'cto';
  const moved = (got) => assertMoved(got, first, second, faults);
  const stayed = (saw) => (got) => assertStayed(got, first, second, saw);
  const name = (place, stream) => `${first}, ${kind}, ${place}, ${stream ? 'stream' : 'whole'}`;
  for (const stream of [true, false]) {
    const judge = faults.stays ? stayed(faults.stays) : moved;
    row(name('before it', stream), first, faults.before, stream, judge);
    if (first === 'api' && !stream) continue;
    if (!faults.accepted) continue;
    const saw = stream
      ? `words, then event ${faults.code}`
      : `${STATUS[faults.code] ?? 502} ${faults.code}`;
    const once = (got) => assertMoved(got, first, second, {});
    row(name('accepted', stream), first, faults.accepted, stream, once);
    row(name('middle', stream), first, { ...faults.middle, at: 3 }, stream, stayed(saw));
  }
  if (faults.whole) row(name('middle', false), first, faults.whole, false, moved);
}

describe('the first of two upstreams fails', () => {
  for (const [first, kinds] of Object.entries(KINDS))
    for (const [kind, faults] of Object.entries(kinds)) rowsOf(first, kind, faults);

  test('the table', (t) => {
    t.diagnostic('first upstream, kind, place, way | who, attempts | asked cto+api | client saw');
    for (const cells of table) t.diagnostic(cells.join(' | '));
    assert.equal(new Set(table.map(([name]) => name)).size, table.length);
  });
});
