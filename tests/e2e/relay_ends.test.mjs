// SPDX-License-Identifier: Apache-2.0
// Endpoints that only upstreams know: how requests to them end when somebody leaves, breaks off,
// answers early or takes too long; what is refused; and the connection behind it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { assertError } from './lib/errors.mjs';
import { KEY, finish, until } from './lib/harness.mjs';
import { read, reply } from './lib/plain.mjs';
import { RawSocket, requestText } from './lib/raw.mjs';
import { MiB, begin, drain, relayWorld, textOf } from './lib/relay.mjs';

let sim, plain, gw, start;

before(async () => {
  ({ sim, plain, gw, start } = await relayWorld());
});
after(finish);
beforeEach(async () => {
  await sim.clearFaults();
  plain.clear();
  plain.handle = reply({ ok: true });
});

/** A form by hand, so that each byte is known. */
function form(fields, boundary = 'limit-1') {
  const parts = fields.map(([name, value, filename]) => {
    const file = filename ? `; filename="${filename}"\r\nContent-Type: audio/wav` : '';
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), Buffer.from(value), Buffer.from('\r\n')]);
  });
  return {
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
    type: `multipart/form-data; boundary=${boundary}`,
  };
}

const seen = (what = 'the upstream got the request') => until(() => plain.last, what);

describe('ends', () => {
  for (const [name, headers] of [
    ['with a length', { 'content-length': 8 * MiB }],
    ['in chunks', {}],
  ])
    test(`a client that leaves in the middle of a body ${name} ends it upstream`, async () => {
      for (const leave of ['destroy', 'resetAndDestroy']) {
        plain.clear();
        plain.handle = (request, response, one) => read(one).catch(() => {});
        const request = begin(gw, { headers });
        request.write(Buffer.alloc(2 * MiB));
        await seen();
        await until(() => plain.last.bytes > MiB, 'some of it came');
        request.socket[leave]();
        await until(() => plain.last.isGone, 'the upstream is told');
        assert.equal(plain.last.isWhole, false);
      }
    });

  test('a client that leaves while its upstream does not read is noticed', async () => {
    plain.handle = (request) => request.pause();
    const request = begin(gw, { headers: { 'content-length': 30 * MiB } });
    for (let i = 0; i < 20; i++) request.write(Buffer.alloc(MiB));
    await seen();
    const before = (await gw.metrics()).exchanges_canceled_total;
    request.socket.resetAndDestroy();
    const canceled = async () => (await gw.metrics()).exchanges_canceled_total === before + 1;
    await until(canceled, 'it is noticed', 10_000);
  });

  for (const [name, headers] of [
    ['with a length', { 'content-length': 1000 }],
    ['in chunks', {}],
  ])
    test(`an upstream that breaks off ${name} cuts the answer`, async () => {
      plain.handle = async (request, response, one) => {
        await read(one);
        response.writeHead(200, headers);
        response.write('a part');
        setTimeout(() => request.socket.destroy(), 20);
      };
      const request = begin(gw);
      request.end('x');
      const { bytes, isWhole } = await drain(await request.answer);
      assert.equal(String(bytes), 'a part');
      assert.equal(isWhole, false);
      await until(
        () => gw.logLines.find((line) => line.dialect === 'relay' && line.outcome === 'failed'),
        'a log line',
      );
    });

  test('an upstream that hangs up during an upload is a 502', async () => {
    plain.handle = (request) => request.once('data', () => request.socket.destroy());
    const request = begin(gw, { headers: { 'content-length': 16 * MiB } });
    for (let i = 0; i < 16; i++) request.write(Buffer.alloc(MiB));
    const response = await request.answer;
    assert.equal(response.statusCode, 502);
    assert.equal(JSON.parse(await textOf(response)).error.code, 'upstream_unavailable');
  });

  test('an upstream may answer before the body ends, and the body goes on', async () => {
    plain.handle = async (request, response, one) => {
      response.writeHead(200);
      response.write('early ');
      await read(one);
      response.end(`and ${one.bytes}`);
    };
    const request = begin(gw);
    request.write(Buffer.alloc(MiB));
    const response = await request.answer;
    const [first] = await once(response, 'data');
    assert.equal(String(first), 'early ');
    request.end(Buffer.alloc(MiB));
    assert.equal(await textOf(response), `and ${2 * MiB}`);
  });

  test('a refusal before the body ends reaches the client', async () => {
    plain.handle = (request, response) => {
      response.writeHead(400, { 'content-type': 'application/json', connection: 'close' });
      response.end('{"error":{"message":"not like this"}}');
    };
    const request = begin(gw, { headers: { 'content-length': 30 * MiB } });
    request.write(Buffer.alloc(MiB));
    const response = await request.answer;
    assert.equal(response.statusCode, 400);
    assert.equal(await textOf(response), '{"error":{"message":"not like this"}}');
    request.destroy();
  });

  test('a download ends in peace when the gateway is told to stop', async () => {
    const own = await start();
    let go;
    plain.handle = async (request, response, one) => {
      await read(one);
      response.writeHead(200);
      response.write('half ');
      await new Promise((resolve) => (go = resolve));
      response.end('done');
    };
    const request = begin(own);
    request.end('x');
    const response = await request.answer;
    await once(response, 'data');
    const stopped = own.stop();
    await until(() => own.log.includes('shutting down'), 'it is shutting down');
    go();
    assert.equal(await textOf(response), 'done');
    await stopped;
  });

  test('one that takes too long is cut when the gateway stops', async () => {
    const own = await start({ SHUTDOWN_TIMEOUT: 0.2 });
    plain.handle = async (request, response, one) => {
      await read(one);
      response.writeHead(200);
      response.write('half ');
    };
    const request = begin(own);
    request.end('x');
    const response = await request.answer;
    const upload = begin(own, { headers: { 'content-length': MiB } });
    upload.write('x');
    await until(async () => (await own.metrics()).http_server_connections >= 3, 'both are there');
    const [down, up] = await Promise.all([drain(response), upload.answer, own.stop()]);
    assert.equal(down.isWhole, false);
    assert.equal(up.statusCode, 503);
  });

  test('API_REQUEST_TIMEOUT bounds all of it', async () => {
    const own = await start({ API_REQUEST_TIMEOUT: 0.3 });
    plain.handle = () => {};
    const slow = await own.post({ model: 'big' }, { path: '/v1/rerank' });
    assertError(slow, { status: 504, code: 'upstream_timeout' });
    const request = begin(own, { headers: { 'content-length': 10 } });
    request.write('x');
    assert.equal((await request.answer).statusCode, 408);
  });
});

describe('limits and guards', () => {
  test('a body that announces too much is refused at once', async () => {
    const own = await start({ MAX_BODY_BYTES: '2MiB' });
    const request = begin(own, { headers: { 'content-length': 2 * MiB + 1 } });
    request.flushHeaders();
    const response = await request.answer;
    assert.equal(response.statusCode, 413);
    assert.equal(JSON.parse(await textOf(response)).error.code, 'request_too_large');
    assert.equal(plain.requests.length, 0);
    request.destroy();
  });

  test('one that does not is cut, upstream too', async () => {
    const own = await start({ MAX_BODY_BYTES: '2MiB' });
    plain.handle = (request, response, one) => read(one).catch(() => {});
    const request = begin(own);
    for (let i = 0; i < 3; i++) request.write(Buffer.alloc(MiB));
    const response = await request.answer;
    assert.equal(response.statusCode, 413);
    await until(() => plain.last.isGone, 'the upstream is told');
    assert.equal(plain.last.isWhole, false);
    const line = await until(() => own.logLines.find((one) => one.dialect === 'relay'), 'a line');
    assert.equal(line.status, 413);
    request.destroy();
  });

  test('without the key nothing goes upstream', async () => {
    for (const [authorization, status] of [['', 401], ['Bearer wrong', 403]]) {
      const request = begin(gw, { headers: { authorization, 'content-length': 4 * MiB } });
      request.write(Buffer.alloc(MiB));
      assert.equal((await request.answer).statusCode, status);
      request.destroy();
    }
    assert.equal(plain.requests.length, 0);
  });

  test('a gateway without a key takes forms of programs, not of web pages', async () => {
    const own = await start({ API_MASTER_KEY: undefined });
    const { body, type } = form([['model', 'big'], ['file', 'x', 'a.wav']]);
    const post = (headers) => own.post(body, { path: '/v1/audio/translations', headers });
    assertError(await post({ 'content-type': type }), { status: 415 });
    const any = { 'content-type': type, authorization: 'Bearer any' };
    assert.equal((await post(any)).status, 200);
    assert.equal((await post({ ...any, origin: 'http://localhost:3000' })).status, 200);
    assertError(await post({ ...any, origin: 'https://example.com' }), { status: 403 });
    assertError(await post({ ...any, host: 'example.com' }), { status: 403 });
    assert.equal((await own.post({ model: 'big' }, { path: '/v1/rerank' })).status, 200);
    assert.equal((await own.get('/v1/files')).status, 200);
  });

  test('paths that could mean another one are refused', async () => {
    const bad = [
      '/v1/files/..', '/v1/files/../x', '/v1/files/%2e%2e/x', '/v1/files/a%2fb', '/v1/files/a%5Cb',
      '/v1/files/a//b', '/v1/files/./a', '/v1/files/a;b', '/v1/files/%zz', '/v1/files/a%252fb',
      '/v1/files/a\\b', '/v1/files/a%00', '/v1/files/%2E', '/v1/files/.%2e/x', '/v1/files/a.b%2fc',
    ];
    for (const target of bad) {
      const raw = await RawSocket.open(gw.port);
      raw.send(requestText('GET', target, { Host: 'x', Authorization: `Bearer ${KEY}` }));
      assert.equal((await raw.response()).status, 400, target);
      raw.close();
    }
    assert.equal(plain.requests.length, 0);
    assertError(await gw.get('/v1/other/thing'), { status: 404 });
    assertError(await gw.get('/v1/embeddings'), { status: 405 });
    assert.equal((await gw.get('/v1/files/a-b_c.d~1/content%20x')).status, 200);
    assert.equal(plain.last.request.url, '/v1/files/a-b_c.d~1/content%20x');
    assert.equal((await gw.get('/v1/files/a%20b.txt')).status, 200);
    assert.equal(plain.last.request.url, '/v1/files/a%20b.txt');
  });

  test('what servers read in different ways is refused', async () => {
    const twice = await gw.post('{"model":"big","model":"other"}', { path: '/v1/rerank' });
    assertError(twice, { status: 400, param: 'model' });
    const two = await gw.post({ model: 'big' }, {
      path: '/v1/rerank',
      headers: { 'content-type': ['application/json', 'text/plain'] },
    });
    assertError(two, { status: 400 });
    assert.equal(plain.requests.length, 0);
  });

  test('a HEAD request gets the head', async () => {
    plain.handle = (request, response) => {
      assert.equal(request.method, 'HEAD');
      response.writeHead(200, { 'content-type': 'text/x-one', 'content-length': 5 });
      response.end();
    };
    const answer = await gw.get('/v1/files/one', {}, 'HEAD');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'text/x-one');
    assert.equal(answer.headers['content-length'], '5');
    assert.equal(answer.bytes.length, 0);
  });
});

describe('one connection', () => {
  const head = (target, headers) =>
    requestText('POST', target, {
      Host: 'x',
      Authorization: `Bearer ${KEY}`,
      'Content-Type': 'application/json',
      ...headers,
    });

  test('is kept, with requests in a row behind one another', async () => {
    const raw = await RawSocket.open(gw.port);
    const body = '{"model":"big"}';
    const one = head('/v1/rerank', { 'Content-Length': body.length }) + body;
    const chunked =
      head('/v1/rerank', { 'Transfer-Encoding': 'chunked' }) + `f\r\n${body}\r\n0\r\n\r\n`;
    raw.send(one + chunked + requestText('GET', '/healthz', { Host: 'x' }) + one);
    for (let i = 0; i < 4; i++) assert.equal((await raw.response()).status, 200, `number ${i}`);
    raw.send(one);
    assert.equal((await raw.response()).status, 200);
    raw.close();
    assert.equal(plain.requests.length, 4);
  });

  test('is told to continue, or not', async () => {
    const raw = await RawSocket.open(gw.port);
    raw.send(head('/v1/rerank', { 'Content-Length': 15, Expect: '100-continue' }));
    await raw.contains('HTTP/1.1 100 Continue\r\n\r\n');
    raw.received = raw.received.subarray('HTTP/1.1 100 Continue\r\n\r\n'.length);
    raw.send('{"model":"big"}');
    assert.equal((await raw.response()).status, 200);
    raw.close();
    const refused = await RawSocket.open(gw.port);
    const wrong = { Authorization: 'Bearer no', 'Content-Length': 15, Expect: '100-continue' };
    refused.send(head('/v1/rerank', wrong));
    assert.equal((await refused.response()).status, 403);
    refused.close();
  });
});
