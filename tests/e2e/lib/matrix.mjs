// SPDX-License-Identifier: Apache-2.0
// A matrix of failures: each at a step of an answer, once and always with one account, and always
// at the first of two. What the client gets, what the upstream saw of it, and that nothing is left.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gatewayOf, letter, service } from './accounts.mjs';
import { CANARY, until } from './harness.mjs';
import { outcomeOf } from './outcome.mjs';

const CONCURRENCY = 4; // most of a test is waiting
export const PIECES = 16;
const TEXT = Array.from({ length: 3 * PIECES }, (_, i) => `word${i}`).join(' ');
const PACING = { first_ms: 10, every_ms: 15 };

/** Time-outs that are to pass. */
export const SHORT = {
  UPSTREAM_CONNECT_TIMEOUT: 0.5,
  UPSTREAM_ACCEPT_TIMEOUT: 0.5,
  UPSTREAM_FIRST_TOKEN_TIMEOUT: 0.5,
  UPSTREAM_IDLE_TIMEOUT: 0.5,
};

// ---- what may come of it ----

export const WHOLE = '200';
export const unavailable = '502 upstream_unavailable';
export const interrupted = '502 upstream_interrupted';
export const protocol = '502 upstream_protocol';
export const authFailed = '502 upstream_auth_failed';
export const challenge = '502 upstream_challenge';
export const timeout = '504 upstream_timeout';
export const quota = '429 insufficient_quota';
export const limited = '429 rate_limit_exceeded';
/** What the upstream said itself is handed on; the simulator's errors have no code. */
const AS_IT_IS = 'as it is';
export const asItIs = (code) => `${code} ${AS_IT_IS}`;
export const tooLong = '400 context_length_exceeded';

/**
 * What is expected: `once` and `always` with one account, `two` when it always happens to the first
 * of two. Each is [what the client gets, the prompts that the upstream saw]: an account's letter
 * and the status of its answer, 0 for none; + for once or more. Where nothing is tried again `once`
 * is what `always` is, and left out.
 */
export const moves = (seen, want, more = {}) => ({
  always: [want, seen],
  two: [WHOLE, `${seen} B200`.trim()],
  ...more,
});
export const retried = (seen, want = unavailable) => ({
  once: [WHOLE, `${seen} A200`.trim()],
  always: [want, seen && `${seen}+`],
  two: [WHOLE, `${seen && `${seen}+ `}B200`],
});
export const final = (seen, want) => ({ always: [want, seen], two: [want, seen] });
export const resumed = final('A200', WHOLE);

export const status = (code, more = {}) => ({ status: code, ...more });
export const kind = (name, more = {}) => ({ kind: name, ...more });

/** Ways to ask, for a position that is not there in both: whether it is a stream. */
export const WAYS = { whole: false, stream: true };

// ---- the columns ----

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
async function ask(gw, body) {
  const answer = outcomeOf(await gw.post(body));
  if (answer.status === undefined) {
    assert.equal(answer.text, TEXT);
    return { got: WHOLE };
  }
  const { text = '' } = answer;
  assert.ok(TEXT.startsWith(text) && text.length < TEXT.length, `not a beginning: ${text}`);
  return { ...answer, got: `${answer.status} ${answer.code ?? AS_IT_IS}` };
}

/** Nothing is left on either side, and the upstream saw nothing that it would mind. */
async function assertClean({ isQuiet = ({ sockets }) => sockets === 0 }, sim, gw) {
  await gw.idle();
  await until(async () => isQuiet(await sim.state()), 'the upstream is left');
  assert.deepEqual(await sim.violations(), []);
  await gw.stop();
}

async function cell(plan, sim, { fault, column, env, settings, upstream, stream }) {
  const { model, open = gatewayOf, prompts = (of) => of.posts() } = plan;
  await sim.reset();
  const { accounts, ...when } = COLUMNS[column];
  if (fault?.where === 'accept') delete when.account; // nobody knows it yet
  if (fault?.where === 'accept' && when.times < 0) when.times = 20; // the test's own come, too
  await sim.set({ accounts: 2, token_life_s: 3600, pacing: PACING, ...settings });
  const gw = await open(sim, accounts, { env, upstream, account: { max_parallel: 2 } });
  if (fault) await sim.fault({ ...fault, ...when });
  const messages = [{ role: 'user', content: `${CANARY}\n!echo ${TEXT}` }];
  const result = await ask(gw, { model, messages, stream });
  await until(async () => (await sim.clearFaults()) ?? true, 'the simulator listens again');
  const posts = await prompts(sim);
  const chats = new Set(posts.map((post) => post.chat)).size;
  await assertClean(plan, sim, gw);
  return { ...result, posts, chats, seen: seenBy(posts) };
}

const table = []; // { position, name, column, text }
const simulators = []; // that no test uses now

/** Both ways to ask, and whether both got what is expected. */
async function judge(plan, position, name, column) {
  const { where, at, rows, ways = [WAYS.whole, WAYS.stream] } = plan.matrix[position];
  const [given, expected, env = {}, settings = {}, where_to] = rows[name];
  const [want, seen] = expected[column];
  const sim = simulators.pop() ?? (await service(2));
  const results = [];
  for (const stream of ways) {
    const fault = given && { where, ...(at === undefined ? {} : { at }), ...given };
    const upstream = { ...plan.upstream, ...(await where_to?.(sim)) };
    results.push(await cell(plan, sim, { fault, column, env, settings, upstream, stream }));
  }
  simulators.push(sim);
  note(position, name, column, results);
  for (const [i, result] of results.entries()) {
    const how = ways[i] ? 'stream' : 'whole';
    assert.equal(result.got, want, `${how}; the upstream saw "${result.seen}"`);
    assert.match(result.seen, pattern(seen), how);
    assertNeverTwice(result.posts);
    if (expected.after && want !== WHOLE)
      assert.ok(result.retryAfter >= 1 && result.retryAfter <= expected.after, 'Retry-After');
    // Three tries in doubt may take longer than STREAM_COMMIT_AFTER: then it is an event, too.
    if (name.endsWith('without an answer')) continue;
    if (ways[i] && want !== WHOLE) assert.equal(result.isEvent ?? false, (at ?? 0) > 0, 'an event');
    if (result.isEvent) assert.ok(result.text.length > 0);
  }
}

function describeResult({ got, code, isEvent, seen, chats }) {
  return `${isEvent ? `event ${code}` : got} [${seen}${chats > 1 ? `, ${chats} chats` : ''}]`;
}

function note(position, name, column, results) {
  const texts = new Set(results.map(describeResult));
  table.push({ position, name, column, text: [...texts].join(' / ') });
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

/**
 * Declares the tests of a matrix: position -> { where, at, ways, rows: { name: [fault, expected,
 * settings of the gateway, of the simulator, other addresses] } }, and one that prints the table.
 * Where the protocol is another: `open` starts a gateway as gatewayOf() does, `prompts` gives those
 * that the simulator saw, { account, status, chat }, and `isQuiet` judges its state at the end.
 */
export function matrixTests(plan) {
  for (const [position, { rows }] of Object.entries(plan.matrix))
    describe(position, { concurrency: CONCURRENCY }, () => {
      for (const [name, row] of Object.entries(rows))
        for (const column of Object.keys(COLUMNS)) {
          if (!row[1][column]) continue;
          const [want] = row[1][column];
          test(`${name}, ${column}: ${want}`, () => judge(plan, position, name, column));
        }
    });
  test('the table', (t) => printTable(t));
}
