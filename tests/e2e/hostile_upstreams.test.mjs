// SPDX-License-Identifier: Apache-2.0
// Servers of OpenAI's format that mean harm, or lost their mind, on bare sockets: bytes that are no
// HTTP, answers without an end or a measure. Whoever asks gets an honest error, the gateway takes
// no more than it can hold, and the next request is served.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { after, before, beforeEach, describe, test } from 'node:test';
import { BINARY, CANARY, Gateway, finish, tempDir, until } from './lib/harness.mjs';
import { MiB, RawServer, descriptorsOf, peakOf, pour, reset } from './lib/hostile.mjs';
import { open } from './lib/http.mjs';
import { drain } from './lib/relay.mjs';

const messages = [{ role: 'user', content: `${CANARY} hi` }];
const other = { path: '/v1/messages', model: 'plain', messages, max_tokens: 9 };

/** What is asked: streams, whole answers, and what is passed on unread. */
const WAYS = [
  { model: 'plain', messages, stream: true },
  { model: 'read', messages, stream: true },
  { ...other, stream: true },
  { model: 'plain', messages },
  other,
  { path: '/v1/rerank', model: 'plain' },
];
const kindOf = (way) => (way.stream ? 'stream' : way.messages ? 'whole' : 'relay');

// ---- what is answered ----

const CHUNKED = 'transfer-encoding: chunked';
const many = (n, text) => text.repeat(n);
const head = (status, ...lines) => `HTTP/1.1 ${[status, ...lines].join('\r\n')}\r\n\r\n`;
const chunk = (text) => `${Buffer.byteLength(text, 'latin1').toString(16)}\r\n${text}\r\n`;
const event = (delta, reason = null) => {
  const choices = [{ index: 0, delta, finish_reason: reason }];
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices })}\n\n`;
};
const END = `${event({}, 'stop')}data: [DONE]\n\n`;
const message = { role: 'assistant', content: 'hello' };
const WHOLE = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  choices: [{ index: 0, message, finish_reason: 'stop' }],
});

/** The two forms of a good answer, for faults to spoil. */
function form(type, text, part, line) {
  const open = head('200 OK', `content-type: ${type}`, CHUNKED);
  const whole = (body) => `${open}${chunk(body)}0\r\n\r\n`;
  return {
    type,
    text,
    much: 100 * MiB,
    part: open + chunk(part), // its beginning
    line: `${open}7ffffff\r\n${line}"x":"`,
    head: open,
    good: whole(text),
    says: (bytes) => whole(text.replace('hello', bytes)),
    with: (json) => whole(text.replace('"id":"c"', `"id":"c","more":${json}`)),
    length: (n) => `${head('200 OK', `content-type: ${type}`, `content-length: ${n}`)}${text}`,
  };
}
const HELLO = event(message);
const FORMS = {
  stream: form('text/event-stream', HELLO + END, HELLO, 'data: {'),
  whole: form('application/json', WHOLE, WHOLE.slice(0, 30), '{'),
};
/** What is passed on may be as long as it likes. */
FORMS.relay = { ...FORMS.whole, much: 8 * MiB };
const latin1 = (text) => Buffer.from(text, 'latin1');

// ---- what comes of it ----

const isEnded = (text) => /"finish_reason":"|\[DONE\]|message_stop|"stop_reason":"/.test(text);

/** An error, an error in a stream, a body that visibly broke off, or a good answer: one of them. */
function verdictOf({ status, text, isWhole }) {
  if (status >= 400) return JSON.parse(text).error.message.length > 20 ? 'refused' : 'odd';
  if (!isWhole) return 'cut';
  if (/"error":\s*[{"]/.test(text)) return isEnded(text) ? 'odd' : 'event';
  return isEnded(text) ? 'whole' : 'as it is';
}

const REFUSED = { stream: 'refused', whole: 'refused', relay: 'refused' };
const BROKEN = { stream: 'event', whole: 'refused', relay: 'cut' };
const SOONER = { stream: 'refused', whole: 'refused', relay: 'cut' };
const UNREAD = { stream: 'refused', whole: 'refused', relay: 'whole' };
const FINE = { stream: 'whole', whole: 'whole', relay: 'whole' };

/** Its end came, however the connection ended. */
const DONE = { stream: 'whole', whole: 'refused', relay: 'cut' };
const TOO_LONG = 64 * MiB;

/** [what it does to a socket, what that must come to, what the error says]. */
const NO_HTTP = {
  'something else': [(s) => s.end('SSH-2.0-OpenSSH_9.2\r\n'), REFUSED, /no valid HTTP/],
  'nothing': [(s) => s.end(), REFUSED, /without an answer/],
  'a reset': [(s) => reset(s), REFUSED, /reset/],
  'half a head': [(s) => s.end('HTTP/1.1 200 OK\r\nconte'), REFUSED, /in the middle/],
  'a reset in the head': [(s) => s.write('HTTP/1.1 200 OK', () => reset(s)), REFUSED, /reset/],
  'an endless header': [
    (s) => (s.write('HTTP/1.1 200 OK\r\nx: '), pour(s, many(1000, 'a'), TOO_LONG)),
    REFUSED,
    /head of more than 65536 bytes/,
  ],
  'endless headers': [
    (s) => (s.write('HTTP/1.1 200 OK\r\n'), pour(s, many(100, 'x: y\r\n'), TOO_LONG)),
    REFUSED,
    /head/,
  ],
  'two lengths': [(s, f) => s.write(f.length('5\r\ncontent-length: 6')), REFUSED, /no valid HTTP/],
  'a length beside chunks': [(s, f) => s.write(f.length(`5\r\n${CHUNKED}`)), REFUSED, /no valid/],
  'another protocol': [
    (s) => s.write(head('101 Switching', 'upgrade: h2c', 'connection: upgrade')),
    REFUSED,
    /switches protocols/,
  ],
  'a status of 999': [(s) => s.write(head('999 What', 'content-length: 0')), REFUSED, /./],
};
const BODIES = {
  'that is reset': [(s, f) => s.write(f.part, () => setTimeout(reset, 50, s)), BROKEN, /reset/],
  'that ends too early': [(s, f) => s.end(f.part), BROKEN, /in the middle/],
  'that ends in a chunk': [(s, f) => s.end(`${f.part}ffff\r\nx`), BROKEN, /in the middle/],
  'in a chunk of 2^64 bytes': [
    (s, f) => s.write(`${f.part}1${many(16, '0')}\r\n`),
    BROKEN,
    /broken chunks/,
  ],
  'in a chunk of 2^63 bytes': [(s, f) => s.end(`${f.part}8${many(15, '0')}\r\n`), BROKEN, /./],
  'in a chunk without a size': [(s, f) => s.write(`${f.part}zz\r\n`), BROKEN, /broken chunks/],
  'with endless chunk extensions': [
    (s, f) => (s.write(`${f.part}1;`), pour(s, many(1000, 'x'), TOO_LONG)),
    BROKEN,
    /broken chunks/,
  ],
  'with endless trailers': [
    (s, f) => (s.write(`${f.part}0\r\n`), pour(s, many(100, 'x: y\r\n'), TOO_LONG)),
    BROKEN,
    /broken chunks/,
  ],
  'shorter than its length': [(s, f) => s.end(f.length(f.text.length + 10)), DONE, /./],
  'that is compressed': [
    (s, f) => {
      const bytes = zlib.gzipSync(f.text);
      const lines = [`content-type: ${f.type}`, 'content-encoding: gzip'];
      s.write(head('200 OK', ...lines, `content-length: ${bytes.length}`));
      s.write(bytes);
    },
    { ...REFUSED, relay: 'as it is' },
    /content-encoding: gzip/,
  ],
};
const CONTENTS = {
  'bytes that are no UTF-8': [(s, f) => s.write(latin1(f.says('\xff\xfe\xc0\x80'))), UNREAD, /./],
  'a NUL': [(s, f) => s.write(latin1(f.says('\0'))), UNREAD, /./],
  '100,000 levels': [
    (s, f) => s.write(f.with(many(1e5, '[') + many(1e5, ']'))),
    UNREAD,
    /./,
  ],
  'a number of a million digits': [(s, f) => s.write(f.with(many(1e6, '9'))), FINE],
  'a name of a million letters': [(s, f) => s.write(f.with(`{"${many(1e6, 'n')}":1}`)), FINE],
  '100,000 members of one name': [
    (s, f) => s.write(f.with(`{${many(1e5, '"a":1,')}"a":2}`)),
    FINE,
  ],
  'a line of 100 MiB': [
    (s, f) => (s.write(f.line), pour(s, many(MiB, 'x'), f.much).then(() => reset(s))),
    SOONER,
    /larger|too large|MiB/,
  ],
  'a web page': [
    (s) => s.write(`${head('200 OK', 'content-type: text/html', 'content-length: 5')}<html`),
    { ...REFUSED, relay: 'as it is' },
    /./,
  ],
  'no bytes': [
    (s, f) => s.write(head('200 OK', `content-type: ${f.type}`, 'content-length: 0')),
    { ...REFUSED, relay: 'as it is' },
    /./,
  ],
};
const STATUSES = {
  'a hint, and then an answer': [
    (s, f) => s.write(`HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${f.good}`),
    FINE,
  ],
  'no content': [(s) => s.write(head('204 No Content')), { ...REFUSED, relay: 'as it is' }, /./],
  'not modified': [(s) => s.write(head('304 Not Modified')), REFUSED, /./],
  'an error of 100 MiB': [
    (s) => (s.write(head('500 Oh', CHUNKED)), pour(s, chunk(many(65536, 'x')), 100 * MiB)),
    REFUSED,
    /./,
  ],
};
for (const status of ['301 Moved', '302 Found', '307 Temporary', '308 Permanent'])
  STATUSES[`a redirect: ${status}`] = [
    (s) => s.write(head(status, `location: ${server.url}/elsewhere`, 'content-length: 0')),
    REFUSED,
    /status 30|redirect/i,
  ];

/** Each goes on until the gateway has had enough, which takes its time. */
const FLOODS = {
  'interim answers': [(s) => pour(s, many(100, head('100 Continue'))), REFUSED],
  'comments': [(s, f) => (s.write(f.head), pour(s, chunk(many(100, ': x\n\n')))), SOONER],
  'comments behind a text': [
    (s, f) => (s.write(f.part), pour(s, chunk(many(100, ': x\n\n')))),
    BROKEN,
  ],
  'an error': [
    (s) => s.write(`${head('400 Bad', 'content-length: 99')}{"error":`),
    REFUSED,
  ],
  'empty lines': [(s, f) => (s.write(f.head), pour(s, chunk(many(1000, '\n')))), SOONER],
};

// ---- the tests ----

let server, gw, hasty, baseline;

before(async () => {
  server = await RawServer.start((s) => s.end(head('404 Not Found', 'content-length: 0')));
  const file = path.join(tempDir(), 'gateway.yaml');
  const text = `
upstreams:
  - {name: one, provider: openai, base_url: "${server.url}/v1", any_model: true}
models:
  - {name: plain, targets: [{upstream: one, model: m}]}
  - {name: read, targets: [{upstream: one, model: m, split_think: true}]}
`;
  fs.writeFileSync(file, text, { mode: 0o600 });
  const args = ['--config', file];
  const env = { STORE_URL: 'memory:', CIRCUIT_ERROR_PERCENT: 0, WORKERS: 1 };
  gw = await Gateway.start({ args, env });
  const short = { UPSTREAM_FIRST_TOKEN_TIMEOUT: 1, API_REQUEST_TIMEOUT: 1.5 };
  hasty = await Gateway.start({ args, env: { ...env, ...short } });
  await gw.idle();
  baseline = descriptorsOf(gw.program.pid);
});
after(finish);
beforeEach(() => server.clear());

async function ask({ path: target = '/v1/chat/completions', ...body }, to = gw) {
  const { response } = await open(to.port, {
    method: 'POST',
    path: target,
    headers: to.headers({ 'content-type': 'application/json' }),
    body: JSON.stringify(body),
  });
  const { bytes, isWhole } = await drain(response);
  return { status: response.statusCode, text: bytes.toString('latin1'), isWhole };
}

/** Requests of clients, not those for the list of models. */
const posts = () => server.requests.filter((one) => one.head.startsWith('POST'));

/** Asks in every way at once while the upstream answers with the fault. */
async function suffer(fault, to = gw) {
  server.handle = (socket, request) => {
    if (!request.head.startsWith('POST')) return void socket.end(head('404 Not Found'));
    const body = JSON.parse(request.body);
    fault(socket, FORMS[kindOf(body)], request);
  };
  return Promise.all(WAYS.map((way) => ask(way, to)));
}

/** Nothing is left of it, and good answers are served as if nothing had been. */
async function assertWell() {
  for (const socket of server.sockets) socket.destroy();
  const answers = await suffer((socket, f) => socket.write(f.good));
  assert.deepEqual(answers.map(verdictOf), WAYS.map(() => 'whole'));
  for (const socket of server.sockets) socket.destroy();
  await gw.idle();
  const open = () => descriptorsOf(gw.program.pid);
  await until(() => open() <= baseline, `${open()} descriptors, ${baseline} at the start`);
}

/** Six answers at their bounds: 64 MiB a whole one, 16 MiB an event. */
const PEAK_MAX = (BINARY.includes('/asan/') ? 1024 : 300) * MiB;

function assertPeak({ program }) {
  const peak = peakOf(program.pid);
  assert.ok(peak < PEAK_MAX, `${peak / MiB} MiB`);
}

const wantedOf = (wanted) => WAYS.map((way) => wanted[kindOf(way)]);

const GROUPS = {
  'instead of an answer': NO_HTTP,
  'a body': BODIES,
  'a content of': CONTENTS,
  'an answer that is': STATUSES,
};
for (const [group, rows] of Object.entries(GROUPS))
  describe(group, () => {
    for (const [name, [fault, wanted, says]] of Object.entries(rows))
      test(name, async () => {
        peakOf(gw.program.pid);
        const answers = await suffer(fault);
        const verdicts = answers.map(verdictOf);
        assert.deepEqual(verdicts, wantedOf(wanted), answers[0].text.slice(-300));
        const told = answers.filter((_, i) => ['refused', 'event'].includes(verdicts[i]));
        for (const { text } of told) assert.match(text.slice(-600), says);
        assert.equal(posts().length, WAYS.length, 'each was asked once');
        assert.ok(!posts().some((one) => one.head.includes('/elsewhere')), 'nobody was sent away');
        assertPeak(gw);
        await assertWell();
      });
  });

describe('without an end', () => {
  for (const [name, [fault, wanted]] of Object.entries(FLOODS))
    test(name, async () => {
      peakOf(hasty.program.pid);
      let isOver = false;
      const ends = suffer(fault, hasty).finally(() => (isOver = true));
      await until(() => posts().length === WAYS.length, 'they flow');
      for (let i = 0; i < 5; i++) assert.equal((await hasty.get('/healthz')).status, 200);
      assert.equal(isOver, false, 'others are served meanwhile');
      assert.deepEqual((await ends).map(verdictOf), wantedOf(wanted));
      assertPeak(hasty);
      for (const socket of server.sockets) socket.destroy();
      await hasty.idle();
    });
});

describe('a connection that is kept', () => {
  const way = WAYS[3];
  const poison = FORMS.whole.good.replace('hello', 'poison');
  const assertGood = async () => assert.match((await ask(way)).text, /"content":"hello"/);
  const serve = (handle) => {
    for (const socket of server.sockets) socket.destroy();
    server.handle = (socket, request) => handle(socket, request.number);
  };

  for (const [name, send] of [
    ['behind its answer', (socket) => socket.write(FORMS.whole.good + poison)],
    [
      'a moment later',
      (socket) => socket.write(FORMS.whole.good, () => setTimeout(() => socket.write(poison), 20)),
    ],
  ])
    test(`is not used again when bytes come that nobody asked for: ${name}`, async () => {
      serve(send);
      for (let i = 1; i <= 3; i++) {
        await assertGood();
        await until(() => server.sockets.size === 0, 'it is closed');
        assert.equal(server.connections, i);
      }
    });

  test('that answers before it is asked gives one answer, and no more', async () => {
    serve(() => {});
    server.onConnect = (socket) => socket.write(FORMS.whole.good);
    const first = verdictOf(await ask(way));
    assert.ok(['whole', 'refused'].includes(first), first);
    server.onConnect = undefined;
    serve((socket) => socket.write(FORMS.whole.good));
    await assertGood();
  });

  test('that ends is replaced once, and never when an answer began', async () => {
    for (const [second, requests] of [
      [(socket) => socket.destroy(), 2],
      [(socket) => reset(socket), 2],
      [(socket) => socket.write('HTTP/1.1 2', () => reset(socket)), 1],
      [(socket) => socket.end(FORMS.whole.part), 1],
    ]) {
      serve((socket) => socket.write(FORMS.whole.good));
      await assertGood();
      server.clear();
      server.handle = second;
      assert.equal(verdictOf(await ask(way)), 'refused');
      assert.equal(posts().length, requests);
    }
  });
});
