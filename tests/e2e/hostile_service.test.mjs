// SPDX-License-Identifier: Apache-2.0
// The service behind accounts, hostile: what signs in, what takes prompts, and the socket that
// answers, each with bytes that no service should send. Clients get an honest error each time, the
// gateway stays in bounds, and the next prompt is answered. Each row has a world of its own.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { assertBrokenOff, assertError } from './lib/errors.mjs';
import { BINARY, finish, pair, until } from './lib/harness.mjs';
import * as ws from './lib/hostile.mjs';
import { MiB, descriptorsOf, frame, peakOf, pour, reset, switching } from './lib/hostile.mjs';
import { deltas, finished, piece, running } from './lib/upstream.mjs';

after(finish);

const AT_ONCE = { concurrency: 8 };
const PEAK_MAX = (BINARY.includes('/asan/') ? 512 : 64) * MiB;
const TIMES = {
  UPSTREAM_CONNECT_TIMEOUT: 1,
  UPSTREAM_ACCEPT_TIMEOUT: 3,
  UPSTREAM_FIRST_TOKEN_TIMEOUT: 2,
  UPSTREAM_IDLE_TIMEOUT: 2,
  API_REQUEST_TIMEOUT: 20,
};
const BROKEN = { status: 502, code: 'upstream_protocol' };
const GONE = { status: 502, code: 'upstream_unavailable' };
const LATE = { status: 504, code: 'upstream_timeout' };
const CUT = { status: 502, code: 'upstream_interrupted' };

const many = (n, text) => text.repeat(n);
const head = (status, ...lines) => `HTTP/1.1 ${[status, ...lines].join('\r\n')}\r\n\r\n`;
const sized = (body) => head('200 OK', `content-length: ${body.length}`) + body;
const CHUNKED = 'transfer-encoding: chunked';
const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
const prompt = (content = 'hi') => ({ messages: [{ role: 'user', content }] });

async function hostileWorld(env = {}) {
  const { upstream, gw } = await pair({ STORE_URL: 'memory:', WORKERS: 1, ...TIMES, ...env });
  peakOf(gw.program.pid);
  return { upstream, gw };
}

/** The service has come to its senses, and nothing is left of the rest. */
async function assertWell({ upstream, gw }) {
  Object.assign(upstream.on, { client: null, token: null, post: null, stream: null });
  upstream.answer = (text) => deltas(`You said: ${text}`);
  upstream.server.closeAllConnections();
  const answer = await gw.post(prompt('well?'));
  assert.equal(answer.json().choices?.[0].message.content, 'You said: well?', answer.text);
  const peak = peakOf(gw.program.pid);
  assert.ok(peak < PEAK_MAX, `${peak / MiB} MiB`);
  assert.ok(!upstream.seen.some((entry) => entry.url.includes('elsewhere')), 'it was sent away');
  upstream.server.closeAllConnections();
  await gw.idle();
  const open = descriptorsOf(gw.program.pid);
  await until(() => descriptorsOf(gw.program.pid) < 40, `${open} descriptors`);
}

// ---- HTTP: [what it does to a socket, signing in, posting a prompt] ----

const AWAY = { status: 502 };
const HTTP = {
  'something else': [(s) => s.end('SSH-2.0\r\n'), BROKEN, BROKEN],
  'nothing': [(s) => s.end(), GONE, AWAY],
  'a reset': [(s) => reset(s), GONE, AWAY],
  'a reset in the head': [(s) => s.write('HTTP/1.1 2', () => reset(s)), GONE, AWAY],
  'an endless header': [
    (s) => (s.write('HTTP/1.1 200 OK\r\nx: '), pour(s, many(1000, 'a'), 64 * MiB)),
    BROKEN,
    BROKEN,
  ],
  'endless interim answers': [(s) => pour(s, many(100, head('100 Continue'))), LATE, LATE],
  'two lengths': [
    (s) => s.write(head('200 OK', 'content-length: 2', 'content-length: 3')),
    BROKEN,
    BROKEN,
  ],
  'a redirect': [
    (s) => s.write(head('302 Found', 'location: /elsewhere', 'content-length: 0')),
    BROKEN,
    BROKEN,
  ],
  'an endless error': [
    (s) => (s.write(head('500 No', CHUNKED)), pour(s, chunk(many(65536, ' ')), 64 * MiB)),
    AWAY,
    AWAY,
  ],
};

/** Of signing in the contents matter; of a prompt that was taken none is looked at. */
const CONTENTS = {
  'half a body': [(s) => s.write(head('200 OK', 'content-length: 9') + '{', () => reset(s)), GONE],
  'an endless body': [
    (s) => (s.write(head('200 OK', CHUNKED)), pour(s, chunk(many(65536, ' ')), 64 * MiB)),
    BROKEN,
  ],
  'a web page': [(s) => s.write(sized('<html>')), BROKEN],
  'something compressed': [
    (s) => s.write(`${head('200 OK', 'content-encoding: gzip', 'content-length: 2')}\x1f\x8b`),
    BROKEN,
  ],
  '100,000 levels': [(s) => s.write(sized(many(1e5, '[') + many(1e5, ']'))), BROKEN],
  'a million digits': [(s) => s.write(sized(many(1e6, '9'))), BROKEN],
  'cookies without measure': [
    (s) => {
      const cookies = Array.from({ length: 90 }, (_, i) => `set-cookie: c${i}=${many(600, 'x')}`);
      s.write(head('200 OK', ...cookies, 'content-length: 2') + '{}');
    },
    BROKEN,
  ],
  'a token that ends our header': [
    (s) => s.write(sized(JSON.stringify({ jwt: 'a.e30.c\r\nX-Evil: 1', object: 'token' }))),
    BROKEN,
  ],
  'a token of 200 KiB': [
    (s) => s.write(sized(JSON.stringify({ jwt: `a.${many(200_000, 'e')}.c`, object: 'token' }))),
    BROKEN,
  ],
};

for (const kind of ['client', 'token'])
  describe(`signing in (${kind}), answered with`, AT_ONCE, () => {
    for (const [name, [raw, wanted]] of Object.entries({ ...HTTP, ...CONTENTS }))
      test(name, async () => {
        const own = await hostileWorld();
        own.upstream.on[kind] = () => ({ raw });
        assertError(await own.gw.post(prompt()), wanted);
        assert.equal(own.upstream.posts.length, 0);
        await assertWell(own);
      });
  });

describe('a prompt, answered with', AT_ONCE, () => {
  for (const [name, [raw, , wanted]] of Object.entries(HTTP))
    test(name, async () => {
      const own = await hostileWorld();
      own.upstream.on.post = () => ({ raw });
      assertError(await own.gw.post(prompt()), wanted);
      assert.ok(own.upstream.posts.length <= 3, `${own.upstream.posts.length} prompts`);
      await assertWell(own);
    });
});

// ---- the handshake ----

const HANDSHAKES = {
  'something else': [(s) => s.end('SSH-2.0\r\n'), BROKEN],
  'nothing': [(s) => s.end(), GONE],
  'a reset': [(s) => s.write('HTTP/1.1 101', () => reset(s)), GONE],
  'an endless header': [
    (s) => (s.write('HTTP/1.1 101 Yes\r\nx: '), pour(s, many(1000, 'a'), 64 * MiB)),
    BROKEN,
  ],
  'endless interim answers': [(s) => pour(s, many(100, head('100 Continue'))), LATE],
  'the key of somebody else': [(s, key) => s.write(switching(`${key}x`)), BROKEN],
  'no key': [(s) => s.write(head('101 Yes', 'upgrade: websocket', 'connection: upgrade')), BROKEN],
  'two keys': [
    (s, key) => s.write(switching(key).replace(/\r\n$/, 'sec-websocket-accept: x\r\n\r\n')),
    BROKEN,
  ],
  'a web page': [(s) => s.write(sized('<html>')), BROKEN],
  'a redirect': [
    (s) => s.write(head('302 Found', 'location: /elsewhere', 'content-length: 0')),
    BROKEN,
  ],
  'a refusal without an end': [
    (s) => (s.write(head('400 No', CHUNKED)), pour(s, chunk(many(65536, ' ')), 64 * MiB)),
    BROKEN,
  ],
};
describe('the handshake of a socket, answered with', AT_ONCE, () => {
  for (const [name, [raw, wanted]] of Object.entries(HANDSHAKES))
    test(name, async () => {
      const own = await hostileWorld();
      own.upstream.on.stream = () => ({ raw });
      assertError(await own.gw.post(prompt()), wanted);
      assert.equal(own.upstream.posts.length, 0);
      await assertWell(own);
    });
});

// ---- frames: behind "hello " comes ----

const { BINARY: DATA, CLOSE, CONTINUATION, PING, TEXT } = ws;
const closing = (code, reason = '') =>
  frame(CLOSE, Buffer.from(String.fromCharCode(code >> 8, code & 0xff) + reason, 'latin1'));
const text = (value) => frame(TEXT, JSON.stringify(value));
const repeated = (n, one) => Buffer.concat(Array(n).fill(one));
const flood = (one, n = 100) => (s) => pour(s, repeated(n, one));

/** 'whole', or the error. */
const FRAMES = {
  'a masked frame': [frame(TEXT, 'x', { mask: true }), BROKEN],
  'a reserved bit': [frame(TEXT, 'x', { rsv: 4 }), BROKEN],
  'a frame of no known type': [frame(3, 'x'), BROKEN],
  'a control frame of no known type': [frame(11, 'x'), BROKEN],
  'a continuation of nothing': [frame(CONTINUATION, 'x'), BROKEN],
  'a message inside another': [
    Buffer.concat([frame(TEXT, 'x', { fin: false }), frame(TEXT, 'x')]),
    BROKEN,
  ],
  'a ping in fragments': [frame(PING, 'x', { fin: false }), BROKEN],
  'a ping of 126 bytes': [frame(PING, many(126, 'x')), BROKEN],
  'text that is no UTF-8': [frame(TEXT, Buffer.from([0xff, 0xfe])), BROKEN],
  'text that ends in a character': [frame(TEXT, Buffer.from([0xe2, 0x82])), BROKEN],
  'a length of 2^63': [frame(TEXT, 'x', { length: 1n << 63n }), BROKEN],
  'a length of 2^62': [frame(TEXT, 'x', { length: 1n << 62n }), BROKEN],
  'a message of 5 MiB': [frame(TEXT, many(5 * MiB, 'x')), BROKEN],
  'fragments without an end': [
    (s) => {
      s.write(frame(TEXT, 'x', { fin: false }));
      return pour(s, frame(CONTINUATION, many(MiB, 'x'), { fin: false }), 64 * MiB);
    },
    BROKEN,
  ],
  'a close frame of one byte': [frame(CLOSE, 'x'), BROKEN],
  'a close code of 999': [closing(999), BROKEN],
  'a close code of 1005': [closing(1005), BROKEN],
  'a close code of 1006': [closing(1006), BROKEN],
  'a close reason that is no UTF-8': [closing(1000, '\xff'), BROKEN],
  'empty fragments without an end': [
    (s) => {
      s.write(frame(TEXT, 'x', { fin: false }));
      return flood(frame(CONTINUATION, '', { fin: false }), 1000)(s);
    },
    LATE,
  ],
  'pings without an end': [flood(frame(PING, 'hello')), LATE],
  'unknown messages without an end': [flood(text({ type: 'x' })), LATE],
  'binary messages without an end': [flood(frame(DATA, 'x')), LATE],
  '100,000 levels': [frame(TEXT, many(1e5, '[') + many(1e5, ']')), 'whole'],
  '100,000 levels within': [
    text({ type: 'update', buffer: many(1e5, '[') + many(1e5, ']') }),
    'whole',
  ],
  'a number of a million digits': [
    frame(TEXT, `{"type":"state","state":{"inProgress":true},"n":${many(1e6, '9')}}`),
    'whole',
  ],
  'a ping between fragments': [
    (s) => {
      const bytes = JSON.stringify(running);
      s.write(frame(TEXT, bytes.slice(0, 5), { fin: false }));
      s.write(frame(PING, ''));
      for (const one of bytes.slice(5)) s.write(frame(CONTINUATION, one, { fin: false }));
      s.write(frame(CONTINUATION, ''));
    },
    'whole',
  ],
};

/** Ends of the connection, after which it is looked whether the answer is still to be had. */
const ENDS = {
  'a reset': (s) => reset(s),
  'an end': (s) => s.end(),
  'a reset in a frame': (s) => s.write(frame(TEXT, 'x', { length: 100 }), () => reset(s)),
  'an end in a frame': (s) => s.end(frame(TEXT, 'x', { length: 100 })),
  'a close frame of 1011': (s) => s.write(closing(1011)),
  'a close frame of 4999': (s) => s.write(closing(4999)),
};

/** Says "hello ", then does that, and says "world" if it still can. */
const sayAround = (what) => () => [
  running,
  piece('hello '),
  ({ _socket: socket }) => (typeof what === 'function' ? what(socket) : socket.write(what)),
  piece('world'),
  finished,
];

/** A whole answer, and a streamed one, both to `content` or both the error. */
async function assertBoth(gw, wanted) {
  const [answer, stream] = await Promise.all([
    gw.post(prompt()),
    gw.stream(prompt()).then((one) => one.whole()),
  ]);
  if (wanted === 'whole') {
    assert.equal(answer.json().choices?.[0].message.content, 'hello world', answer.text);
    assert.equal(stream.text, 'hello world');
    assert.deepEqual([stream.finishReasons, stream.done], [['stop'], true]);
  } else {
    assertError(answer, wanted);
    assertBrokenOff(stream, wanted);
  }
}

describe('in the middle of an answer comes', AT_ONCE, () => {
  for (const [name, [what, wanted]] of Object.entries(FRAMES))
    test(name, async () => {
      const own = await hostileWorld({ API_REQUEST_TIMEOUT: 6 });
      own.upstream.answer = sayAround(what);
      await assertBoth(own.gw, wanted);
      assert.equal(own.upstream.posts.length, 2, 'no prompt went out twice');
      await assertWell(own);
    });

  test('text without an end, of which 32 MiB are held', async () => {
    const own = await hostileWorld({ API_REQUEST_TIMEOUT: 60 });
    own.upstream.answer = sayAround(flood(text(piece(many(100_000, 'x')))));
    assertError(await own.gw.post(prompt()), BROKEN);
    const { program } = own.gw;
    const peak = peakOf(program.pid);
    assert.ok(peak < 2 * PEAK_MAX, `${peak / MiB} MiB`);
    await assertWell(own);
  });

  for (const [name, what] of Object.entries(ENDS))
    test(`${name}, and what is left of it is no answer`, async () => {
      const own = await hostileWorld({ API_REQUEST_TIMEOUT: 6 });
      own.upstream.greeting = (chat) => [chat.running ? running : finished];
      own.upstream.answer = sayAround((socket) => {
        what(socket);
        return new Promise((resolve) => socket.once('close', resolve));
      });
      await assertBoth(own.gw, CUT);
      assert.equal(own.upstream.posts.length, 2, 'no prompt went out twice');
      await assertWell(own);
    });
});
