// SPDX-License-Identifier: Apache-2.0
// Endpoints that only upstreams know: through the official client against the simulator, and byte
// by byte against an upstream that does what each test says.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import { toFile } from 'openai';
import { assertError } from './lib/errors.mjs';
import { Gateway, KEY, finish, until } from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { read, reply } from './lib/plain.mjs';
import {
  MiB,
  PLAIN_KEY,
  SIM_KEYS,
  begin,
  drain,
  relayWorld,
  settled,
  sha256,
  textOf,
} from './lib/relay.mjs';

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

describe('the official client', () => {
  test('gets embeddings, packed or not, by an alias', async () => {
    const client = gw.openai();
    const input = ['one', 'two three'];
    const packed = await client.embeddings.create({ model: 'text-embedding-3-small', input });
    const floats = await client.embeddings.create({
      model: 'embed',
      input,
      encoding_format: 'float',
    });
    assert.equal(packed.model, 'embed-1');
    assert.equal(floats.data.length, 2);
    floats.data.forEach(({ embedding }, i) =>
      embedding.forEach((n, k) => assert.ok(Math.abs(n - packed.data[i].embedding[k]) < 1e-6)),
    );
    const { response } = await client.embeddings.create({ model: 'embed', input }).withResponse();
    assert.equal(response.headers.get('x-upstream'), 'local');
    assert.equal(response.headers.get('x-attempts'), '1');
    assert.match(response.headers.get('x-gateway-overhead-ms'), /^\d+\.\d\d$/);
    assert.match(response.headers.get('x-request-id'), /^req_/);
  });

  test('finds the model behind inputs of half a megabyte', async () => {
    const input = Array.from({ length: 500 }, (_, i) => `${i} ${'word '.repeat(200)}`);
    const body = JSON.stringify({ input, model: 'embed' });
    assert.ok(body.length > 300_000 && body.length < MiB);
    const answer = await gw.post(body, { path: '/embeddings' });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json().data.length, 500);
    assert.equal(answer.headers['x-upstream'], 'local');
  });

  test('uploads, reads and deletes a file', async () => {
    const own = await start();
    const client = own.openai();
    // The first upstream of OpenAI's format is the default: what names no model goes there.
    plain.handle = async (request, response, one) => {
      const body = await buffer(request);
      const headers = { ...request.headers, host: `127.0.0.1:${sim.port}` };
      headers.authorization = `Bearer ${SIM_KEYS[0]}`;
      delete headers['x-team'];
      const { method, url } = request;
      const answer = await fetchWhole(sim.port, { method, path: url, headers, body });
      one.bytes = body.length;
      response.writeHead(answer.status, answer.headers);
      response.end(answer.bytes);
    };
    const bytes = crypto.randomBytes(8 * MiB);
    const file = await client.files.create({
      file: await toFile(bytes, 'big.bin'),
      purpose: 'user_data',
    });
    assert.equal(file.bytes, bytes.length);
    assert.equal(file.filename, 'big.bin');
    assert.ok(plain.last.bytes > bytes.length);
    assert.equal((await client.files.retrieve(file.id)).id, file.id);
    const list = await client.files.list();
    assert.deepEqual(list.data.map((one) => one.id), [file.id]);
    const content = await client.files.content(file.id);
    assert.match(content.headers.get('content-disposition'), /big\.bin/);
    assert.equal(sha256(Buffer.from(await content.arrayBuffer())), sha256(bytes));
    assert.equal((await client.files.delete(file.id)).deleted, true);
    await assert.rejects(client.files.retrieve(file.id), { status: 404 });
    assert.deepEqual(await sim.violations(), []);
  });

  test('has audio transcribed, whatever the order of the fields', async () => {
    const audio = crypto.randomBytes(200_000);
    for (const model of ['whisper', 'a much longer name of the same whisper'])
      for (const order of [['file', 'model'], ['model', 'file']]) {
        const all = { file: await toFile(audio, 'a.wav'), model, language: 'en' };
        const params = Object.fromEntries([...order, 'language'].map((name) => [name, all[name]]));
        const heard = await gw.openai().audio.transcriptions.create(params);
        const parts = Object.fromEntries(heard.parts.map((part) => [part.name, part]));
        assert.equal(heard.model, model === 'whisper' ? 'whisper-1' : 'w');
        assert.equal(parts.file.sha256, sha256(audio));
        assert.equal(parts.language.sha256, sha256('en'));
      }
  });

  test('gets speech, byte for byte', async () => {
    const params = { model: 'voice', input: 'Say it aloud, please.', voice: 'alloy' };
    const answer = await gw.openai().audio.speech.create(params);
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.equal(answer.headers.get('content-type'), 'audio/mpeg');
    const straight = await fetchWhole(sim.port, {
      method: 'POST',
      path: '/v1/audio/speech',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${SIM_KEYS[0]}` },
      body: JSON.stringify({ ...params, model: 'voice-1' }),
    });
    assert.equal(bytes.length, params.input.length * 512);
    assert.ok(bytes.equals(straight.bytes));
  });
});

describe('what goes up and comes down', () => {
  test('is the same but for the name of the model', async () => {
    const body = '{ "n": 1e400, "model" : "renamed" ,"z":[-0, "\\u00e9"], "model2": "renamed" }';
    let got;
    plain.handle = async (request, response) => {
      got = String(await buffer(request));
      reply({})(request, response, plain.last);
    };
    const headers = {
      cookie: 'secret=1',
      'x-api-key': KEY,
      'openai-beta': 'x=1',
      'idempotency-key': 'one',
      'x-other': 'no',
      accept: 'application/json',
    };
    const answer = await gw.post(body, { path: '/v1/rerank?a=b&c=%20', headers });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(got, body.replace('"renamed"', '"a name that is quite a bit longer"'));
    const { request } = plain.last;
    assert.equal(request.url, '/v1/rerank?a=b&c=%20');
    assert.equal(request.headers.authorization, `Bearer ${PLAIN_KEY}`);
    assert.equal(request.headers['x-team'], 'blue');
    assert.equal(request.headers['openai-beta'], 'x=1');
    assert.equal(request.headers['idempotency-key'], 'one');
    assert.equal(request.headers.accept, 'application/json');
    for (const name of ['cookie', 'x-api-key', 'x-other'])
      assert.equal(request.headers[name], undefined, name);
  });

  test('answers have the headers that are for the client, and no others', async () => {
    plain.handle = reply({}, 201, {
      'openai-processing-ms': '7',
      'x-ratelimit-remaining': '9',
      'content-disposition': 'inline',
      'set-cookie': 'a=b',
      'x-request-id': 'theirs',
      server: 'theirs',
      'openai-hop': 'no',
      connection: 'keep-alive, openai-hop',
    });
    const { status, headers } = await gw.post({ model: 'big' }, { path: '/v1/moderations' });
    assert.equal(status, 201);
    assert.equal(headers['openai-processing-ms'], '7');
    assert.equal(headers['x-ratelimit-remaining'], '9');
    assert.equal(headers['content-disposition'], 'inline');
    assert.equal(headers['x-upstream'], 'plain');
    assert.notEqual(headers['x-request-id'], 'theirs');
    for (const name of ['set-cookie', 'server', 'openai-hop'])
      assert.equal(headers[name], undefined, name);
  });

  test('a stream of events passes piece by piece', async () => {
    const events = ['data: {"a":1}\n\n', ': a comment\n\ndata: [DO', 'NE]\n\n'];
    let go;
    plain.handle = async (request, response, one) => {
      await read(one);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(events[0]);
      await new Promise((resolve) => (go = resolve));
      response.write(events[1]);
      response.end(events[2]);
    };
    const request = begin(gw, {
      path: '/v1/images/edits',
      headers: { 'content-type': 'application/json' },
    });
    request.end('{"model":"big","stream":true}');
    const response = await request.answer;
    assert.equal(response.headers['content-type'], 'text/event-stream');
    const [first] = await once(response, 'data');
    assert.equal(String(first), events[0]);
    go();
    assert.equal(await textOf(response), events[1] + events[2]);
  });

  test('64 MiB in both directions take no memory', async (t) => {
    const own = await start({ MAX_BODY_BYTES: '128MiB', WORKERS: 2 });
    const piece = crypto.randomBytes(MiB);
    plain.handle = async (request, response, one) => {
      await read(one);
      response.writeHead(200, { 'content-length': 64 * MiB });
      for (let i = 0; i < 64; i++)
        if (!response.write(piece)) await once(response, 'drain');
      response.end();
    };
    const memory = (name) => {
      const status = fs.readFileSync(`/proc/${own.program.pid}/status`, 'latin1');
      return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)[1]) * 1024;
    };
    const peak = () => memory('VmHWM');
    const isSanitized = memory('VmSize') > 1e12; // the shadow; what is freed is kept for a while
    for (const headers of [{ 'content-length': 64 * MiB }, {}]) {
      const before = peak();
      const request = begin(own, { headers });
      for (let i = 0; i < 64; i++) if (!request.write(piece)) await once(request, 'drain');
      const { buffered_bytes: buffered } = await own.metrics();
      assert.ok(buffered < MiB, `${buffered} bytes in buffers`);
      request.end();
      const response = await request.answer;
      assert.equal(response.headers['content-length'], String(64 * MiB));
      const { bytes, isWhole } = await drain(response);
      assert.ok(isWhole);
      const all = crypto.createHash('sha256');
      for (let i = 0; i < 64; i++) all.update(piece);
      const expected = all.digest('hex');
      assert.equal(plain.last.sha256, expected);
      assert.equal(sha256(bytes), expected);
      const grown = peak() - before;
      assert.ok(grown < 8 * MiB || isSanitized, `${grown} bytes more at the peak`);
      t.diagnostic(`${(grown / MiB).toFixed(1)} MiB more at the peak`);
    }
  });
});

describe('back-pressure', () => {
  test('an upstream that does not read stops the client', async (t) => {
    const own = await start({ MAX_BODY_BYTES: '128MiB' });
    let go;
    plain.handle = async (request, response, one) => {
      request.pause();
      await new Promise((resolve) => (go = resolve));
      await reply({})(request, response, one);
    };
    const request = begin(own, { headers: { 'content-length': 64 * MiB } });
    for (let i = 0; i < 64; i++) request.write(Buffer.alloc(MiB, i));
    request.end();
    await until(() => plain.last, 'the upstream got the request');
    const received = async () => (await own.metrics()).http_server_received_bytes_total;
    // Asking for metrics is received, too.
    const taken = await settled(received, 'the client is stopped', 4096);
    assert.ok(taken < 24 * MiB, `${taken} bytes were taken`);
    t.diagnostic(`${(taken / MiB).toFixed(1)} of 64 MiB were taken`);
    assert.ok((await own.metrics()).buffered_bytes < 2 * MiB);
    go();
    assert.equal((await request.answer).statusCode, 200);
    assert.equal(plain.last.bytes, 64 * MiB);
  });

  test('a client that does not read stops the upstream', async () => {
    let sent = 0;
    plain.handle = async (request, response, one) => {
      await read(one);
      response.writeHead(200);
      for (let i = 0; i < 64 && !one.isGone; i++) {
        if (!response.write(Buffer.alloc(MiB)))
          await Promise.race([once(response, 'drain'), once(response, 'close')]);
        sent += MiB;
      }
      response.end();
    };
    const request = begin(gw);
    request.end('x');
    const response = await request.answer;
    response.pause();
    await settled(() => sent, 'the upstream is stopped');
    assert.ok(sent < 40 * MiB, `${sent} bytes were taken`);
    const { bytes } = await drain(response);
    assert.equal(bytes.length, 64 * MiB);
  });
});

describe('who answers', () => {
  const post = (model, more = {}, gateway = gw) =>
    gateway.post({ model, input: 'x', ...more }, { path: '/v1/embeddings' });

  test('a body that is here as a whole goes to the next target', async () => {
    for (const status of [500, 503, 429, 401, 402, 403, 408, 409]) {
      plain.handle = reply({ error: { message: 'no' } }, status);
      const answer = await post('two');
      assert.equal(answer.status, 200, `${status}: ${answer.text}`);
      assert.equal(answer.headers['x-upstream'], 'local');
      assert.equal(answer.headers['x-attempts'], '2');
      assert.equal(answer.json().model, 'embed-1');
    }
    plain.handle = reply({ error: { message: 'no' } }, 422);
    assert.equal((await post('two')).status, 422);
    plain.handle = (request) => request.socket.destroy();
    assert.equal((await post('two')).headers['x-upstream'], 'local');
  });

  test('a longer one only while nothing of it went out', async () => {
    const padding = 'x'.repeat(2 * MiB);
    plain.handle = reply({ error: { message: 'later' } }, 503);
    const failed = await post('two', { padding });
    assertError(failed, { status: 502, code: 'upstream_unavailable' });
    assert.equal(failed.headers['x-attempts'], '1');
    plain.handle = reply({ ok: 1 });
    const answer = await post('refused-first', { padding });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-upstream'], 'plain');
    assert.equal(answer.headers['x-attempts'], '2');
    assert.ok(plain.last.bytes > 2 * MiB);
    const renamed = await post('renamed', { padding });
    assert.equal(renamed.status, 200);
  });

  test('our credentials are our own matter', async () => {
    plain.handle = reply({ error: { message: 'who are you' } }, 401);
    assertError(await post('big'), { status: 502, code: 'upstream_auth_failed' });
    plain.handle = reply({ error: { message: 'slowly' } }, 429, { 'retry-after': '7' });
    const limited = await post('big');
    assert.equal(limited.status, 429);
    assert.equal(limited.headers['retry-after'], '7');
    assert.equal(limited.json().error.message, 'slowly');
    plain.handle = reply({ error: { message: 'none' } }, 404);
    assert.equal((await post('big')).status, 404);
  });

  test('another key is tried', async () => {
    const own = await start();
    await sim.fault({ where: 'embeddings', status: 429, times: 1 });
    const answer = await post('embed', {}, own);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['x-attempts'], '2');
  });

  test('an upstream without such endpoints says which have some', async () => {
    const answer = await post('gpt');
    assertError(answer, { status: 400, param: 'model' });
    assert.match(answer.json().error.message, /"plain", "local"/);
    assertError(await post('unheard-of'), { status: 404, code: 'model_not_found' });
    const alone = await Gateway.start({ env: { ...sim.env(), STORE_URL: 'memory:' } });
    const none = await post('gpt', { model: undefined }, alone);
    assertError(none, { status: 404 });
    assert.match(none.json().error.message, /provider: openai/);
  });

  test('is counted by endpoint', async () => {
    await gw.get('/v1/files/one');
    const text = (await fetchWhole(gw.port, { path: '/metrics' })).text;
    const row = /^enginelabs2api_requests_total\{dialect="relay",endpoint="(.+?)",(.+)\} (\d+)$/gm;
    const rows = [...text.matchAll(row)];
    const count = (endpoint, outcome) =>
      rows
        .filter(([, e, labels]) => e === endpoint && labels.endsWith(`outcome="${outcome}"`))
        .reduce((sum, [, , , n]) => sum + Number(n), 0);
    assert.ok(count('/files/', 'completed') > 0);
    assert.ok(count('/embeddings', 'completed') > 0);
    assert.ok(count('/embeddings', 'failed') > 0);
    assert.equal(count('/files', 'canceled'), 0);
    assert.equal(new Set(rows.map(([, e, labels]) => e + labels)).size, rows.length, 'each once');
    const isRead = (one) => one.dialect === 'relay' && one.endpoint === '/files/';
    const line = await until(() => gw.logLines.findLast(isRead), 'a log line');
    assert.equal(line.method, 'GET');
    assert.equal(line.upstream, 'plain');
    assert.equal(line.status, 200);
  });
});
