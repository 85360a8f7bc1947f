// SPDX-License-Identifier: Apache-2.0
// Bytes on a socket: what no HTTP client would send, and answers cut exactly where they end.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { onEnd } from './registry.mjs';
import { PATIENCE_MS, within } from './until.mjs';

export class RawSocket {
  static async open(port, host = '127.0.0.1') {
    const raw = new RawSocket();
    raw.socket = net.connect({ port, host, allowHalfOpen: true });
    raw.received = Buffer.alloc(0);
    raw.isEnded = false;
    raw.waiters = new Set();
    raw.socket.on('data', (bytes) => raw.#took(bytes));
    raw.socket.on('end', () => raw.#ended());
    raw.socket.on('error', () => raw.#ended());
    raw.socket.on('close', () => raw.#ended());
    onEnd(() => raw.socket.destroy());
    await within(once(raw.socket, 'connect'), `connect to ${port}`);
    return raw;
  }

  #took(bytes) {
    this.received = Buffer.concat([this.received, bytes]);
    this.#wake();
  }

  #ended() {
    this.isEnded = true;
    this.#wake();
  }

  #wake() {
    for (const waiter of this.waiters) waiter();
  }

  send(bytes) {
    if (this.socket.writable) this.socket.write(bytes);
    return this;
  }

  /** No more from us; the peer's bytes still come. */
  halfClose() {
    this.socket.end();
  }

  /** FIN, as a client that ends; reset() is one that is killed. */
  close() {
    this.socket.destroy();
  }

  reset() {
    this.socket.resetAndDestroy();
  }

  async #wait(ready, what, patience) {
    if (ready()) return;
    let waiter;
    const come = new Promise((resolve) => {
      waiter = () => ready() && resolve();
      this.waiters.add(waiter);
    });
    try {
      await within(come, what, patience);
    } finally {
      this.waiters.delete(waiter);
    }
  }

  /** Until the peer has ended the connection. */
  async ended(patience = PATIENCE_MS) {
    await this.#wait(() => this.isEnded, 'the connection stays open', patience);
    return this.received.toString('latin1');
  }

  /** Waits for `text` in what was not taken yet. */
  async contains(text, patience = PATIENCE_MS) {
    const there = () => this.received.includes(text);
    await this.#wait(() => there() || this.isEnded, `no ${JSON.stringify(text)}`, patience);
    assert.ok(there(), `ended without ${JSON.stringify(text)}: ${this.received}`);
  }

  /** One response is taken off: { status, headers, text, json() }. */
  async response({ head = false, patience = PATIENCE_MS } = {}) {
    await this.#wait(
      () => this.isEnded || parse(this.received, head, false),
      'no whole response',
      patience,
    );
    const found = parse(this.received, head, this.isEnded);
    assert.ok(
      found,
      `the connection ended after ${JSON.stringify(this.received.toString('latin1'))}`,
    );
    this.received = this.received.subarray(found.length);
    return found;
  }
}

/** A response at the beginning of `bytes`; undefined while it is not whole. */
function parse(bytes, isHead, isEnded) {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [first, ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
  assert.ok(status, `no status line: ${first}`);
  const headers = {};
  for (const line of lines) {
    const at = line.indexOf(':');
    assert.ok(at > 0, `no header: ${line}`);
    const name = line.slice(0, at).toLowerCase();
    assert.ok(!(name in headers), `${name} twice`);
    headers[name] = line.slice(at + 1).trim();
  }
  const body = parseBody(bytes.subarray(headEnd + 4), status, headers, isHead, isEnded);
  if (!body) return undefined;
  const text = body.bytes.toString('utf8');
  const json = () => JSON.parse(text);
  return { first, status, headers, text, json, length: headEnd + 4 + body.length };
}

function parseBody(bytes, status, headers, isHead, isEnded) {
  if (isHead || status < 200 || status === 204 || status === 304)
    return { bytes: Buffer.alloc(0), length: 0 };
  if (headers['transfer-encoding'] === 'chunked') return parseChunks(bytes);
  if (headers['content-length'] !== undefined) {
    const length = Number(headers['content-length']);
    return bytes.length >= length ? { bytes: bytes.subarray(0, length), length } : undefined;
  }
  return isEnded ? { bytes, length: bytes.length } : undefined;
}

function parseChunks(bytes) {
  const pieces = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const size = parseInt(bytes.subarray(at, end).toString('latin1'), 16);
    const next = end + 2 + size + 2;
    if (bytes.length < next) return undefined;
    pieces.push(bytes.subarray(end + 2, end + 2 + size));
    at = next;
    if (size === 0) return { bytes: Buffer.concat(pieces), length: at };
  }
}

/** A request as text; headers as an object or as lines. */
export function requestText(method, path, headers = {}, body = '', version = 'HTTP/1.1') {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} ${version}\r\n${lines.join('')}\r\n${body}`;
}

/** One request on a connection of its own. */
export async function askOnce(port, bytes) {
  const raw = await RawSocket.open(port);
  raw.send(bytes);
  const answer = await raw.response();
  raw.close();
  return answer;
}
