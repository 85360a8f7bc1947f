// SPDX-License-Identifier: Apache-2.0
// An HTTP CONNECT proxy and a SOCKS5 proxy (RFC 1928, 1929), with credentials when given. They
// count what comes through, and refuse everything else.

import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { onEnd } from './registry.mjs';

class Proxy {
  constructor({ user, password, names = {} } = {}) {
    this.user = user;
    this.password = password;
    this.names = names; // host -> address, as a resolver of the proxy's own
    this.targets = []; // "host:port", as asked for
    this.refused = 0;
    this.open = 0;
    this.sockets = new Set();
  }

  async listen(server) {
    this.server = server;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.port = server.address().port;
    onEnd(() => {
      for (const socket of this.sockets) socket.destroy();
      server.close();
    });
    return this;
  }

  keep(socket) {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }

  /** Connects; both ends then share their fate. */
  join(client, host, port, onOpen, onFail) {
    this.targets.push(`${host}:${port}`);
    const upstream = net.connect({ host: this.names[host] ?? host, port });
    this.keep(upstream);
    upstream.once('error', onFail);
    upstream.once('connect', () => {
      upstream.off('error', onFail); // a reset of an open tunnel is no refusal
      this.open++;
      onOpen();
      client.pipe(upstream).pipe(client);
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => {
        this.open--;
        client.destroy();
      });
    });
  }
}

export class ConnectProxy extends Proxy {
  static async start(options) {
    const proxy = new ConnectProxy(options);
    const server = http.createServer((request, response) => {
      proxy.refused++;
      response.writeHead(405).end();
    });
    server.on('connection', (socket) => proxy.keep(socket));
    server.on('connect', (request, socket, head) => proxy.#connect(request, socket, head));
    return proxy.listen(server);
  }

  get url() {
    const who = this.user
      ? `${encodeURIComponent(this.user)}:${encodeURIComponent(this.password)}@`
      : '';
    return `http://${who}127.0.0.1:${this.port}`;
  }

  #isAllowed(request) {
    if (!this.user) return true;
    const wanted = Buffer.from(`${this.user}:${this.password}`).toString('base64');
    return request.headers['proxy-authorization'] === `Basic ${wanted}`;
  }

  #connect(request, socket, head) {
    if (!this.#isAllowed(request)) {
      this.refused++;
      socket.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\n' +
          'proxy-authenticate: Basic realm="test"\r\ncontent-length: 0\r\n\r\n',
      );
      return;
    }
    const [, host, port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(request.url);
    const opened = () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) socket.unshift(head);
    };
    const failed = () => socket.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n');
    this.join(socket, host, Number(port), opened, failed);
  }
}

const NO_METHOD = 0xff;
const PLAIN = 0;
const PASSWORD = 2;

export class SocksProxy extends Proxy {
  static async start(options) {
    const proxy = new SocksProxy(options);
    return proxy.listen(net.createServer((socket) => proxy.#serve(socket)));
  }

  get url() {
    const who = this.user
      ? `${encodeURIComponent(this.user)}:${encodeURIComponent(this.password)}@`
      : '';
    return `socks5h://${who}127.0.0.1:${this.port}`;
  }

  async #serve(socket) {
    this.keep(socket);
    try {
      await this.#talk(socket, reader(socket));
    } catch {
      socket.destroy();
    }
  }

  async #talk(socket, read) {
    const [version, count] = await read(2);
    const methods = await read(count);
    const method = this.user ? PASSWORD : PLAIN;
    if (version !== 5 || !methods.includes(method)) return this.#refuse(socket, [5, NO_METHOD]);
    socket.write(Buffer.from([5, method]));
    if (method === PASSWORD && !(await this.#login(read))) return this.#refuse(socket, [1, 1]);
    if (method === PASSWORD) socket.write(Buffer.from([1, 0]));
    const [, command, , type] = await read(4);
    const host = await readHost(read, type);
    const port = (await read(2)).readUInt16BE();
    if (command !== 1) return this.#refuse(socket, [5, 7, 0, 1, 0, 0, 0, 0, 0, 0]);
    read.stop();
    const opened = () => socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 1]));
    const failed = () => this.#refuse(socket, [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
    this.join(socket, host, port, opened, failed);
  }

  #refuse(socket, bytes) {
    this.refused++;
    socket.end(Buffer.from(bytes));
  }

  async #login(read) {
    await read(1);
    const user = (await read((await read(1))[0])).toString();
    const password = (await read((await read(1))[0])).toString();
    return user === this.user && password === this.password;
  }
}

async function readHost(read, type) {
  if (type === 1) return [...(await read(4))].join('.');
  if (type === 3) return (await read((await read(1))[0])).toString();
  const words = await read(16);
  return Array.from({ length: 8 }, (_, i) => words.readUInt16BE(2 * i).toString(16)).join(':');
}

/** A function that resolves with exactly n bytes; what is left over stays in the socket. */
function reader(socket) {
  const read = async (n) => {
    if (n === 0) return Buffer.alloc(0);
    for (;;) {
      const bytes = socket.read(n);
      if (bytes) return bytes;
      if (socket.destroyed || socket.readableEnded) throw new Error('the client has left');
      await new Promise((resolve) => {
        const wake = () => {
          for (const name of ['readable', 'close', 'end']) socket.off(name, wake);
          resolve();
        };
        for (const name of ['readable', 'close', 'end']) socket.on(name, wake);
      });
    }
  };
  read.stop = () => socket.removeAllListeners('readable');
  return read;
}
