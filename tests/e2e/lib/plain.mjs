// SPDX-License-Identifier: Apache-2.0
// An HTTP server that does what a test says with each request: for what a simulator would never
// do, and to see bytes as they arrive.

import crypto from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { onEnd } from './registry.mjs';

export class PlainUpstream {
  static async start() {
    const plain = new PlainUpstream();
    plain.requests = [];
    plain.server = http.createServer((request, response) => plain.#take(request, response));
    plain.server.requestTimeout = 0;
    plain.server.listen(0, '127.0.0.1');
    await once(plain.server, 'listening');
    plain.port = plain.server.address().port;
    plain.url = `http://127.0.0.1:${plain.port}/v1`;
    onEnd(() => {
      plain.server.closeAllConnections();
      plain.server.close();
    });
    return plain;
  }

  /** `handle(request, response, seen)`; `seen` tells what came and how it ended. */
  #take(request, response) {
    const seen = { request, response, bytes: 0, isWhole: false, isGone: false };
    seen.hash = crypto.createHash('sha256');
    request.on('end', () => (seen.isWhole = true));
    request.on('error', () => {});
    response.on('error', () => {});
    request.socket.setMaxListeners(0); // one for each request that it is kept for
    request.socket.on('close', () => (seen.isGone = true));
    this.requests.push(seen);
    this.handle(request, response, seen);
  }

  get last() {
    return this.requests.at(-1);
  }

  clear() {
    this.requests.length = 0;
  }
}

/** Reads a request's body away, counting and hashing it; resolves with its end. */
export async function read(seen) {
  for await (const piece of seen.request) {
    seen.bytes += piece.length;
    seen.hash.update(piece);
  }
  seen.sha256 = seen.hash.digest('hex');
  return seen;
}

/** Answers JSON once the body is read. */
export const reply =
  (value, status = 200, headers = {}) =>
  async (request, response, seen) => {
    await read(seen).catch(() => {});
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };
