// SPDX-License-Identifier: Apache-2.0
// Who reads the same bytes: the gateway, Node's own server (llhttp) and Debian's nginx, alone and
// in front of the gateway. Behind each stands an upstream that answers with what it was asked, so
// that a verdict tells how many requests were seen, and with which bodies.

import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { freePort } from '../lib/certs.mjs';
import { Gateway, Program, onEnd, sleep, tempDir, until } from '../lib/harness.mjs';
import { RawSocket } from '../lib/raw.mjs';
import { fetchWhole } from '../lib/http.mjs';
import { final } from '../lib/until.mjs';
import { END, KEY } from './requests.mjs';

/** As the gateway bounds heads. */
const HEAD_MAX = 65536;
const HTTP = Buffer.from('HTTP/');
/** Long enough for an answer that should not come. */
const SILENCE_MS = 300;

/** Node's server; its requests are counted. */
export class Echo {
  static async start() {
    const echo = new Echo();
    echo.count = 0;
    echo.server = http.createServer({ maxHeaderSize: HEAD_MAX }, (request, response) =>
      echo.#take(request, response),
    );
    echo.server.keepAliveTimeout = 60_000;
    echo.server.listen(0, '127.0.0.1');
    await once(echo.server, 'listening');
    echo.port = echo.server.address().port;
    onEnd(() => {
      echo.server.closeAllConnections();
      echo.server.close();
    });
    return echo;
  }

  async #take(request, response) {
    const pieces = [];
    try {
      for await (const piece of request) pieces.push(piece);
    } catch {
      return; // broken in its body
    }
    this.count++;
    const { method, url } = request;
    const body = Buffer.concat(pieces).toString('latin1');
    const text = JSON.stringify({ echo: { method, url, body } });
    response.setHeader('content-type', 'application/json').end(text);
  }
}

/** A gateway that hands on whatever it understood to `echo`. */
export async function gatewayTo(echo) {
  const file = path.join(tempDir(), 'gateway.yaml');
  const text = `upstreams:
  - {name: echo, provider: openai, base_url: "http://127.0.0.1:${echo.port}/v1", models: [m]}
default_model: m
models: [{name: m, targets: [{upstream: echo, model: m}]}]
`;
  fs.writeFileSync(file, text, { mode: 0o600 });
  const env = { API_MASTER_KEY: KEY, STORE_URL: 'memory:', CIRCUIT_ERROR_PERCENT: 0 };
  return Gateway.start({ args: ['--config', file], env });
}

const site = (port, target) => `
  upstream to${target} { server 127.0.0.1:${target}; keepalive 16; }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      proxy_pass http://to${target};
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $http_host;
      proxy_next_upstream off;
    }
  }`;

const config = (dir, sites) => `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 2048; }
http {
  access_log off;
  large_client_header_buffers 4 64k;
  lingering_timeout 1s;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  ${sites.join('\n')}
}
`;

/** nginx as a proxy of each of the ports; resolves with its own ports, in that order. */
export async function nginxTo(...targets) {
  const dir = tempDir();
  const ports = [];
  for (let i = 0; i < targets.length; i++) ports.push(await freePort());
  const file = path.join(dir, 'nginx.conf');
  fs.writeFileSync(file, config(dir, ports.map((port, i) => site(port, targets[i]))));
  const words = ['-p', dir, '-c', file, '-e', 'stderr'];
  const nginx = new Program('nginx', words, { name: 'nginx' });
  await until(async () => {
    if (!nginx.isRunning) throw final(`nginx ended: ${nginx.stderr}`);
    return (await fetchWhole(ports.at(-1), { path: '/' })).status > 0;
  }, 'nginx listens');
  return { nginx, ports };
}

/** One response as a word of a verdict. */
function word({ status, text }) {
  if (status !== 200) return String(status);
  const { echo } = JSON.parse(text);
  if (echo.url.endsWith('/end')) return 'end';
  if (echo.method === 'POST') return `(${echo.body})`;
  return echo.method === 'GET' ? 'get' : echo.method;
}

/** What comes back for `bytes` and the request behind them; `first`: so many words, and then the
 *  server is expected to wait for more. */
export async function verdict(port, bytes, first) {
  const raw = await RawSocket.open(port);
  raw.send(Buffer.from(bytes + END, 'latin1'));
  const words = [];
  const take = async () => {
    const response = await raw.response();
    if (response.status >= 200) words.push(word(response));
  };
  if (first === undefined) await raw.ended();
  else {
    while (words.length < first) await take();
    await sleep(SILENCE_MS);
  }
  while (raw.received.subarray(0, 5).equals(HTTP)) await take();
  if (raw.received.length > 0) words.push('headless');
  if (!raw.isEnded) words.push('waits');
  raw.halfClose();
  await raw.ended();
  raw.close();
  return words.join(' ');
}
