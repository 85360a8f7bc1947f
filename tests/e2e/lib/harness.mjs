// SPDX-License-Identifier: Apache-2.0
// The gateway under test in front of an upstream, and what every file must end with: nothing
// left in the gateway, a clean exit, and no secret in anything that was written.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import OpenAI from 'openai';
import { EventStream, fetchWhole, open } from './http.mjs';
import { BINARY, Program } from './process.mjs';
import { closeAll, findLeaks, onEnd, secret, watch } from './registry.mjs';
import { Simulator } from './simulator.mjs';
import { PATIENCE_MS, final, until } from './until.mjs';
import { Upstream } from './upstream.mjs';

export { BINARY, Program, run, tempDir } from './process.mjs';
export { onEnd, secret, watch } from './registry.mjs';
export { Simulator } from './simulator.mjs';
export * from './until.mjs';

export const KEY = secret('sk-e2e-9b1f4c7d0a', 'the API key');

/** Put into prompts and answers, which no log may show. */
export const CANARY = secret('canary-5e2d91', 'a prompt or an answer');

/** Quick and roomy; every log line there is, since all are searched for secrets. */
const DEFAULTS = {
  LISTEN: '127.0.0.1:0',
  API_MASTER_KEY: KEY,
  LOG_LEVEL: 'debug',
  LOG_FORMAT: 'json',
  ENGINELABS_MAX_PARALLEL: 200,
  SHUTDOWN_TIMEOUT: 10,
};

/** What a request for metrics may differ by from another. */
const SLACK_BYTES = 65536;

const gateways = [];

export class Gateway {
  /** `env` are settings; `args` what follows `serve`; `wrap` a command that runs it. */
  constructor({ env = {}, args = [], cwd, wrap = [], name = 'gateway', program = BINARY } = {}) {
    const command = [...wrap, program, 'serve', ...args];
    this.env = { ...DEFAULTS, ...env };
    this.key = this.env.API_MASTER_KEY;
    this.errors = [];
    this.program = new Program(command[0], command.slice(1), { env: this.env, cwd, name });
    watch(`${name}, its errors`, () => this.errors.join('\n'));
  }

  static async start(options) {
    const gateway = new Gateway(options);
    gateways.push(gateway);
    await gateway.listening();
    return gateway;
  }

  get log() {
    return this.program.stderr;
  }

  /** Log lines as objects; what is no JSON is given as { text }. */
  get logLines() {
    return this.log
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        try {
          return JSON.parse(line);
        } catch {
          return { text: line };
        }
      });
  }

  async listening() {
    const line = await until(() => {
      if (!this.program.isRunning) throw final(`the gateway ended: ${this.log}`);
      return this.logLines.find((entry) => entry.message === 'listening');
    }, 'the gateway listens');
    this.address = line.address;
    this.workers = line.workers;
    this.port = Number(/:(\d+)$/.exec(line.address)?.[1]);
    this.url = `http://127.0.0.1:${this.port}`;
    this.atStart = await this.metrics();
  }

  /** The key, or other headers instead. */
  headers(extra = {}) {
    const headers = this.key ? { authorization: `Bearer ${this.key}` } : {};
    return { ...headers, ...extra };
  }

  async get(path, headers = {}, method = 'GET') {
    const answer = await fetchWhole(this.port, { method, path, headers: this.headers(headers) });
    return this.#keepError(answer);
  }

  /** What a client is told of a failure must not show secrets either. */
  #keepError(answer) {
    if (answer.status >= 400) this.errors.push(answer.text);
    return answer;
  }

  #post(body, { path = '/v1/chat/completions', headers = {} } = {}) {
    const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return {
      method: 'POST',
      path,
      headers: this.headers({ 'content-type': 'application/json', ...headers }),
      body: bytes,
    };
  }

  async post(body, options) {
    const answer = await fetchWhole(this.port, this.#post(body, options));
    return this.#keepError(answer);
  }

  /** Starts a streamed request; what is no event stream is a failure here. */
  async stream(body, options) {
    const opened = await open(this.port, this.#post({ stream: true, ...body }, options));
    const type = opened.response.headers['content-type'] ?? '';
    if (!type.startsWith('text/event-stream')) {
      let text = '';
      for await (const piece of opened.response) text += piece;
      assert.fail(`no stream but ${opened.response.statusCode} ${type} ${text}`);
    }
    return new EventStream(opened);
  }

  /** A request on its way that nobody waits for yet; destroy() it to leave. */
  async begin(body, options) {
    const { request } = await this.beginStream(body, options);
    return request;
  }

  async beginStream(body, options) {
    const http = await import('node:http');
    const { body: bytes, ...rest } = this.#post(body, options);
    const request = http.request({ host: '127.0.0.1', port: this.port, agent: false, ...rest });
    const answered = new Promise((resolve) => request.on('response', resolve));
    request.on('error', () => {});
    request.end(bytes);
    await once(request, 'finish');
    return { request, answered };
  }

  /** The official client. */
  openai(options = {}) {
    return new OpenAI({
      baseURL: `${this.url}/v1`,
      apiKey: this.key ?? 'none',
      maxRetries: 0,
      timeout: 2 * PATIENCE_MS,
      ...options,
    });
  }

  /** { exchanges: 0, ... }: names without the common prefix. */
  async metrics() {
    const { text } = await fetchWhole(this.port, {
      path: '/metrics',
      headers: { connection: 'close' },
    });
    const rows = [...text.matchAll(/^enginelabs2api_(\w+) (-?\d+)$/gm)];
    return Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]));
  }

  /** Waits until nothing is left of any request; says what is. */
  async idle(patience = PATIENCE_MS) {
    await until(
      async () => {
        const m = await this.metrics();
        assert.deepEqual(
          {
            exchanges: m.exchanges,
            leases: m.enginelabs_leases,
            waiting: m.enginelabs_waiting,
            websockets: m.upstream_websockets,
            connections: m.http_server_connections - 1,
            'upstream connections in use': m.upstream_connections - m.upstream_idle_connections,
          },
          {
            exchanges: 0,
            leases: 0,
            waiting: 0,
            websockets: 0,
            connections: 0,
            'upstream connections in use': 0,
          },
          `left behind in ${this.program.name}`,
        );
        const timers = m.timers - m.upstream_idle_connections - m.enginelabs_leases_draining;
        const { timers: few, buffered_bytes: little } = this.atStart;
        // A worker may have begun after the first count, and so may the control socket's.
        const more = this.workers + 1;
        assert.ok(timers <= few + more, `${timers} timers, ${few} at the start`);
        const bytes = m.buffered_bytes;
        assert.ok(bytes <= little + SLACK_BYTES, `${bytes} bytes, ${little} at the start`);
        return true;
      },
      'nothing is left',
      patience,
    );
  }

  /** Asks it to end and expects that it does so in peace. */
  async stop() {
    if (!this.program.isRunning) return;
    this.program.signal('SIGTERM');
    const end = await this.program.end();
    assert.deepEqual(
      end,
      { code: 0, signal: null },
      `the gateway ended badly: ${this.log.slice(-3000)}`,
    );
  }

  /** Its end is part of the test itself: finish() leaves it alone. */
  disown() {
    gateways.splice(gateways.indexOf(this), 1);
  }
}

/** A gateway on a simulator of its own, whose tokens do not end in the middle of a test. `settings`
 *  are the simulator's. */
export async function world({ env = {}, settings = {}, scenario, ...options } = {}) {
  const sim = await Simulator.start({ scenario });
  const calm = { pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600, daily_limit: 1e6 };
  await sim.set({ ...calm, ...settings });
  const gw = await Gateway.start({ env: { ...sim.env(), ...env }, ...options });
  return { sim, gw };
}

/** A gateway in front of an upstream of the second kind, whose answers go by steps. */
export async function pair(env = {}) {
  const upstream = await Upstream.start();
  const gw = await Gateway.start({ env: { ...upstream.env(), ...env } });
  return { upstream, gw };
}

const SANITIZER = /(AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer).*/;

/** The message of what goes wrong in `work`, or none. */
async function problemOf(work) {
  try {
    await work();
    return [];
  } catch (error) {
    return [error.message];
  }
}

/** What `after()` of every file calls. */
export async function finish() {
  const problems = [];
  await globalThis[Symbol.for('undici.globalDispatcher.1')]?.destroy?.();
  const running = gateways.filter((gateway) => gateway.program.isRunning);
  problems.push(...(await Promise.all(running.map((g) => problemOf(() => g.idle())))).flat());
  for (const gateway of gateways) {
    problems.push(...(await problemOf(() => gateway.stop())));
    const report = SANITIZER.exec(gateway.log);
    if (report) problems.push(gateway.log.slice(report.index, report.index + 4000));
  }
  problems.push(...(await closeAll()).map((error) => error.message));
  problems.push(...findLeaks());
  assert.deepEqual(problems, [], 'at the end of the file');
}
