// SPDX-License-Identifier: Apache-2.0
// Debian's nginx that sends each request to the next of several gateways, as in front of replicas.

import fs from 'node:fs';
import path from 'node:path';
import { freePort } from './certs.mjs';
import { fetchWhole } from './http.mjs';
import { Program, tempDir } from './process.mjs';
import { final, until } from './until.mjs';

const config = (dir, port, ports) => `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  log_format who '$status $upstream_addr';
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  upstream gateways {
    ${ports.map((one) => `server 127.0.0.1:${one} max_fails=0;`).join('\n    ')}
  }
  server {
    listen 127.0.0.1:${port};
    access_log ${dir}/access.log who;
    location / {
      proxy_pass http://gateways;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_buffering off;
      proxy_read_timeout 300s;
    }
  }
}
`;

export class Balancer {
  static async start(gateways) {
    const balancer = new Balancer();
    balancer.dir = tempDir();
    balancer.port = await freePort();
    balancer.url = `http://127.0.0.1:${balancer.port}`;
    const file = path.join(balancer.dir, 'nginx.conf');
    const ports = gateways.map(({ port }) => port);
    fs.writeFileSync(file, config(balancer.dir, balancer.port, ports));
    const words = ['-p', balancer.dir, '-c', file, '-e', 'stderr'];
    balancer.program = new Program('nginx', words, { name: 'nginx' });
    await until(async () => {
      if (!balancer.program.isRunning) throw final(`nginx ended: ${balancer.program.stderr}`);
      return (await fetchWhole(balancer.port, { path: '/healthz' })).status === 200;
    }, 'nginx listens');
    return balancer;
  }

  /** { status, ports } of each request, in the order in which they ended; `ports` were tried. */
  log() {
    const text = fs.readFileSync(path.join(this.dir, 'access.log'), 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [status, ...tried] = line.split(/,? /);
        return { status: Number(status), ports: tried.map((at) => Number(at.split(':').at(-1))) };
      });
  }
}
