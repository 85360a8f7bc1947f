// SPDX-License-Identifier: Apache-2.0
// The simulator as a program of its own, steered over HTTP (docs/internals/simulator.md).

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fetchWhole } from './http.mjs';
import { BINARY, Program, tempDir } from './process.mjs';
import { secret } from './registry.mjs';
import { final, until } from './until.mjs';

export class Simulator {
  static async start({ scenario, args = [] } = {}) {
    const sim = new Simulator();
    const dir = tempDir();
    const words = ['simulate', '--listen', '127.0.0.1:0', ...args];
    if (scenario) {
      const file = path.join(dir, 'scenario.json');
      fs.writeFileSync(file, JSON.stringify(scenario));
      words.push('--scenario', file);
    }
    sim.program = new Program(BINARY, words, { cwd: dir, name: 'simulator', secretOutput: true });
    await until(() => {
      if (!sim.program.isRunning) throw final(`the simulator ended: ${sim.program.stderr}`);
      return /CLERK_COOKIE=.*\n/.test(sim.program.stdout);
    }, 'the simulator listens');
    sim.url = /listening on (http:\/\/\S+)/.exec(sim.program.stdout)[1];
    sim.port = Number(new URL(sim.url).port);
    sim.cookie = secret(/CLERK_COOKIE=(.*)\n/.exec(sim.program.stdout)[1], 'the cookie');
    secret(sim.cookie.replace('__client=', ''), 'the bare cookie');
    return sim;
  }

  /** Settings of a gateway that uses it. */
  env() {
    return { ENGINELABS_API_URL: this.url, CLERK_URL: this.url, CLERK_COOKIE: this.cookie };
  }

  async #call(method, target, value) {
    const body = value === undefined ? undefined : JSON.stringify(value);
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await fetchWhole(this.port, { method, path: `/__sim/${target}`, headers, body });
    assert.ok(answer.status < 300, `${method} ${target}: ${answer.status} ${answer.text}`);
    return answer.text ? answer.json() : undefined;
  }

  set(settings) {
    return this.#call('POST', 'settings', settings);
  }

  /** Adds one fault, or several. */
  fault(...faults) {
    return this.#call('POST', 'faults', faults);
  }

  clearFaults() {
    return this.#call('DELETE', 'faults');
  }

  /** Makes the service forget these chats, or all. */
  lose(...chats) {
    return this.#call('POST', 'lose', chats.length > 0 ? { chats } : undefined);
  }

  reset() {
    return this.#call('POST', 'reset');
  }

  state() {
    return this.#call('GET', 'state');
  }

  /** Entries in order; of one kind, behind entry number `since`. */
  log(kind = '', since = 0) {
    return this.#call('GET', `log?kind=${kind}&since=${since}`);
  }

  clearLog() {
    return this.#call('DELETE', 'log');
  }

  /** The accepted and refused prompts, with their chats. */
  posts(since = 0) {
    return this.log('post', since);
  }

  /** Waits for an entry, and gives it. */
  waitFor(kind, found = () => true, what = `${kind} in the simulator's log`) {
    return until(async () => (await this.log(kind)).find(found), what);
  }

  /** What a client did wrong in the simulator's eyes; a gateway never does. */
  async violations() {
    return (await this.log()).filter((entry) => entry.violation);
  }
}
