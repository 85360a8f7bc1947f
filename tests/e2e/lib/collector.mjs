// SPDX-License-Identifier: Apache-2.0
// A collector of traces that holds what it gets to OTLP's JSON encoding (OpenTelemetry protocol
// 1.x: hex ids, 64-bit numbers as strings, enums as numbers, no member that is not in the schema),
// and to the protocol's definitions.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { onEnd } from './registry.mjs';

const hex = (length) => (value, at) => {
  assert.match(value, new RegExp(`^[0-9a-f]{${length}}$`), at);
  assert.doesNotMatch(value, /^0+$/, at);
};
const text = (value, at) => assert.equal(typeof value, 'string', at);
const nano = (value, at) => assert.match(value, /^[1-9]\d{18}$/, at);
const oneOf = (values) => (value, at) => assert.ok(values.includes(value), at);
const list = (check) => (value, at) => {
  assert.ok(Array.isArray(value), at);
  value.forEach((item, i) => check(item, `${at}[${i}]`));
};
/** An object of these members; those whose name ends in '?' may be missing. */
const object = (members) => (value, at) => {
  const known = Object.keys(members).map((name) => name.replace('?', ''));
  for (const name of Object.keys(value)) assert.ok(known.includes(name), `${at}.${name}`);
  for (const [name, check] of Object.entries(members)) {
    const member = name.replace('?', '');
    if (member in value) check(value[member], `${at}.${member}`);
    else assert.ok(name.endsWith('?'), `${at}.${member} is missing`);
  }
};

const anyValue = (value, at) =>
  object({
    'stringValue?': text,
    'intValue?': (number, where) => assert.match(number, /^-?\d+$/, where),
    'arrayValue?': object({ values: list(anyValue) }),
  })(value, at);
const attributes = list(object({ key: text, value: anyValue }));
const span = object({
  traceId: hex(32),
  spanId: hex(16),
  'parentSpanId?': hex(16),
  name: text,
  kind: oneOf([1, 2, 3, 4, 5]),
  startTimeUnixNano: nano,
  endTimeUnixNano: nano,
  attributes,
  'status?': object({ code: oneOf([0, 1, 2]), 'message?': text }),
});
const request = object({
  resourceSpans: list(
    object({
      resource: object({ attributes }),
      scopeSpans: list(
        object({ scope: object({ name: text, 'version?': text }), spans: list(span) }),
      ),
    }),
  ),
});

// The definitions of the protocol, as its own project generates them (its packages export no path
// to them).
const { resolve } = createRequire(import.meta.url);
const within = createRequire(resolve('@opentelemetry/otlp-transformer'));
const { opentelemetry } = within('./generated/root.js');
const Message = opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;

/** With another spelling of ids: hex is OTLP's own, Protobuf's JSON has base64. */
const respelled = (value, name) => {
  if (Array.isArray(value)) return value.map((item) => respelled(item));
  if (/^(trace|span|parentSpan)Id$/.test(name)) return Buffer.from(value, 'hex').toString('base64');
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, respelled(one, key)]));
};

/** Through the binary format and back it is the same, so every member is one of the protocol. */
function assertIsMessage(told) {
  const message = Message.decode(Message.encode(Message.fromObject(respelled(told))).finish());
  const back = Message.toObject(message, { longs: String, bytes: String });
  assert.deepEqual(JSON.parse(JSON.stringify(back)), respelled(told));
}

const valueOf = (value) =>
  value.stringValue ?? (value.intValue ? Number(value.intValue) : undefined) ??
  value.arrayValue.values.map(valueOf);
export const named = (pairs) =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]));

export class Collector {
  static async start() {
    const collector = new Collector();
    Object.assign(collector, { spans: [], requests: [], problems: [], sizes: [] });
    Object.assign(collector, { answer: () => 200, reply: () => ({}), prefix: '' });
    collector.server = http.createServer((req, res) => collector.#take(req, res));
    collector.server.listen(0, '127.0.0.1');
    await once(collector.server, 'listening');
    collector.url = `http://127.0.0.1:${collector.server.address().port}`;
    onEnd(() => collector.stop());
    return collector;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  async #take(req, res) {
    let body = '';
    for await (const piece of req.setEncoding('utf8')) body += piece;
    const status = await this.answer(this.requests.length);
    this.requests.push({ path: req.url, headers: req.headers, status });
    if (status === 200) this.#keep(req, body);
    res.writeHead(status, { 'content-type': 'application/json', 'retry-after': '0' });
    res.end(JSON.stringify(this.reply()));
  }

  #keep(req, body) {
    try {
      const told = JSON.parse(body);
      assert.equal(req.url, `${this.prefix}/v1/traces`);
      assert.equal(req.headers['content-type'], 'application/json');
      request(told, 'request');
      assertIsMessage(told);
      for (const { resource, scopeSpans } of told.resourceSpans)
        for (const { spans } of scopeSpans) {
          this.sizes.push(spans.length);
          for (const one of spans)
            this.spans.push({
              ...one,
              attributes: named(one.attributes),
              resource: named(resource.attributes),
            });
        }
    } catch (problem) {
      this.problems.push(problem);
    }
  }

  /** The spans of the request with this id: its own, and those of its tries in order. */
  of(id) {
    const isIt = (one) => one.attributes['enginelabs2api.request_id'] === id;
    const server = this.spans.find(isIt);
    const tries = this.spans.filter((one) => server && one.parentSpanId === server.spanId);
    return server && { server, tries };
  }
}
