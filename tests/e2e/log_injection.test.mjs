// SPDX-License-Identifier: Apache-2.0
// Whatever clients and upstreams write into what is logged, a line of the log stays one line: JSON
// that parses, or text without a byte that a terminal obeys. Nobody forges a line of his own.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, Simulator, finish, tempDir, until } from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { ADMIN_KEY } from './lib/operator.mjs';
import { PlainUpstream, read } from './lib/plain.mjs';
import { RawSocket, requestText } from './lib/raw.mjs';
import { user } from './lib/rude.mjs';

const FORGED = '12:00:00.000 ERROR forged level=error {"level":"error","message":"forged"}';

/** What ends a line, moves the cursor, turns the direction, or ends a value. */
const POISONS = {
  'CR LF': `\r\n${FORGED}`,
  LF: `\n${FORGED}`,
  CR: `\r${FORGED}`,
  ESC: '\u001b[2J\u001b]0;forged\u0007',
  NUL: `a\0${FORGED}`,
  'C1 controls': `\u0085${FORGED}\u009b31m`,
  'line separators': `\u2028${FORGED}\u2029`,
  'turns of direction': '\u202e\u2066degrof\u200f\u061c',
  quotes: `"} ${FORGED} x="`,
  backslashes: '\\" \\n \\u000a \\',
  'DEL and BOM': '\u007f\ufeff',
  'an equals sign': 'x level=error outcome=completed',
  'very much': 'y"\n'.repeat(3000),
};

let sim, plain;
const gateways = {};

before(async () => {
  sim = await Simulator.start();
  await sim.set({ first_ms: 1, every_ms: 1, jitter_ms: 0 });
  plain = await PlainUpstream.start();
  plain.handle = answerWith(404, { error: { message: 'none of mine' } });
  const file = path.join(tempDir(), 'gateway.yaml');
  const upstreams = [
    {
      ...{ name: 'cto', provider: 'enginelabs', api_url: sim.url, clerk_url: sim.url },
      models: ['GPT5'],
      accounts: [{ name: 'main', cookie: sim.cookie }],
    },
    { name: 'plain', provider: 'openai', base_url: plain.url, any_model: true, models: ['m'] },
  ];
  fs.writeFileSync(file, JSON.stringify({ upstreams }), { mode: 0o600 });
  const env = { ADMIN_KEY, CIRCUIT_ERROR_PERCENT: 0, STORE_URL: 'memory:' };
  const args = ['--config', file];
  gateways.json = await Gateway.start({ args, env });
  // It says where it listens in JSON only to harness.mjs, so the port comes from there.
  const text = new Gateway({ args, env: { ...env, LOG_FORMAT: 'text' }, name: 'text' });
  await until(() => /listening/.test(text.log), 'it listens');
  text.port = Number(/address=\S*?:(\d+)/.exec(text.log)[1]);
  gateways.text = text;
});
after(async () => {
  await gateways.text.stop();
  await finish();
});

/** As a header may hold it: no line ends, no NUL; all else as bytes. */
const inHeader = (text) =>
  Buffer.from(text.replaceAll(/[\r\n\0]/g, '\t'), 'utf8').subarray(0, 8000).toString('latin1');

async function raw(gw, bytes) {
  const socket = await RawSocket.open(gw.port);
  socket.send(Buffer.from(bytes, 'latin1'));
  await socket.response().catch(() => {});
  socket.close();
}

const chat = (gw, body, headers = {}) =>
  fetchWhole(gw.port, {
    method: 'POST',
    path: '/v1/chat/completions',
    headers: gw.headers({ 'content-type': 'application/json', ...headers }),
    body: JSON.stringify(body),
  });

/** Where a client can put words: each gets a poison. */
const CLIENT = {
  'the path': (gw, p) => [
    raw(gw, `GET /v1/${encodeURIComponent(p).slice(0, 4000)} HTTP/1.1\r\nHost: x\r\n\r\n`),
    raw(gw, `GET /v1/${inHeader(p).replaceAll(/[\s]/g, '')} HTTP/1.1\r\nHost: x\r\n\r\n`),
    raw(gw, `GET /v1/${p.slice(0, 500)} HTTP/1.1\r\nHost: x\r\n\r\n`),
  ],
  'the method': (gw, p) => [raw(gw, `${p.slice(0, 500)} / HTTP/1.1\r\nHost: x\r\n\r\n`)],
  'the query': (gw, p) => [
    raw(gw, `GET /v1/models?${encodeURIComponent(p).slice(0, 4000)} HTTP/1.1\r\nHost: x\r\n\r\n`),
  ],
  model: (gw, p) => [
    chat(gw, { model: p, messages: user('x') }),
    chat(gw, { model: `GPT5${p}`, messages: user('x') }),
  ],
  headers: (gw, p) =>
    ['User-Agent', 'X-Request-Id', 'Traceparent', 'Tracestate', 'Referer', 'Origin'].map((name) =>
      raw(gw, requestText('GET', '/v1/models', { Host: 'x', [name]: inHeader(p) })),
    ),
  'its key': (gw, p) => [
    raw(gw, requestText('GET', '/v1/models', { Host: 'x', Authorization: inHeader(p) })),
    raw(gw, requestText('GET', '/v1/models', { Host: 'x', 'X-Api-Key': inHeader(p) })),
  ],
  'where it comes from': (gw, p) => [
    raw(
      gw,
      requestText('GET', '/admin/api/keys', {
        Host: 'x',
        'X-Forwarded-For': inHeader(p),
        Authorization: 'Bearer wrong',
      }),
    ),
  ],
  'what it passes on': (gw, p) => [
    raw(
      gw,
      requestText('GET', `/v1/files/${encodeURIComponent(p).slice(0, 2000)}`, {
        Host: 'x',
        Authorization: `Bearer ${gw.key}`,
      }),
    ),
    fetchWhole(gw.port, {
      method: 'POST',
      path: '/v1/rerank',
      headers: gw.headers({ 'content-type': 'application/json' }),
      body: JSON.stringify({ model: p.slice(0, 250), query: 'x' }),
    }),
  ],
  'paths and bodies of operators': (gw, p) =>
    [
      ['DELETE', `/live/${encodeURIComponent(p).slice(0, 2000)}`],
      ['POST', `/accounts/${encodeURIComponent(p).slice(0, 1000)}/main/check`],
      ['POST', '/keys', { name: p }],
      ['PUT', '/log-level', { level: p }],
    ].map(([method, target, body]) =>
      fetchWhole(gw.port, {
        method,
        path: `/admin/api${target}`,
        headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
        body: body && JSON.stringify(body),
      }),
    ),
};

const answerWith = (status, value) => async (request, response, seen) => {
  await read(seen).catch(() => {});
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof value === 'string' ? value : JSON.stringify(value));
};

/** Where an upstream can. */
const UPSTREAM = {
  'an error': async (gw, p) => {
    for (const status of [400, 401, 429, 500])
      for (const value of [{ error: { message: p, type: p, code: p } }, { detail: p }, p]) {
        plain.handle = answerWith(status, value);
        await chat(gw, { model: 'm', messages: user('x') });
      }
  },
  'an error in a stream': async (gw, p) => {
    plain.handle = async (request, response, seen) => {
      await read(seen).catch(() => {});
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: ${JSON.stringify({ error: { message: p, code: p } })}\n\n`);
    };
    await chat(gw, { model: 'm', stream: true, messages: user('x') });
  },
  'a reason to end': async (gw, p) => {
    const choices = [{ index: 0, message: { content: 'x' }, finish_reason: p.slice(0, 100) }];
    plain.handle = answerWith(200, { id: p, model: p, choices });
    await chat(gw, { model: 'm', messages: user('x') });
  },
  'a message of a kind that is not known': async (gw, p) => {
    const body = JSON.stringify({ type: p.slice(0, 60), [p.slice(0, 30)]: p.slice(0, 60) });
    await sim.fault({ where: 'frames', kind: 'unknown', body });
    await chat(gw, { model: 'GPT5', messages: user('!echo hi') });
  },
  'an error of the sign-in or the API': async (gw, p) => {
    const body = JSON.stringify({ message: p.slice(0, 400), errors: [{ code: p.slice(0, 90) }] });
    await sim.fault({ where: 'post', kind: 'status', status: 400, body });
    await chat(gw, { model: 'GPT5', messages: user('!echo hi') });
  },
};

/* eslint-disable-next-line no-control-regex */
const RAW = /[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]/;

function assertLines(kind, log) {
  const lines = log.split('\n');
  assert.equal(lines.pop(), '', 'it ends with a line end');
  for (const line of lines) {
    assert.doesNotMatch(line, RAW);
    if (kind === 'json') {
      const value = JSON.parse(line);
      assert.ok(value.time && value.message && value.message !== 'forged', line.slice(0, 300));
    } else {
      assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO |WARN |ERROR) /);
      assert.doesNotMatch(line, /^\S+ \S+ +forged/);
      const rest = line.replaceAll(/"(\\.|[^"\\])*"/g, 'Q');
      assert.doesNotMatch(rest, /["\\]| level=| forged/, `all in quotes: ${line.slice(0, 300)}`);
    }
  }
  return lines.length;
}

for (const kind of ['json', 'text'])
  describe(`LOG_FORMAT=${kind}`, () => {
    for (const [where, send] of Object.entries(CLIENT))
      test(`a client writes into ${where}`, async (t) => {
        const gw = gateways[kind];
        const from = gw.log.length;
        for (const poison of Object.values(POISONS)) await Promise.all(send(gw, poison));
        const asked = { model: 'GPT5', messages: user('!echo the end') };
        await chat(gw, asked, { 'x-request-id': `end-${from}` });
        await until(() => gw.log.includes(`end-${from}`), 'its line');
        await until(() => gw.log.endsWith('\n'), 'a whole line');
        t.diagnostic(`${assertLines(kind, gw.log.slice(from))} lines`);
      });

    for (const [where, send] of Object.entries(UPSTREAM))
      test(`an upstream writes into ${where}`, async (t) => {
        const gw = gateways[kind];
        const from = gw.log.length;
        for (const poison of Object.values(POISONS)) await send(gw, poison);
        await chat(gw, { messages: user('!echo x') }, { 'x-request-id': `end-${from}` });
        await until(() => gw.log.includes(`end-${from}`), 'its line');
        await until(() => gw.log.endsWith('\n'), 'a whole line');
        const lines = assertLines(kind, gw.log.slice(from));
        assert.ok(lines > Object.keys(POISONS).length);
        t.diagnostic(`${lines} lines`);
      });
  });
