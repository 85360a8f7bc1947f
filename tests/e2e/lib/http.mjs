// SPDX-License-Identifier: Apache-2.0
// A plain HTTP client for tests: one connection a request, nothing hidden, answers read whole or
// as a stream of server-sent events. The official SDK is used where a user would use it; this
// shows what an SDK does not.

import assert from 'node:assert/strict';
import http from 'node:http';
import { PATIENCE_MS } from './until.mjs';

/** Starts a request; resolves with the head of the answer while the body is still coming. */
export function open(
  port,
  { method = 'GET', path = '/', headers = {}, body, host = '127.0.0.1', socketPath, agent = false },
) {
  return new Promise((resolve, reject) => {
    const target = socketPath ? { socketPath } : { host, port };
    const request = http.request({
      ...target,
      method,
      path,
      headers,
      agent,
      timeout: 2 * PATIENCE_MS,
    });
    request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer`)));
    request.on('error', reject);
    request.on('response', (response) => resolve({ request, response }));
    request.end(body);
  });
}

async function readAll(response) {
  const pieces = [];
  for await (const piece of response) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A whole answer: status, headers, text, and json() that fails on anything else. */
export async function fetchWhole(port, options) {
  const { response } = await open(port, options);
  const bytes = await readAll(response);
  const text = bytes.toString('utf8');
  return {
    status: response.statusCode,
    headers: response.headers,
    bytes,
    text,
    json: () => JSON.parse(text),
  };
}

/** Takes server-sent events apart: what is neither `data: ` nor a comment is a failure. */
export class EventReader {
  constructor() {
    this.rest = '';
    this.events = []; // parsed JSON, in order
    this.comments = [];
    this.done = false; // [DONE] came
  }

  feed(text) {
    this.rest += text;
    for (let end; (end = this.rest.indexOf('\n\n')) >= 0; this.rest = this.rest.slice(end + 2))
      this.#block(this.rest.slice(0, end));
  }

  #block(block) {
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) {
        this.comments.push(line.slice(1).trim());
        continue;
      }
      assert.match(line, /^data: /, `not an event: ${JSON.stringify(line)}`);
      assert.equal(this.done, false, `something follows [DONE]: ${line}`);
      const data = line.slice(6);
      if (data === '[DONE]') this.done = true;
      else this.events.push(JSON.parse(data));
    }
  }
}

/** An answer that streams: `for await` over its events, or whole() for all of them. */
export class EventStream {
  constructor({ request, response }) {
    this.request = request;
    this.response = response;
    this.status = response.statusCode;
    this.headers = response.headers;
    this.reader = new EventReader();
    this.broken = false; // the connection ended before the body did
    response.setEncoding('utf8');
  }

  async *[Symbol.asyncIterator]() {
    let seen = 0;
    try {
      for await (const text of this.response) {
        this.reader.feed(text);
        while (seen < this.reader.events.length) yield this.reader.events[seen++];
      }
    } catch (error) {
      if (error.code !== 'ECONNRESET') throw error;
      this.broken = true;
    }
  }

  /** Reads on until `found(event)`; leaves the rest of the stream for later. */
  async readUntil(found) {
    this.iterator ??= this[Symbol.asyncIterator]();
    for (;;) {
      const { value, done } = await this.iterator.next();
      assert.ok(!done, 'the stream ended before what was waited for');
      if (found(value)) return value;
    }
  }

  async whole() {
    this.iterator ??= this[Symbol.asyncIterator]();
    while (!(await this.iterator.next()).done);
    return this;
  }

  get events() {
    return this.reader.events;
  }

  get done() {
    return this.reader.done;
  }

  get chunks() {
    return this.events.filter((event) => !event.error);
  }

  get error() {
    const errors = this.events.filter((event) => event.error);
    assert.ok(errors.length <= 1, 'more than one error event');
    return errors[0]?.error;
  }

  deltas(name) {
    return this.chunks.map((chunk) => chunk.choices[0]?.delta?.[name] ?? '').join('');
  }

  get text() {
    return this.deltas('content');
  }

  get finishReasons() {
    return this.chunks
      .map((chunk) => chunk.choices[0]?.finish_reason ?? null)
      .filter((reason) => reason !== null);
  }

  /** The client leaves. */
  leave() {
    this.request.on('error', () => {});
    this.response.on('error', () => {});
    this.request.destroy();
  }
}
