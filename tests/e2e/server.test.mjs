// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on raw sockets: what is served, and what is refused so that no two programs can read the
// same bytes differently (RFC 9112).

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Gateway, KEY, Simulator, finish, tempDir, until, world } from './lib/harness.mjs';
import { RawSocket, askOnce, requestText } from './lib/raw.mjs';

let gw;

before(async () => {
  ({ gw } = await world());
});
after(finish);

const auth = { Host: 'localhost', Authorization: `Bearer ${KEY}` };
const chatBody = JSON.stringify({ messages: [{ role: 'user', content: '!echo hello there' }] });
const json = { ...auth, 'Content-Type': 'application/json' };

function chatText(headers = {}, body = chatBody) {
  const length = { 'Content-Length': Buffer.byteLength(body) };
  return requestText('POST', '/v1/chat/completions', { ...json, ...length, ...headers }, body);
}

const contentOf = (answer) => answer.json().choices[0].message.content;

const ask = (bytes) => askOnce(gw.port, bytes);

describe('a connection', () => {
  test('serves one request after another', async () => {
    const raw = await RawSocket.open(gw.port);
    for (let i = 0; i < 5; i++) {
      raw.send(chatText());
      const answer = await raw.response();
      assert.equal(answer.status, 200);
      assert.equal(contentOf(answer), 'hello there');
    }
    const body = JSON.stringify({ ...JSON.parse(chatBody), stream: true });
    raw.send(chatText({}, body));
    const stream = await raw.response();
    assert.equal(stream.headers['transfer-encoding'], 'chunked');
    assert.ok(stream.text.endsWith('data: [DONE]\n\n'));
    raw.send(requestText('GET', '/healthz', { Host: 'localhost' }));
    assert.equal((await raw.response()).status, 200);
    raw.close();
  });

  test('serves pipelined requests in order', async () => {
    const raw = await RawSocket.open(gw.port);
    const gets = ['/healthz', '/v1/models/GPT5', '/nowhere', '/'];
    raw.send(chatText() + gets.map((path) => requestText('GET', path, auth)).join(''));
    assert.equal(contentOf(await raw.response()), 'hello there');
    assert.equal((await raw.response()).status, 200);
    assert.equal((await raw.response()).json().id, 'GPT5');
    assert.equal((await raw.response()).status, 404);
    assert.equal((await raw.response()).json().name, 'enginelabs-2api');
    raw.close();
  });

  test('takes a request in single bytes', async () => {
    const raw = await RawSocket.open(gw.port);
    raw.socket.setNoDelay(true);
    for (const byte of chatText()) {
      raw.send(byte);
      await new Promise(setImmediate);
    }
    assert.equal(contentOf(await raw.response()), 'hello there');
    raw.close();
  });

  test('takes a chunked body, with extensions and trailers', async () => {
    const half = Math.floor(chatBody.length / 2);
    const [a, b] = [chatBody.slice(0, half), chatBody.slice(half)];
    const hex = (text) => text.length.toString(16);
    const first = `${hex(a)};x="y"\r\n${a}\r\n`;
    const second = `00${hex(b).toUpperCase()}\r\n${b}\r\n`;
    const body = `${first}${second}0\r\nX-T: 1\r\n\r\n`;
    const headers = { ...json, 'Transfer-Encoding': 'chunked' };
    const answer = await ask(requestText('POST', '/v1/chat/completions', headers, body));
    assert.equal(contentOf(answer), 'hello there');
  });

  test('says 100 when the client expects it, and the verdict when it is a refusal', async () => {
    const raw = await RawSocket.open(gw.port);
    const text = chatText({ Expect: '100-continue' });
    raw.send(text.slice(0, text.length - chatBody.length));
    assert.equal((await raw.response()).status, 100);
    raw.send(chatBody);
    assert.equal(contentOf(await raw.response()), 'hello there');
    const wrong = { ...json, Authorization: 'Bearer no', Expect: '100-continue' };
    raw.send(requestText('POST', '/v1/chat/completions', { ...wrong, 'Content-Length': 10 }));
    assert.equal((await raw.response()).status, 403);
    raw.close();
    const other = await ask(chatText({ Expect: 'a miracle' }));
    assert.ok([200, 417].includes(other.status), other.first); // RFC 9110 10.1.1: it may
  });

  test('ends when the client says close, or speaks HTTP/1.0', async () => {
    const raw = await RawSocket.open(gw.port);
    raw.send(requestText('GET', '/healthz', { Host: 'localhost', Connection: 'close' }));
    assert.equal((await raw.response()).headers.connection, 'close');
    await raw.ended();

    const old = await RawSocket.open(gw.port);
    const body = JSON.stringify({ ...JSON.parse(chatBody), stream: true });
    old.send(chatText({}, body).replace('HTTP/1.1', 'HTTP/1.0'));
    await old.ended();
    const answer = await old.response();
    assert.equal(answer.status, 200);
    assert.ok(!('transfer-encoding' in answer.headers), 'HTTP/1.0 knows no chunks');
    assert.ok(answer.text.endsWith('data: [DONE]\n\n'));

    const kept = await RawSocket.open(gw.port);
    const keep = { Host: 'localhost', Connection: 'keep-alive' };
    kept.send(requestText('GET', '/healthz', keep, '', 'HTTP/1.0'));
    assert.equal((await kept.response()).status, 200);
    kept.close();
  });

  test('understands the absolute form', async () => {
    const answer = await ask(requestText('GET', 'http://localhost/v1/models', auth));
    assert.equal(answer.status, 200);
  });
});

describe('what two programs could read differently is refused, and all behind it', () => {
  const smuggled = requestText('GET', '/v1/models', auth);
  const post = 'POST /v1/chat/completions HTTP/1.1\r\n';
  const key = `Authorization: Bearer ${KEY}\r\n`;
  const head = `${post}Host: localhost\r\n${key}Content-Type: application/json\r\n`;
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  const rows = {
    'both lengths': `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'two different lengths': `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x`,
    'a list of lengths': `${head}Content-Length: 2, 3\r\n\r\n{}`,
    'a signed length': `${head}Content-Length: +2\r\n\r\n{}`,
    'a negative length': `${head}Content-Length: -2\r\n\r\n{}`,
    'a hexadecimal length': `${head}Content-Length: 0x2\r\n\r\n{}`,
    'an endless length': `${head}Content-Length: 99999999999999999999999\r\n\r\n{}`,
    'an empty length': `${head}Content-Length: \r\n\r\n{}`,
    'another coding': `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    'chunked twice': `${head}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    'chunked not last': `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    'a coding with a tab': `${head}Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n`,
    'a space before the colon': `${head}Content-Length : 2\r\n\r\n{}`,
    'a space in a name': `${head}X Y: z\r\nContent-Length: 2\r\n\r\n{}`,
    'a folded line': `${head}X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}`,
    'a fold before all headers': `${post} Host: localhost\r\nContent-Length: 2\r\n\r\n{}`,
    'bare LF': `${head}Content-Length: 2\n\n{}`,
    'bare CR': `${head}X-A: b\rContent-Length: 2\r\n\r\n{}`,
    'NUL in a value': `${head}X-A: b\0c\r\nContent-Length: 2\r\n\r\n{}`,
    'no name': `${head}: x\r\nContent-Length: 2\r\n\r\n{}`,
    'no colon': `${head}just text\r\nContent-Length: 2\r\n\r\n{}`,
    'two hosts': `${head}Host: evil.example\r\nContent-Length: 2\r\n\r\n{}`,
    'no host': `${post}Content-Length: 2\r\n\r\n{}`,
    'a host with a path': `GET / HTTP/1.1\r\nHost: localhost/x\r\n\r\n`,
    'a chunk size that is no number': `${chunked}xyz\r\n{}\r\n0\r\n\r\n`,
    'a chunk size with a sign': `${chunked}+2\r\n{}\r\n0\r\n\r\n`,
    'a chunk size beyond 64 bits': `${chunked}10000000000000002\r\n{}\r\n`,
    'a chunk that is longer than it says': `${chunked}1\r\n{}\r\n0\r\n\r\n`,
    'chunks with bare LF': `${chunked}2\n{}\n0\n\n`,
    'two spaces in the request line': `GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    'a control character in the target': `GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    'no version': `GET /\r\nHost: localhost\r\n\r\n`,
    'lower-case version': `GET / http/1.1\r\nHost: localhost\r\n\r\n`,
    'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a version to come': `GET / HTTP/1.9\r\nHost: localhost\r\n\r\n`,
    'TLS on a plain port': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
  };
  for (const [name, bytes] of Object.entries(rows))
    test(name, async () => {
      const raw = await RawSocket.open(gw.port);
      raw.send(Buffer.from(bytes + smuggled, 'latin1'));
      const answer = await raw.response();
      if (name === 'a version to come') {
        // RFC 9112 2.3: a higher minor version of HTTP/1 may be served as 1.1.
        assert.ok([200, 505].includes(answer.status), `${answer.status}`);
        raw.close();
        return;
      }
      assert.ok(answer.status >= 400 && answer.status <= 505, answer.first);
      assert.equal(answer.headers.connection, 'close');
      assert.equal(typeof answer.json().error.message, 'string');
      assert.equal(await raw.ended(), '', 'nothing comes after it');
    });

  test('the same length twice is that length, once', async () => {
    const raw = await RawSocket.open(gw.port);
    const length = `Content-Length: ${chatBody.length}\r\n`;
    raw.send(`${head}${length}${length}\r\n${chatBody}${smuggled}`);
    assert.equal(contentOf(await raw.response()), 'hello there');
    assert.equal((await raw.response()).json().object, 'list');
    raw.close();
  });

  test('methods nobody knows are refused as such', async () => {
    const brew = await ask(requestText('BREW', '/v1/models', auth));
    assert.ok([405, 501].includes(brew.status), brew.first);
    const lower = await ask(requestText('get', '/healthz', auth));
    assert.ok(lower.status >= 400, lower.first);
    const connect = await ask(requestText('CONNECT', 'example.com:443', { Host: 'example.com' }));
    assert.ok(connect.status >= 400, connect.first);
  });
});

test('a Unix socket serves as well', async () => {
  const path = `${tempDir()}/gateway.sock`;
  const own = new Gateway({ env: { ...(await Simulator.start()).env(), LISTEN: `unix:${path}` } });
  await until(() => own.log.includes('"listening"'), 'it listens');
  const status = await new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${KEY}` };
    const request = http.get({ socketPath: path, path: '/v1/models', headers, agent: false });
    request.on('response', (response) => resolve(response.resume().statusCode));
    request.on('error', reject);
  });
  assert.equal(status, 200);
  await own.stop();
});
