// SPDX-License-Identifier: Apache-2.0
// npm's inference-server (llama.cpp behind an OpenAI-compatible API) with two tiny models of our
// own: `big` says the words and ends, `endless` says them over and over. Prints its port, what
// came (`body SHA256`), and `left` for each client that left before its answer was out.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InferenceServer, createExpressServer } from 'inference-server';
import { WORDS, writeModel } from './gguf.mjs';

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'inference-'));
process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
process.on('SIGTERM', () => process.exit(0));

function model(name, ends) {
  const location = path.join(dir, `${name}.gguf`);
  writeModel(location, WORDS, ends);
  return {
    task: 'text-completion',
    engine: 'node-llama-cpp',
    location,
    contextSize: 1024,
    minInstances: 1,
    device: { gpu: false, cpuThreads: 1 },
  };
}

const server = new InferenceServer({
  log: 'info',
  cachePath: dir,
  concurrency: 2,
  models: { big: model('big', true), endless: model('endless', false) },
});
await server.start();
const http = createExpressServer(server);
http.prependListener('request', (request, response) => {
  const hash = createHash('sha256');
  request.on('data', (bytes) => hash.update(bytes));
  request.on('end', () => console.log(`body ${hash.digest('hex')}`));
  response.on('close', () => response.writableFinished || console.log('left'));
});
http.listen(0, '127.0.0.1', () => console.log(`port ${http.address().port}`));
