// SPDX-License-Identifier: Apache-2.0
// Programs under test: started with an environment of their own in a directory of their own, all
// that they say is kept, and none survives the file that started it.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onEnd, watch } from './registry.mjs';
import { PATIENCE_MS, within } from './until.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));

export const BINARY = path.resolve(root, process.env.GATEWAY_BINARY ?? 'build/enginelabs-2api');

/** Those that run now: they must not outlive a test that is ended from outside. */
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));

/** A directory that goes when the file ends. */
export function tempDir() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'enginelabs-e2e-'));
  onEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Nothing of ours is inherited but what a program needs to run and a sanitizer to report. */
function cleanEnv(home, env) {
  const clean = { PATH: process.env.PATH, HOME: home, TMPDIR: os.tmpdir(), LANG: 'C.UTF-8' };
  for (const [name, value] of Object.entries(process.env))
    if (/^(ASAN|UBSAN|LSAN|TSAN)_/.test(name)) clean[name] = value;
  for (const [name, value] of Object.entries(env))
    if (value !== undefined) clean[name] = String(value);
  return clean;
}

export class Program {
  /** `secretOutput`: standard output shows a secret by design (the simulator's cookie). */
  constructor(file, args, { env = {}, cwd, input, name, secretOutput = false } = {}) {
    const dir = cwd ?? tempDir();
    this.dir = dir;
    this.name = name ?? `${path.basename(file)} ${args.join(' ')}`;
    this.stdout = '';
    this.stderr = '';
    this.child = spawn(file, args, { cwd: dir, env: cleanEnv(dir, env), stdio: 'pipe' });
    children.add(this.child);
    this.child.on('exit', () => children.delete(this.child));
    this.child.stdout.setEncoding('utf8').on('data', (text) => (this.stdout += text));
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.stderr += text));
    this.child.stdin.on('error', () => {});
    if (input !== undefined) this.child.stdin.end(input);
    watch(`${this.name}, standard error`, () => this.stderr);
    if (!secretOutput) watch(`${this.name}, standard output`, () => this.stdout);
    this.exited = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => resolve({ code, signal }));
    });
    this.exited.catch(() => {});
    onEnd(() => this.kill());
  }

  get pid() {
    return this.child.pid;
  }

  get isRunning() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** What ended it, once all it said was read. */
  async end(patience = PATIENCE_MS) {
    return within(this.exited, `${this.name} does not end`, patience);
  }

  signal(name) {
    this.child.kill(name);
  }

  async kill() {
    if (this.isRunning) this.child.kill('SIGKILL');
    try {
      await this.end();
    } finally {
      // A descendant that holds them must not keep the test from ending.
      for (const stream of this.child.stdio) stream?.destroy();
    }
  }
}

/** Runs the binary to its end: { code, signal, stdout, stderr }. */
export async function run(args, options = {}) {
  const program = new Program(BINARY, args, { input: '', ...options });
  const { code, signal } = await program.end(options.patience);
  return { code, signal, stdout: program.stdout, stderr: program.stderr };
}
