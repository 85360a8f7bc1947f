// SPDX-License-Identifier: Apache-2.0
// Five hundred clients at twenty accounts of a service that fails at random, for STORM_SECONDS
// (10). Every answer is whole to the byte or a clear error, no account has more to do than it may,
// no prompt is sent twice, and nothing is left behind. STORM_SEED repeats one: what each client
// asks, and what goes wrong for it, follows from that number.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { gatewayOf, service } from './lib/accounts.mjs';
import { bytesOf, randomOf } from './lib/bytes.mjs';
import { BINARY, CANARY, finish, sleep, until } from './lib/harness.mjs';
import { outcomeOf } from './lib/outcome.mjs';

after(finish);

const SECONDS = Number(process.env.STORM_SECONDS ?? 10);
const SEED = Number(process.env.STORM_SEED ?? Date.now() % 1e9);
const CLIENTS = 500;
const ACCOUNTS = 20;
const PARALLEL = 3;
const WARM_UPS = Math.max(20, SECONDS / 3);
const PATIENCE_MS = 120_000;
/** The address sanitizer keeps what is freed for a while (8 MiB, as set below), and the stack of
 *  each place that allocates: a storm comes to many that calm weather does not know. */
const HELD_BACK_MIB = BINARY.includes('/asan/') ? 16 : 0;

/** Nothing here makes an account unusable for the rest of the storm, or its task endless. Those at
 *  places other than post and frames meet whoever comes next. */
const FAULTS = [
  'post 401 times=1',
  'post 500',
  'post 503',
  'post 503 times=1',
  'post 429 retry_after=1 times=2',
  'post reset',
  'post close',
  'post lost',
  'post hang',
  'post late delay_ms=300',
  'post challenge',
  'post garbage',
  'post invalid_json',
  'post no_body',
  'post truncated',
  'ws 503',
  'ws 401',
  'ws reset',
  'ws close',
  'ws hang',
  'ws delay delay_ms=200',
  'ws wrong_accept',
  'ws open_reset',
  'ws open_close',
  'token 500',
  'token reset',
  'token late delay_ms=300',
  'frames reset at=AT',
  'frames reset at=AT times=1',
  'frames cut at=AT',
  'frames close at=AT',
  'frames no_final',
  'frames cancelled at=AT',
  'frames empty',
  'frames pause at=AT delay_ms=400',
  'frames not_json at=AT',
  'frames unknown at=AT',
  'frames bad_buffer at=AT',
  'frames ping at=AT',
  'frames echo at=AT',
  'frames activity at=AT',
  'frames bad_utf8 at=AT',
  'frames endless at=AT',
  'frames history at=AT',
];

const TROUBLE = [
  'upstream_unavailable',
  'upstream_interrupted',
  'upstream_protocol',
  'upstream_challenge',
  'upstream_auth_failed',
  'upstream_timeout',
  'insufficient_quota',
];

const tagOf = (prompt) => [...prompt.matchAll(/^(client \d+ turn \d+)$/gm)].at(-1)?.[1];

class Client {
  constructor(gw, number, tally) {
    this.gw = gw;
    this.number = number;
    this.tally = tally;
    this.random = randomOf(SEED + 7919 * number);
    this.turn = 0;
    this.messages = [];
  }

  below(n) {
    return Math.floor(this.random() * n);
  }

  /** A prompt, and the answer that it is to have. */
  next(isCalm) {
    const [size, seed] = [200 + this.below(1800), this.below(2 ** 31)];
    const fault = FAULTS[this.below(FAULTS.length)].replace('AT', String(1 + this.below(12)));
    const hasFault = this.random() < 0.4;
    const lines = [`${CANARY}`, `client ${this.number} turn ${++this.turn}`];
    const pacing = isCalm ? '1 1' : `${10 + this.below(150)} ${5 + this.below(20)}`;
    lines.push(`!pacing ${pacing}`, `!bytes ${size} ${seed}`);
    if (hasFault && !isCalm) lines.push(`!fault ${fault}`);
    return { content: lines.join('\n'), want: bytesOf(size, seed) };
  }

  /** One request; goes on with its conversation now and then. */
  async ask(isCalm) {
    const { content, want } = this.next(isCalm);
    if (this.messages.length > 4 || this.random() < 0.3) this.messages = [];
    const messages = [...this.messages, { role: 'user', content }];
    const body = { model: 'GPT5', messages, stream: this.random() < 0.7 };
    if (!isCalm && this.random() < 0.08) return this.leave(body);
    const outcome = await this.post(body, content);
    this.judge(outcome, want, isCalm, messages);
    this.messages = outcome.code
      ? []
      : [...messages, { role: 'assistant', content: outcome.text }];
  }

  async post(body, content) {
    try {
      return outcomeOf(await this.gw.post(body));
    } catch (error) {
      const asked = JSON.stringify({ stream: body.stream, content });
      throw new Error(`client ${this.number}, ${asked}: ${error.message}`);
    }
  }

  judge({ text = '', code, isEvent }, want, isCalm, messages) {
    const { tally } = this;
    if (!code) {
      assert.ok(text === want, this.describe(text, want, messages));
      tally.whole++;
      return;
    }
    assert.ok(!isCalm, `client ${this.number}: ${code} after the storm`);
    assert.ok(TROUBLE.includes(code), code);
    assert.ok(want.startsWith(text), `client ${this.number}: not the beginning of its answer`);
    const name = `${isEvent ? 'event ' : ''}${code}`;
    tally.errors[name] = (tally.errors[name] ?? 0) + 1;
  }

  /** Where an answer is not what was asked for. */
  describe(text, want, messages) {
    const at = [...want].findIndex((character, i) => character !== text[i]);
    const { content } = messages.at(-1);
    return (
      `client ${this.number}: ${text.length} characters for ${want.length}, different from ` +
      `${at} on: ${JSON.stringify(text.slice(at, at + 40))}; asked, with ${messages.length - 1} ` +
      `messages before it, for ${JSON.stringify(content)}`
    );
  }

  async leave(body) {
    const { request } = await this.gw.beginStream(body);
    await sleep(this.below(1500));
    request.destroy();
    this.tally.left++;
    this.messages = [];
  }
}

function rssOf(gw) {
  const text = fs.readFileSync(`/proc/${gw.program.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(text)[1]) / 1024;
}

/** Looks at the simulator's accounts now and then: { most, all }, the most tasks that one of them
 *  had, and all together. */
function watchTasks(sim) {
  const watch = { most: 0, all: 0, isOver: false };
  watch.done = (async () => {
    while (!watch.isOver) {
      const { accounts, tasks } = await sim.state();
      watch.most = Math.max(watch.most, ...accounts.map((account) => account.tasks));
      watch.all = Math.max(watch.all, tasks);
      await sleep(250);
    }
  })();
  return watch;
}

/** All of them; the first failure when all have come to their end. */
async function together(work) {
  const failed = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
}

/** All at once, without faults, until no lease of those who left counts any more. */
async function calm(gw, clients) {
  await until(
    async () => {
      await together(clients.map((client) => client.ask(true)));
      return (await gw.metrics()).enginelabs_leases_draining === 0;
    },
    'no lease is left',
    PATIENCE_MS,
  );
}

function judgePosts(posts) {
  const own = posts.filter((post) => !post.fault);
  assert.deepEqual(
    own.filter(({ status }) => status === 429),
    [],
    `an account was asked for more than ${PARALLEL} answers at once`,
  );
  const taken = new Map();
  const isTaken = ({ status, fault }) => status === 200 || (status === 0 && fault === 'lost');
  for (const post of posts.filter(isTaken)) {
    const tag = tagOf(post.prompt ?? '');
    if (!tag) continue; // it was cut off before it was read
    assert.equal(taken.get(tag), undefined, `${tag} was sent again`);
    taken.set(tag, post.chat);
  }
  return taken.size;
}

/** RSS when the gateway has given back what it does not use: the allocator keeps two thirds. Looks
 *  seldom, since asking keeps it busy. */
async function restedRss(gw) {
  const trims = async () => (await gw.metrics()).memory_trims_total;
  const before = await trims();
  for (let i = 0; (await trims()) === before; i++) {
    assert.ok(i < PATIENCE_MS / 5000, 'no memory was given back');
    await sleep(5000);
  }
  return rssOf(gw);
}

test(`${CLIENTS} clients at ${ACCOUNTS} accounts, ${SECONDS} s of random faults`, async (t) => {
  t.diagnostic(`STORM_SEED=${SEED}`);
  const settings = { piece_bytes: 64, task_limit: PARALLEL, log_entries: 1_000_000 };
  const plan = { team_size: ACCOUNTS, token_life_s: 60, daily_limit: 1e6 };
  const sim = await service(ACCOUNTS, { ...settings, ...plan });
  const env = {
    LOG_LEVEL: 'info',
    QUEUE_TIMEOUT: 100,
    UPSTREAM_ACCEPT_TIMEOUT: 2,
    UPSTREAM_CONNECT_TIMEOUT: 5,
    ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=8`,
  };
  const gw = await gatewayOf(sim, ACCOUNTS, { env, account: { max_parallel: PARALLEL } });
  const tally = { whole: 0, left: 0, errors: {} };
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(gw, i, tally));
  for (let i = 0; i < WARM_UPS; i++) await calm(gw, clients); // the store's cache fills
  await gw.idle();
  const before = { rss: await restedRss(gw), whole: tally.whole };

  const watch = watchTasks(sim);
  const start = Date.now();
  const storm = clients.map(async (client) => {
    while (Date.now() - start < SECONDS * 1000) await client.ask(false);
  });
  await together(storm);
  const stormy = { ...tally, whole: tally.whole - before.whole, took: Date.now() - start };
  await sim.clearFaults();
  await calm(gw, clients);
  watch.isOver = true;
  await watch.done;
  await gw.idle();
  const m = await gw.metrics();
  const rss = await restedRss(gw);
  const taken = judgePosts(await sim.posts());

  const errors = Object.values(tally.errors).reduce((sum, n) => sum + n, 0);
  t.diagnostic(
    `${stormy.whole} whole, ${errors} errors, ${tally.left} left, in ${stormy.took} ms; ` +
      `${taken} prompts taken; at most ${watch.most} tasks on an account, ${watch.all} on all`,
  );
  t.diagnostic(`errors: ${JSON.stringify(tally.errors)}`);
  t.diagnostic(`RSS ${before.rss.toFixed(1)} MiB before, ${rss.toFixed(1)} MiB after`);
  t.diagnostic(`connections: ${m.upstream_connections}, idle ${m.upstream_idle_connections}`);
  assert.ok(watch.most <= PARALLEL);
  assert.ok(stormy.whole > errors, 'most answers are whole');
  assert.equal(m.enginelabs_leases_draining, 0);
  const most = before.rss * 1.1 + HELD_BACK_MIB;
  assert.ok(rss <= most, `RSS: ${before.rss} MiB before, ${rss} MiB after`);
  await until(async () => (await sim.state()).sockets === 0, 'no socket upstream');
});
