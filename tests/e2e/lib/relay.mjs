// SPDX-License-Identifier: Apache-2.0
// A gateway with routes to several upstreams, for endpoints that only those know: a simulator, and
// one that does what a test says.

import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Gateway, Simulator, secret, tempDir, until } from './harness.mjs';
import { PlainUpstream } from './plain.mjs';

export const MiB = 1024 * 1024;
export const SIM_KEYS = ['sk-relay-one-31', 'sk-relay-two-32'].map((key) => secret(key, 'a key'));
export const PLAIN_KEY = secret('sk-relay-plain-33', 'a key');

const upstreams = ({ sim, plain }) => `
default_model: embed
upstreams:
  - name: cto
    provider: enginelabs
    api_url: ${sim.url}
    clerk_url: ${sim.url}
    models: [GPT5]
    accounts: [{name: main, cookie: "${sim.cookie}"}]
  - name: plain
    provider: openai
    base_url: ${plain.url}
    api_key: ${PLAIN_KEY}
    headers: {X-Team: blue}
    models: [big, a name that is quite a bit longer]
  - name: local
    provider: openai
    base_url: ${sim.url}/v1
    api_keys: [${SIM_KEYS.join(', ')}]
    models: [embed-1, whisper-1, voice-1, w]
  - name: nobody
    provider: openai
    base_url: http://127.0.0.1:9/v1
    models: [none]
models:
  - name: embed
    aliases: [text-embedding-3-small]
    targets: [{upstream: local, model: embed-1}]
  - name: gpt
    targets: [{upstream: cto, model: GPT5}]
  - name: whisper
    targets: [{upstream: local, model: whisper-1}]
  - name: "a much longer name of the same whisper"
    targets: [{upstream: local, model: w}]
  - name: voice
    targets: [{upstream: cto, model: GPT5}, {upstream: local, model: voice-1}]
  - name: big
    targets: [{upstream: plain, model: big}]
  - name: renamed
    targets: [{upstream: plain, model: "a name that is quite a bit longer"}]
  - name: two
    targets: [{upstream: plain, model: big}, {upstream: local, model: embed-1}]
  - name: refused-first
    targets: [{upstream: nobody, model: none}, {upstream: plain, model: big}]
`;

/**
 * The two upstreams, and a gateway in front of them; start() gives another one. Without circuits:
 * each test breaks its upstream as it likes.
 */
export async function relayWorld() {
  const sim = await Simulator.start();
  await sim.set({ api_keys: SIM_KEYS.join(), models: ['embed-1'], token_life_s: 3600 });
  const plain = await PlainUpstream.start();
  const quiet = { STORE_URL: 'memory:', CIRCUIT_ERROR_PERCENT: 0 };
  const start = (env = {}) => {
    const file = path.join(tempDir(), 'gateway.yaml');
    fs.writeFileSync(file, upstreams({ sim, plain }), { mode: 0o600 });
    return Gateway.start({ args: ['--config', file], env: { ...quiet, ...env } });
  };
  return { sim, plain, start, gw: await start() };
}

export const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

/** A request whose body the test writes. */
export function begin(gateway, { path: target = '/v1/files', headers = {} } = {}) {
  const request = http.request({
    host: '127.0.0.1',
    port: gateway.port,
    method: 'POST',
    path: target,
    agent: false,
    headers: gateway.headers({ 'content-type': 'application/octet-stream', ...headers }),
  });
  request.on('error', () => {});
  request.answer = once(request, 'response').then(([response]) => response);
  request.answer.catch(() => {});
  return request;
}

export async function textOf(response) {
  let text = '';
  for await (const piece of response) text += piece;
  return text;
}

/** What a response holds, and whether its end is a proper one. */
export async function drain(response) {
  const pieces = [];
  let isWhole = true;
  try {
    for await (const piece of response) pieces.push(piece);
  } catch {
    isWhole = false;
  }
  return { bytes: Buffer.concat(pieces), isWhole };
}

/** Waits until `value()` stays the same, within `slack`; gives it. */
export async function settled(value, what, slack = 0) {
  let last = -1;
  let same = 0;
  await until(async () => {
    const now = await value();
    same = Math.abs(now - last) <= slack ? same + 1 : 0;
    last = now;
    return same >= 10;
  }, what);
  return last;
}
