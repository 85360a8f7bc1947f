// SPDX-License-Identifier: Apache-2.0
// A real inference server, of which this project wrote not a line: inference/server.mjs.

import { fileURLToPath } from 'node:url';
import { Program } from './process.mjs';
import { final, until } from './until.mjs';

export { WORDS } from '../inference/gguf.mjs';

const SCRIPT = fileURLToPath(new URL('../inference/server.mjs', import.meta.url));

export class Inference {
  static async start() {
    const server = new Inference();
    server.program = new Program(process.execPath, [SCRIPT], { name: 'inference' });
    server.port = await until(() => {
      if (!server.program.isRunning) throw final(`it ended: ${server.program.stderr}`);
      return Number(/^port (\d+)$/m.exec(server.program.stdout)?.[1]);
    }, 'the inference server listens (npm ci in tests/e2e/inference installs it)');
    server.baseUrl = `http://127.0.0.1:${server.port}/openai/v1`;
    return server;
  }

  /** SHA-256 of each body that came, in order. */
  get bodies() {
    return [...this.program.stdout.matchAll(/^body (.*)$/gm)].map(([, hash]) => hash);
  }

  /** How many clients left before their answer was out. */
  get left() {
    return this.program.stdout.match(/^left$/gm)?.length ?? 0;
  }
}
