// SPDX-License-Identifier: Apache-2.0
// A home directory in which gateways are started one after the other, as one that is restarted.

import fs from 'node:fs';
import path from 'node:path';
import { Gateway } from './harness.mjs';
import { run, tempDir } from './process.mjs';

export class Home {
  /** `env` are settings of all its gateways. */
  constructor(env) {
    this.env = env;
    this.dir = tempDir();
    this.state = path.join(this.dir, '.local/state/enginelabs-2api');
  }

  async start(env = {}) {
    this.gw = await Gateway.start({ env: { ...this.env, ...env }, cwd: this.dir });
    return this.gw;
  }

  /** A file in it, such as its YAML. */
  write(name, text) {
    fs.writeFileSync(path.join(this.dir, name), text, { mode: 0o600 });
  }

  read(name) {
    return fs.readFileSync(path.join(this.dir, name), 'utf8');
  }

  async kill() {
    this.gw.program.signal('SIGKILL');
    await this.gw.program.end();
  }

  async stop() {
    await this.gw.stop();
  }

  /** Runs a command to its end: { code, signal, stdout, stderr }. */
  run(words, env = {}) {
    return run(words, { env: { LISTEN: '127.0.0.1:0', ...this.env, ...env }, cwd: this.dir });
  }

  /** A file's mode without its type; undefined when it is not there. */
  mode(name) {
    const stat = fs.statSync(path.join(this.state, name), { throwIfNoEntry: false });
    return stat && stat.mode & 0o777;
  }
}

/** What /readyz says: { status, problems: { name: problem } }. */
export async function readiness(gateway) {
  const answer = await gateway.get('/readyz');
  const parts = answer.json().parts.filter((part) => !part.ready);
  const problems = Object.fromEntries(parts.map(({ name, problem }) => [name, problem]));
  return { status: answer.status, problems };
}
