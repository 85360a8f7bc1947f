// SPDX-License-Identifier: Apache-2.0
// Every failure of the upstream, at every step of an answer, with one account and with two: what
// the client gets, and what the upstream saw of it. The whole table is printed at the end.

import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { gatewayOf, letter, service } from './lib/accounts.mjs';
import { CANARY, finish, until } from './lib/harness.mjs';
import { outcomeOf } from './lib/outcome.mjs';

after(finish);

/** Nobody listens there. */
async function closedUrl(scheme = 'http') {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `${scheme}://127.0.0.1:${port}`;
}

const CONCURRENCY = 4; // most of a test is waiting
const PIECES = 16;
const TEXT = Array.from({ length: 3 * PIECES }, (_, i) => `word${i}`).join(' ');
const PACING = { first_ms: 10, every_ms: 15 };

/** Time-outs that are to pass. */
const SHORT = {
  UPSTREAM_CONNECT_TIMEOUT: 0.5,
  UPSTREAM_ACCEPT_TIMEOUT: 0.5,
  UPSTREAM_FIRST_TOKEN_TIMEOUT: 0.5,
  UPSTREAM_IDLE_TIMEOUT: 0.5,
};

const REPLAYS = { replay: 'always' };
const FORGETS = { replay: 'none' };

// ---- what may come of it ----

const WHOLE = '200';
const unavailable = '502 upstream_unavailable';
const interrupted = '502 upstream_interrupted';
const protocol = '502 upstream_protocol';
const authFailed = '502 upstream_auth_failed';
const challenge = '502 upstream_challenge';
const timeout = '504 upstream_timeout';
const quota = '429 insufficient_quota';
const limited = '429 rate_limit_exceeded';
const tooLong = '400 context_length_exceeded';

/**
 * What is expected: `once` and `always` with one account, `two` when it always happens to the first
 * of two. Each is [what the client gets, the prompts that the upstream saw]: an account's letter
 * and the status of its answer, 0 for none; + for once or more. Where nothing is tried again `once`
 * is what `always` is, and left out.
 */
const moves = (seen, want, more = {}) => ({
  always: [want, seen],
  two: [WHOLE, `${seen} B200`.trim()],
  ...more,
});
const retried = (seen, want = unavailable) => ({
  once: [WHOLE, `${seen} A200`.trim()],
  always: [want, seen && `${seen}+`],
  two: [WHOLE, `${seen && `${seen}+ `}B200`],
});
const final = (seen, want) => ({ always: [want, seen], two: [want, seen] });
const resumed = final('A200', WHOLE);

// ---- the failures; `where` of a fault is the position's ----

const status = (code, more = {}) => ({ status: code, ...more });
const kind = (name, more = {}) => ({ kind: name, ...more });

/** The same for all accounts: the address is wrong, or the network is. */
const nobody = () => final('', unavailable);
const unlucky = (want) => ({ once: [WHOLE, 'A200'], ...final('', want) });

const MATRIX = {
  connection: {
    where: 'accept',
    rows: {
      refused: [null, nobody(), {}, {}, async () => ({ api_url: await closedUrl() })],
      'refused, sign-in': [null, nobody(), {}, {}, async () => ({ clerk_url: await closedUrl() })],
      'no such name': [
        null,
        nobody(),
        { UPSTREAM_CONNECT_TIMEOUT: 20 },
        {},
        () => ({ api_url: 'http://no-such-host.invalid' }),
      ],
      'no TLS': [
        null,
        nobody(),
        {},
        {},
        (sim) => ({ api_url: sim.url.replace('http:', 'https:') }),
      ],
      'reset at once': [kind('reset'), unlucky(unavailable)],
      'closed at once': [kind('close'), unlucky(unavailable)],
      'the second one reset': [kind('reset', { after: 1 }), unlucky(unavailable)],
      'hangs at once': [kind('hang'), { once: [timeout, ''] }, SHORT],
    },
  },
  'sign-in': {
    where: 'token',
    rows: {
      '401 signed out': [kind('signed_out'), moves('', authFailed)],
      '429': [status(429), moves('', limited)],
      '429, Retry-After': [status(429, { retry_after: '7' }), moves('', limited, { after: 7 })],
      '500': [status(500), retried('')],
      '503': [status(503), retried('')],
      reset: [kind('reset'), retried('')],
      close: [kind('close'), retried('')],
      'lost answer': [kind('lost'), retried('')],
      'browser check': [kind('challenge'), final('', challenge)],
      'no JSON': [kind('invalid_json'), final('', protocol)],
      hang: [kind('hang'), final('', timeout), SHORT],
    },
  },
  handshake: {
    where: 'ws',
    rows: {
      '401': [status(401), moves('', authFailed, { once: [WHOLE, 'A200'] })],
      '402': [status(402), moves('', quota)],
      '403': [status(403), moves('', quota)],
      '429': [status(429), moves('', quota)],
      '429, Retry-After': [status(429, { retry_after: '7' }), moves('', quota, { after: 7 })],
      '500': [status(500), retried('')],
      '502': [status(502), retried('')],
      '503': [status(503), retried('')],
      reset: [kind('reset'), retried('')],
      close: [kind('close'), retried('')],
      'browser check': [kind('challenge'), final('', challenge)],
      'wrong accept key': [kind('wrong_accept'), final('', protocol)],
      'no HTTP': [kind('garbage'), final('', protocol)],
      hang: [kind('hang'), final('', timeout), SHORT],
      'silent socket': [kind('open_silent'), final('A200', timeout), SHORT],
    },
  },
  prompt: {
    where: 'post',
    rows: {
      '401': [
        status(401),
        {
          once: [WHOLE, 'A401 A200'],
          always: [authFailed, 'A401 A401'],
          two: [WHOLE, 'A401 A401 B200'],
        },
      ],
      '402': [status(402), moves('A402', quota)],
      '403': [status(403), moves('A403', quota)],
      '413': [status(413), final('A413', tooLong)],
      '429': [status(429), moves('A429', quota)],
      '429, Retry-After': [status(429, { retry_after: '7' }), moves('A429', quota, { after: 7 })],
      '500': [status(500), retried('A500')],
      '502': [status(502), retried('A502')],
      '503': [status(503), retried('A503')],
      'schema error': [kind('schema'), retried('A500')],
      'browser check': [kind('challenge'), final('A403', challenge)],
      'browser check, 503': [kind('challenge', { status: 503 }), final('A503', challenge)],
      redirect: [kind('redirect'), final('A307', protocol)],
      'reset without an answer': [kind('reset'), retried('A0')],
      'close without an answer': [kind('close'), retried('A0')],
      'no HTTP': [kind('garbage'), final('A0', protocol)],
      'hang without an answer': [kind('hang'), final('A0', timeout), SHORT],
      'taken, answer lost': [kind('lost'), final('A0', WHOLE)],
      'taken, no JSON': [kind('invalid_json'), resumed],
      'taken, empty': [kind('no_body'), resumed],
      'taken, answered late': [kind('late', { delay_ms: 400 }), resumed],
    },
  },
  'after accept': {
    where: 'frames',
    at: 0,
    rows: {
      reset: [kind('reset'), resumed, {}, REPLAYS],
      'end of file': [kind('cut'), resumed, {}, REPLAYS],
      'close 1011': [kind('close'), resumed, {}, REPLAYS],
      'reset, no replay': [kind('reset'), final('A200', interrupted), {}, FORGETS],
      silence: [kind('silence'), final('A200', timeout), SHORT],
      cancelled: [kind('cancelled'), final('A200', interrupted)],
      'no text': [kind('empty'), final('A200', interrupted)],
      'invalid UTF-8': [kind('bad_utf8'), final('A200', protocol)],
      'endless frame': [kind('endless'), final('A200', protocol)],
      'unknown frame': [kind('unknown'), resumed],
    },
  },
};

/** Once text is out, what happens does so in an event. */
const STARTED = {
  reset: [kind('reset'), resumed, {}, REPLAYS],
  'end of file': [kind('cut'), resumed, {}, REPLAYS],
  'close 1011': [kind('close'), resumed, {}, REPLAYS],
  'reset, no replay': [kind('reset'), final('A200', interrupted), {}, FORGETS],
  'close, no replay': [kind('close'), final('A200', interrupted), {}, FORGETS],
  silence: [kind('silence'), final('A200', timeout), SHORT],
  cancelled: [kind('cancelled'), final('A200', interrupted)],
  'invalid UTF-8': [kind('bad_utf8'), final('A200', protocol), {}, FORGETS],
  'no JSON': [kind('not_json'), resumed],
};
MATRIX['after the first token'] = { where: 'frames', at: 1, rows: STARTED };
MATRIX['in the middle'] = { where: 'frames', at: PIECES / 2, rows: STARTED };

const COLUMNS = {
  once: { accounts: 1, times: 1 },
  always: { accounts: 1, times: -1 },
  two: { accounts: 2, times: -1, account: 0 },
};

// ---- one cell ----

/** Prompts in order, "A503 B200". */
const seenBy = (posts) => posts.map((post) => `${letter(post.account)}${post.status}`).join(' ');

const pattern = (seen) =>
  new RegExp(`^${seen.replaceAll(/(\w+)\+ ?/g, (_, one) => `${one}( ${one})*${' '}?`)}$`);

/** A chat that may have a prompt never gets one again. */
function assertNeverTwice(posts) {
  const refused = [400, 401, 402, 403, 404, 413, 429];
  const inDoubt = new Set();
  for (const { chat, status: answer } of posts) {
    assert.ok(!inDoubt.has(chat), `a second prompt on one chat: ${seenBy(posts)}`);
    if (!refused.includes(answer)) inDoubt.add(chat);
  }
  const taken = posts.findIndex((post) => post.status === 200);
  assert.ok(taken < 0 || taken === posts.length - 1, `a prompt behind one that was taken`);
}

/** Asks, and says in short what came. */
async function ask(gw, messages, stream) {
  const answer = outcomeOf(await gw.post({ model: 'GPT5', messages, stream }));
  if (!answer.code) {
    assert.equal(answer.text, TEXT);
    return { got: WHOLE };
  }
  const { text = '' } = answer;
  assert.ok(TEXT.startsWith(text) && text.length < TEXT.length, `not a beginning: ${text}`);
  return { ...answer, got: `${answer.status} ${answer.code}` };
}

/** Nothing is left on either side, and the upstream saw nothing that it would mind. */
async function assertClean(sim, gw) {
  await gw.idle();
  await until(async () => (await sim.state()).sockets === 0, 'no socket upstream');
  assert.deepEqual(await sim.violations(), []);
  await gw.stop();
}

async function cell(sim, { fault, column, env, settings, upstream, stream }) {
  await sim.reset();
  const { accounts, ...when } = COLUMNS[column];
  if (fault?.where === 'accept') delete when.account; // nobody knows it yet
  if (fault?.where === 'accept' && when.times < 0) when.times = 20; // the test's own come, too
  await sim.set({ accounts: 2, token_life_s: 3600, pacing: PACING, ...settings });
  const gw = await gatewayOf(sim, accounts, { env, upstream, account: { max_parallel: 2 } });
  if (fault) await sim.fault({ ...fault, ...when });
  const messages = [{ role: 'user', content: `${CANARY}\n!echo ${TEXT}` }];
  const result = await ask(gw, messages, stream);
  await until(async () => (await sim.clearFaults()) ?? true, 'the simulator listens again');
  const posts = await sim.posts();
  const chats = new Set(posts.map((post) => post.chat)).size;
  await assertClean(sim, gw);
  return { ...result, posts, chats, seen: seenBy(posts) };
}

const table = []; // { position, name, column, text }
const simulators = []; // that no test uses now

/** Both ways to ask, and whether both got what is expected. */
async function judge(position, name, column, [given, expected, env = {}, settings = {}, where_to]) {
  const { where, at } = MATRIX[position];
  const [want, seen] = expected[column];
  const sim = simulators.pop() ?? (await service(2));
  const results = [];
  for (const stream of [false, true]) {
    const fault = given && { where, ...(at === undefined ? {} : { at }), ...given };
    const upstream = await where_to?.(sim);
    results.push(await cell(sim, { fault, column, env, settings, upstream, stream }));
  }
  simulators.push(sim);
  note(position, name, column, results);
  for (const [i, result] of results.entries()) {
    const how = i === 0 ? 'whole' : 'stream';
    assert.equal(result.got, want, `${how}; the upstream saw "${result.seen}"`);
    assert.match(result.seen, pattern(seen), how);
    assertNeverTwice(result.posts);
    if (expected.after && want !== WHOLE)
      assert.ok(result.retryAfter >= 1 && result.retryAfter <= expected.after, 'Retry-After');
    // Three tries in doubt may take longer than STREAM_COMMIT_AFTER: then it is an event, too.
    if (name.endsWith('without an answer')) continue;
    if (i === 1 && want !== WHOLE) assert.equal(result.isEvent ?? false, (at ?? 0) > 0, 'an event');
    if (result.isEvent) assert.ok(result.text.length > 0);
  }
}

function describeResult({ got, code, isEvent, seen, chats }) {
  return `${isEvent ? `event ${code}` : got} [${seen}${chats > 1 ? `, ${chats} chats` : ''}]`;
}

function note(position, name, column, results) {
  const [whole, stream] = results.map(describeResult);
  table.push({ position, name, column, text: whole === stream ? whole : `${whole} / ${stream}` });
}

function printTable(t) {
  t.diagnostic('whole / stream where they differ; [prompts the upstream saw: account, status]');
  t.diagnostic('position | failure | one account, once | one account, always | the first of two');
  const keyOf = ({ position, name }) => `${position} | ${name}`;
  for (const key of new Set(table.map(keyOf))) {
    const cells = table.filter((one) => keyOf(one) === key);
    const texts = Object.keys(COLUMNS).map((c) => cells.find((one) => one.column === c)?.text);
    t.diagnostic(`${key} | ${texts.map((text) => text ?? '-').join(' | ')}`);
  }
}

for (const [position, { rows }] of Object.entries(MATRIX))
  describe(position, { concurrency: CONCURRENCY }, () => {
    for (const [name, row] of Object.entries(rows))
      for (const column of Object.keys(COLUMNS)) {
        if (!row[1][column]) continue;
        const [want] = row[1][column];
        test(`${name}, ${column}: ${want}`, () => judge(position, name, column, row));
      }
  });

test('the table', (t) => printTable(t));
