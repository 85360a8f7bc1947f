// SPDX-License-Identifier: Apache-2.0
// Who may ask: keys, a gateway without one, pages of other sites, health and metrics
// (interface.md, "Endpoints"; decisions.md, "Safety without being asked").

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertError } from './lib/errors.mjs';
import { KEY, finish, until, world } from './lib/harness.mjs';
import { askOnce, requestText } from './lib/raw.mjs';

let gw;

before(async () => {
  ({ gw } = await world());
});
after(finish);

const chatBody = JSON.stringify({ messages: [{ role: 'user', content: '!echo hello there' }] });
const CHALLENGE = 'Bearer realm="enginelabs-2api"';
const ask = (bytes, port = gw.port) => askOnce(port, bytes);

describe('keys', () => {
  const withKey = (headers) => ask(requestText('GET', '/v1/models', { Host: 'x', ...headers }));

  test('are taken in both headers, the scheme in any case', async () => {
    for (const authorization of [`Bearer ${KEY}`, `bearer ${KEY}`, `BeArEr   ${KEY}`])
      assert.equal((await withKey({ Authorization: authorization })).status, 200, authorization);
    assert.equal((await withKey({ 'X-Api-Key': KEY })).status, 200);
    assert.equal((await withKey({ 'x-api-key': `  ${KEY}  ` })).status, 200);
  });

  test('that are missing are 401, wrong ones 403, always in the same words', async () => {
    const missing = [{}, { Authorization: '' }, { Authorization: 'Basic eDp5' }, { Cookie: KEY }];
    for (const headers of missing) {
      const answer = await withKey(headers);
      assertError(answer, { status: 401, code: 'missing_api_key' });
      assert.equal(answer.headers['www-authenticate'], CHALLENGE);
    }
    const wrongKeys = [
      'x',
      KEY.slice(0, -1),
      `${KEY}x`,
      `x${KEY}`,
      KEY.toUpperCase(),
      'y'.repeat(9000),
    ];
    const answers = new Set();
    for (const key of wrongKeys) {
      const answer = await withKey({ Authorization: `Bearer ${key}` });
      assertError(answer, { status: 403, code: 'invalid_api_key' });
      answers.add(answer.text);
      answers.add((await withKey({ 'X-Api-Key': key })).text);
    }
    assert.equal(answers.size, 1, 'the answer says nothing about the key');
  });

  test('are needed before anything is read or told', async () => {
    const head = { Host: 'x', 'Content-Type': 'application/json', 'Content-Length': 1e9 };
    const answer = await ask(requestText('POST', '/v1/chat/completions', head));
    assert.equal(answer.status, 401);
    const model = await ask(requestText('GET', '/v1/models/GPT5', { Host: 'x' }));
    assert.equal(model.status, 401);
  });
});

describe('who may ask a gateway without a key', () => {
  let open;
  before(async () => {
    open = await world({ env: { API_MASTER_KEY: undefined } });
  });

  const body = chatBody;
  const post = (headers) =>
    ask(
      requestText(
        'POST',
        '/v1/chat/completions',
        { 'Content-Length': body.length, 'Content-Type': 'application/json', ...headers },
        body,
      ),
      open.gw.port,
    );

  test('this machine, by its names', async () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]'])
      for (const port of ['', `:${open.gw.port}`])
        assert.equal((await post({ Host: host + port })).status, 200, host + port);
    const origin = `http://localhost:${open.gw.port}`;
    assert.equal((await post({ Host: 'localhost', Origin: origin })).status, 200);
  });

  test('no page of another site, by host, origin or content type', async () => {
    const strangers = [
      { Host: 'evil.example' },
      { Host: 'localhost.evil.example' },
      { Host: 'evil.example:8089' },
      { Host: 'localhost', Origin: 'https://evil.example' },
      { Host: 'localhost', Origin: 'null' },
      { Host: 'localhost', Origin: 'http://localhost.evil.example' },
      { Host: 'localhost', 'Content-Type': 'text/plain' },
      { Host: 'localhost', 'Content-Type': 'application/x-www-form-urlencoded' },
    ];
    for (const headers of strangers) {
      const answer = await post(headers);
      assert.ok(answer.status >= 400 && answer.status < 500, JSON.stringify(headers));
      assert.ok(!('access-control-allow-origin' in answer.headers));
    }
    const noType = requestText(
      'POST',
      '/v1/chat/completions',
      { Host: 'localhost', 'Content-Length': body.length },
      body,
    );
    const answer = await ask(noType, open.gw.port);
    assert.ok(answer.status >= 400, 'no content type');
    assert.deepEqual((await open.sim.posts()).length, 7, 'only ours were sent');
  });

  test('content types with parameters are JSON too', async () => {
    const types = ['application/json; charset=utf-8', 'Application/JSON;charset=UTF-8'];
    for (const type of types)
      assert.equal((await post({ Host: 'localhost', 'Content-Type': type })).status, 200, type);
  });
});

describe('pages of other sites', () => {
  const preflight = (port, origin) =>
    ask(
      requestText('OPTIONS', '/v1/chat/completions', {
        Host: 'localhost',
        Origin: origin,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,content-type',
      }),
      port,
    );

  test('are told nothing without CORS_ORIGINS', async () => {
    const answer = await preflight(gw.port, 'https://app.example');
    assert.ok(!('access-control-allow-origin' in answer.headers));
    const get = await gw.get('/v1/models', { origin: 'https://app.example' });
    assert.ok(!('access-control-allow-origin' in get.headers));
  });

  test('may ask when they are listed, and no others', async () => {
    const origins = 'https://app.example, http://localhost:5173';
    const own = await world({ env: { CORS_ORIGINS: origins } });
    for (const origin of ['https://app.example', 'http://localhost:5173']) {
      const answer = await preflight(own.gw.port, origin);
      assert.ok(answer.status === 204 || answer.status === 200, answer.first);
      assert.equal(answer.headers['access-control-allow-origin'], origin);
      assert.match(answer.headers['access-control-allow-headers'], /authorization/i);
      assert.match(answer.headers['access-control-allow-headers'], /content-type/i);
      assert.match(answer.headers['access-control-allow-methods'], /POST/);
      assert.match(answer.headers.vary, /origin/i);
      const get = await own.gw.get('/v1/models', { origin });
      assert.equal(get.headers['access-control-allow-origin'], origin);
      const failed = await own.gw.post('{', { headers: { origin } });
      assert.equal(failed.headers['access-control-allow-origin'], origin, 'on errors too');
    }
    for (const origin of ['https://evil.example', 'https://app.example.evil', 'null']) {
      const answer = await preflight(own.gw.port, origin);
      assert.ok(!('access-control-allow-origin' in answer.headers), origin);
    }
  });

  test('may all ask with *', async () => {
    const own = await world({ env: { CORS_ORIGINS: '*' } });
    const answer = await preflight(own.gw.port, 'https://any.example');
    const allowed = answer.headers['access-control-allow-origin'];
    assert.ok(['*', 'https://any.example'].includes(allowed), allowed);
    assert.notEqual(answer.headers['access-control-allow-credentials'], 'true');
  });
});

describe('health, readiness, metrics', () => {
  const plain = (path, headers = {}) =>
    ask(requestText('GET', path, { Host: 'localhost', ...headers }));

  test('need no key from this machine', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics', '/'])
      assert.equal((await plain(path)).status, 200, path);
    const metrics = await plain('/metrics');
    assert.match(metrics.headers['content-type'], /^text\/plain/);
    for (const line of metrics.text.trim().split('\n'))
      assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? -?[\d.e+]+)$/);
  });

  test('metrics need one through a proxy', async () => {
    const forwarded = ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'Via', 'X-Forwarded-Host'];
    for (const name of forwarded) {
      const headers = { [name]: name === 'Forwarded' ? 'for=203.0.113.9' : '203.0.113.9' };
      const answer = await plain('/metrics', headers);
      assertError(answer, { status: 401, code: 'missing_api_key' });
      assert.equal(answer.headers['www-authenticate'], CHALLENGE);
      const withKey = { ...headers, Authorization: `Bearer ${KEY}` };
      assert.equal((await plain('/metrics', withKey)).status, 200, name);
      const wrong = await plain('/metrics', { ...headers, Authorization: 'Bearer wrong' });
      assertError(wrong, { status: 403, code: 'invalid_api_key' });
    }
    assertError(await plain('/metrics', { 'X-Api-Key': 'wrong' }), { status: 403 });
  });

  test('metrics are not for web pages, whether there is a key or not', async () => {
    const open = await world({ env: { API_MASTER_KEY: undefined } });
    const unguarded = { API_MASTER_KEY: undefined, ALLOW_NO_AUTH: 'true' };
    const worlds = [{ gw }, open, await world({ env: unguarded })];
    for (const { gw: own } of worlds) {
      const metrics = (headers) => ask(requestText('GET', '/metrics', headers), own.port);
      const ours = [
        { Host: 'localhost' },
        { Host: `127.0.0.1:${own.port}` },
        { Host: '[::1]', Origin: `http://localhost:${own.port}` },
      ];
      for (const headers of ours)
        assert.equal((await metrics(headers)).status, 200, JSON.stringify(headers));
      const strangers = [
        { Host: 'evil.example' },
        { Host: `evil.example:${own.port}` },
        { Host: 'localhost', Origin: 'https://evil.example' },
        { Host: 'localhost', Origin: 'null' },
      ];
      for (const headers of strangers)
        assertError(await metrics(headers), { status: 403, code: 'forbidden' });
    }
    const headers = { Host: 'gateway.example', Authorization: `Bearer ${KEY}` };
    assert.equal((await ask(requestText('GET', '/metrics', headers))).status, 200);
  });

  test('readiness names the part that fails, and is back when it is', async () => {
    const own = await world();
    const ready = (path = '/readyz') => own.gw.get(path, { authorization: 'none' });
    await own.sim.fault({ where: 'token', kind: 'signed_out', times: -1 });
    await own.gw.post(chatBody);
    const answer = await ready();
    assert.equal(answer.status, 503, answer.text);
    const failing = answer.json().parts.filter((part) => !part.ready);
    assert.deepEqual(
      failing.map((part) => part.name),
      ['cto'],
    );
    assert.ok(failing[0].problem.length > 10);
    assert.equal((await ready('/healthz')).status, 200);
  });

  test('readiness finds out by itself, without a request', async () => {
    const own = await world();
    await own.sim.fault({ where: 'token', kind: 'status', status: 503, times: 1 });
    const ready = () => own.gw.get('/readyz', { authorization: 'none' });
    await until(async () => (await ready()).status === 503, 'it is not ready');
    await until(async () => (await ready()).status === 200, 'it signs in again');
    const bad = await world();
    await bad.sim.fault({ where: 'token', kind: 'signed_out', times: -1 });
    const never = () => bad.gw.get('/readyz', { authorization: 'none' });
    await until(async () => (await never()).status === 503, 'it is not ready');
    assert.match((await never()).text, /CLERK_COOKIE/);
  });

  test('never wait for an upstream', async () => {
    const own = await world({ env: { UPSTREAM_ACCEPT_TIMEOUT: 600 } });
    await own.sim.fault(
      ...['client', 'token', 'billing', 'adapters', 'post', 'ws'].map((where) => ({
        where,
        kind: 'hang',
        times: -1,
      })),
    );
    const hung = await own.gw.begin(chatBody);
    await until(async () => (await own.gw.metrics()).exchanges === 1, 'it hangs');
    for (const path of ['/healthz', '/readyz', '/metrics', '/', '/v1/models'])
      assert.equal((await own.gw.get(path)).status, 200, path);
    assert.equal((await own.gw.metrics()).exchanges, 1, 'it hangs still');
    hung.destroy();
    await own.sim.reset();
  });
});
