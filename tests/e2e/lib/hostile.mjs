// SPDX-License-Identifier: Apache-2.0
// A server on a bare socket, for answers that no HTTP library would give, and how much of them a
// peer takes before it has had enough.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { onEnd } from './registry.mjs';

export const MiB = 1024 * 1024;

export class RawServer {
  /** `handle(socket, { head, body, number })` for each whole request; `number` on its socket. */
  static async start(handle = () => {}) {
    const server = new RawServer();
    server.handle = handle;
    server.connections = 0;
    server.requests = [];
    server.sockets = new Set();
    server.listener = net.createServer((socket) => server.#take(socket));
    server.listener.listen(0, '127.0.0.1');
    await once(server.listener, 'listening');
    server.port = server.listener.address().port;
    server.url = `http://127.0.0.1:${server.port}`;
    onEnd(() => {
      for (const socket of server.sockets) socket.destroy();
      server.listener.close();
    });
    return server;
  }

  #take(socket) {
    this.connections++;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    let bytes = Buffer.alloc(0);
    let number = 0;
    socket.on('data', (piece) => {
      bytes = Buffer.concat([bytes, piece]);
      for (let one; (one = takeRequest(bytes)); bytes = bytes.subarray(one.length)) {
        this.requests.push(one);
        this.handle(socket, { ...one, number: ++number });
      }
    });
    this.onConnect?.(socket);
  }

  clear() {
    this.requests.length = 0;
    this.connections = 0;
  }
}

/** A request with a length, or none; undefined while it is not whole. */
function takeRequest(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.subarray(0, end).toString('latin1');
  const length = end + 4 + Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
  if (bytes.length < length) return undefined;
  return { head, body: bytes.subarray(end + 4, length).toString('utf8'), length };
}

/** Writes `piece` again and again until the peer has gone or got `max` bytes; gives how many. */
export async function pour(socket, piece, max = Infinity) {
  const bytes = Buffer.from(piece);
  let sent = 0;
  while (!socket.destroyed && sent < max) {
    sent += bytes.length;
    const hasRoom = socket.write(bytes);
    await new Promise((resolve) => {
      if (hasRoom) return void setImmediate(resolve);
      socket.once('drain', resolve).once('close', resolve);
    });
    socket.removeAllListeners('drain');
  }
  return sent;
}

/** RST, whatever is still to be sent. */
export const reset = (socket) => socket.resetAndDestroy();

// ---- WebSocket by hand ----

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The 101 that a request for a socket asks for; `accept` another key than the right one. */
export function switching(key, accept) {
  const right = createHash('sha1').update(key + GUID).digest('base64');
  const head = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade';
  return `${head}\r\nsec-websocket-accept: ${accept ?? right}\r\n\r\n`;
}

export const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];

/** A frame as a server sends it; `length` announces another one than the payload has. */
export function frame(opcode, payload, { fin = true, rsv = 0, mask = false, length } = {}) {
  const body = Buffer.from(payload);
  const n = BigInt(length ?? body.length);
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const masked = mask ? 0x80 : 0;
  let head;
  if (n < 126n) {
    head = Buffer.from([first, masked | Number(n)]);
  } else if (n < 65536n) {
    head = Buffer.from([first, masked | 126, 0, 0]);
    head.writeUInt16BE(Number(n), 2);
  } else {
    head = Buffer.alloc(10);
    head.set([first, masked | 127]);
    head.writeBigUInt64BE(n, 2);
  }
  return Buffer.concat([head, Buffer.alloc(mask ? 4 : 0), body]);
}

// ---- what a process holds ----

/** Descriptors that are open now. */
export const descriptorsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

/** Most memory that it had since the last call, in bytes; the mark is set back to what it has. */
export function peakOf(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  fs.writeFileSync(`/proc/${pid}/clear_refs`, '5');
  return Number(/VmHWM:\s+(\d+)/.exec(status)[1]) * 1024;
}
