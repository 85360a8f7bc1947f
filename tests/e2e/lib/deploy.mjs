// SPDX-License-Identifier: Apache-2.0
// deploy/nginx.conf as it is, but for its names, its port and its paths.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './certs.mjs';
import { fetchWhole } from './http.mjs';
import { Program, tempDir } from './process.mjs';
import { final, until } from './until.mjs';

export const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));

/** Each of these stands in the file, or what is tested is not what is deployed. "resolve" is left
 *  out with the name: Debian's nginx is too old for it. */
export function renderNginx(dir, port, gateways) {
  let text = fs.readFileSync(path.join(DEPLOY, 'nginx.conf'), 'utf8');
  const kept = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = kept.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ');
  const replaced = [
    ['worker_processes auto;', 'worker_processes 1; daemon off; pid nginx.pid;'],
    ['worker_rlimit_nofile 65536;', ''],
    ['worker_connections 16384;', 'worker_connections 1000;'],
    [/http \{/, `http { ${paths}`],
    [/resolver 127\.0\.0\.11 valid=5s ipv6=off;/, ''],
    [
      /server gateway:8089 resolve( [^;]*);/,
      (_, rest) => gateways.map((one) => `server 127.0.0.1:${one}${rest};`).join(' '),
    ],
    ['/dev/stdout', `${dir}/access.log`],
    ['listen 8089;', `listen 127.0.0.1:${port};`],
  ];
  for (const [from, to] of replaced) {
    const next = text.replace(from, to);
    assert.notEqual(next, text, `deploy/nginx.conf has no ${from}`);
    text = next;
  }
  const file = path.join(dir, 'nginx.conf');
  fs.writeFileSync(file, text);
  return file;
}

export class Front {
  static async start(gateways) {
    const front = new Front();
    front.dir = tempDir();
    front.port = await freePort();
    const file = renderNginx(front.dir, front.port, gateways);
    const words = ['-p', front.dir, '-c', file, '-e', 'stderr', '-g', 'master_process off;'];
    front.program = new Program('nginx', words, { name: 'nginx' });
    await until(async () => {
      if (!front.program.isRunning) throw final(`nginx ended: ${front.program.stderr}`);
      return (await fetchWhole(front.port, { path: '/nginx-health' })).status === 200;
    }, 'nginx listens');
    return front;
  }

  /** Lines of its access log. */
  log() {
    return fs.readFileSync(path.join(this.dir, 'access.log'), 'utf8').trim().split('\n');
  }
}
