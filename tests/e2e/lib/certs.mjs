// SPDX-License-Identifier: Apache-2.0
// Test certificates by openssl(1), and nginx with them in front of an upstream, as users put it.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { Program, tempDir } from './process.mjs';
import { final, until } from './until.mjs';

const openssl = (dir, ...words) => execFileSync('openssl', words, { cwd: dir, stdio: 'pipe' });

const CA_CONFIG = `[ca]
default_ca = this
[this]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`;

/** A certificate authority in a directory of its own. */
export class Authority {
  constructor(name) {
    this.dir = tempDir();
    this.file = path.join(this.dir, 'ca.pem');
    fs.writeFileSync(path.join(this.dir, 'ca.cnf'), CA_CONFIG);
    fs.writeFileSync(path.join(this.dir, 'index.txt'), '');
    fs.writeFileSync(path.join(this.dir, 'serial'), '1000\n');
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const out = ['-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-subj', `/CN=${name}`];
    openssl(this.dir, 'req', '-x509', ...key, ...out);
  }

  /** A server certificate for `names`, as { cert, key }; dates like 20200101000000Z. */
  issue(label, names, start = '20200101000000Z', end = '20400101000000Z') {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const subject = ['-subj', `/CN=${label}`, '-addext', `subjectAltName=${names}`];
    openssl(this.dir, 'req', ...key, '-keyout', `${label}.key`, '-out', `${label}.csr`, ...subject);
    const signer = [
      '-config',
      'ca.cnf',
      '-cert',
      'ca.pem',
      '-keyfile',
      'ca.key',
      '-batch',
      '-notext',
    ];
    const dates = ['-startdate', start, '-enddate', end];
    openssl(this.dir, 'ca', ...signer, ...dates, '-in', `${label}.csr`, '-out', `${label}.pem`);
    return { cert: path.join(this.dir, `${label}.pem`), key: path.join(this.dir, `${label}.key`) };
  }
}

/** A port that nobody listens on now. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const site = (dir, target, { port, cert, key }) => `
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_session_cache shared:s${port}:1m;
    access_log ${dir}/access.${port}.log told;
    location / {
      proxy_pass ${target};
      proxy_http_version 1.1;
      proxy_set_header Host ${new URL(target).host};
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_for;
      proxy_buffering off;
      proxy_read_timeout 300s;
    }
  }`;

const config = (dir, target, sites) => `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  map $http_upgrade $connection_for { default upgrade; '' ''; }
  log_format told '$server_protocol $ssl_protocol $ssl_session_reused $ssl_server_name $uri';
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  ${sites.map((one) => site(dir, target, one)).join('\n')}
}
`;

/** nginx with one TLS port for each certificate; ports are in the order of `certificates`. */
export class Nginx {
  static async start(target, certificates) {
    const nginx = new Nginx();
    nginx.dir = tempDir();
    const sites = [];
    for (const certificate of certificates) sites.push({ port: await freePort(), ...certificate });
    nginx.ports = sites.map((one) => one.port);
    const file = path.join(nginx.dir, 'nginx.conf');
    fs.writeFileSync(file, config(nginx.dir, target, sites));
    const words = ['-p', nginx.dir, '-c', file, '-e', 'stderr'];
    nginx.program = new Program('nginx', words, { name: 'nginx' });
    await until(async () => {
      if (!nginx.program.isRunning) throw final(`nginx ended: ${nginx.program.stderr}`);
      const socket = net.connect(nginx.ports.at(-1), '127.0.0.1');
      try {
        await once(socket, 'connect');
        return true;
      } finally {
        socket.destroy();
      }
    }, 'nginx listens');
    return nginx;
  }

  /** What came to a port: { protocol, tls, reused, name, path } each. */
  log(port = this.ports[0]) {
    const file = path.join(this.dir, `access.${port}.log`);
    const lines = fs.readFileSync(file, 'utf8').trim().split('\n').filter(Boolean);
    return lines.map((line) => {
      const [protocol, tls, reused, name, uri] = line.split(' ');
      return { protocol, tls, reused, name, path: uri };
    });
  }
}
