// SPDX-License-Identifier: Apache-2.0
// Who may operate a gateway, and the page's files (docs/internals/admin-api.md). What the paths
// answer with is told in operate.test.mjs.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fs from 'node:fs';
import path from 'node:path';
import { assertError } from './lib/errors.mjs';
import { KEY, finish, secret, tempDir, until, world } from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { ADMIN_KEY, ask, openapi } from './lib/operator.mjs';

let gw;

before(async () => {
  ({ gw } = await world({ env: { ADMIN_KEY, WORKERS: 2 } }));
});
after(finish);

const forwarded = (address) => ({ 'x-forwarded-for': `203.0.113.99, ${address}` });

describe('the admin key', () => {
  test('is needed, and no other key will do', async () => {
    assert.equal((await ask(gw, 'GET', '/openapi.json')).status, 200);
    const missing = await ask(gw, 'GET', '/openapi.json', { key: null });
    assertError(missing, { status: 401, code: 'missing_api_key' });
    const headers = forwarded('198.51.100.1');
    const wrong = await ask(gw, 'GET', '/openapi.json', { key: KEY, headers });
    assertError(wrong, { status: 403, code: 'invalid_api_key' });
    const basic = { headers: { authorization: `Basic ${ADMIN_KEY}` }, key: null };
    assert.equal((await ask(gw, 'GET', '/openapi.json', basic)).status, 401);
  });

  test('opens nothing for clients', async () => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const answer = await fetchWhole(gw.port, { path: '/v1/models', headers });
    assertError(answer, { status: 403, code: 'invalid_api_key' });
  });

  test('that is not set turns the API off, and the answer says how to set one', async () => {
    const { gw: off } = await world();
    for (const [method, target] of [
      ['GET', '/openapi.json'],
      ['POST', '/session'],
    ]) {
      const answer = await ask(off, method, target);
      assertError(answer, { status: 403, code: 'admin_disabled' });
      assert.match(answer.json().error.message, /ADMIN_KEY.*openssl rand/);
    }
  });

  test('is asked for before paths are told', async () => {
    const raw = (method, target, headers = {}) =>
      fetchWhole(gw.port, { method, path: `/admin/api/${target}`, headers });
    const key = { authorization: `Bearer ${ADMIN_KEY}` };
    assert.equal((await raw('GET', 'nothing')).status, 401);
    assert.equal((await raw('POST', 'openapi.json')).status, 401);
    assertError(await raw('GET', 'nothing', key), { status: 404, code: 'not_found' });
    const answer = await raw('POST', 'openapi.json', key);
    assertError(answer, { status: 405, code: 'method_not_allowed' });
    assert.equal(answer.headers.allow, 'GET, HEAD');
    assert.equal((await raw('HEAD', 'openapi.json', key)).text, '');
  });

  test('does not help pages of other origins', async () => {
    for (const origin of ['http://localhost:1', 'https://evil.example', 'null', '']) {
      const answer = await ask(gw, 'GET', '/openapi.json', { headers: { origin } });
      assertError(answer, { status: 403, code: 'forbidden' });
    }
    const own = { origin: `http://127.0.0.1:${gw.port}` };
    assert.equal((await ask(gw, 'GET', '/openapi.json', { headers: own })).status, 200);
    const tls = { origin: 'https://gw.example', host: 'gw.example' };
    assert.equal((await ask(gw, 'GET', '/openapi.json', { headers: tls })).status, 200);
  });

  test('comes with a small body', async () => {
    const body = JSON.stringify({ key: 'x'.repeat(65536) });
    assertError(await ask(gw, 'POST', '/session', { body }), { status: 413 });
  });
});

describe('a session', () => {
  const cookieOf = (answer) => answer.headers['set-cookie'][0].split(';')[0];
  const signIn = async (gateway = gw, headers = {}) => {
    const options = { body: { key: ADMIN_KEY }, key: null, headers };
    const answer = await ask(gateway, 'POST', '/session', options);
    assert.equal(answer.status, 200, answer.text);
    return { answer, cookie: cookieOf(answer), csrf: answer.json().csrf };
  };
  const withCookie = (cookie, headers = {}) => ({ key: null, headers: { cookie, ...headers } });

  test('is made by the key, lives on all workers, and ends', async () => {
    const { answer, cookie, csrf } = await signIn();
    const [set] = answer.headers['set-cookie'];
    assert.match(set, /^enginelabs2api_session=[0-9a-f]{64}; Path=\/admin\/; Max-Age=43200; /);
    assert.match(set, /; HttpOnly; SameSite=Strict$/);
    const life = answer.json().expires - Date.now() / 1000;
    assert.ok(life > 43100 && life <= 43201, `${life} s`);
    for (let i = 0; i < 20; i++) {
      const shown = await ask(gw, 'GET', '/session', withCookie(`a=b; ${cookie}; c=d`));
      assert.deepEqual([shown.status, shown.json().csrf], [200, csrf]);
    }
    const ended = await ask(gw, 'DELETE', '/session', withCookie(cookie, { 'x-csrf-token': csrf }));
    assert.equal(ended.status, 204);
    assert.match(ended.headers['set-cookie'][0], /Max-Age=0/);
    assert.equal((await ask(gw, 'GET', '/session', withCookie(cookie))).status, 401);
  });

  test('changes nothing without its token', async () => {
    const { cookie, csrf } = await signIn();
    const other = await signIn();
    for (const headers of [{}, { 'x-csrf-token': other.csrf }, { 'x-csrf-token': '' }]) {
      const answer = await ask(gw, 'DELETE', '/session', withCookie(cookie, headers));
      assertError(answer, { status: 403, code: 'forbidden' });
    }
    assert.equal((await ask(gw, 'GET', '/session', withCookie(cookie))).status, 200);
    const headers = { 'x-csrf-token': csrf };
    assert.equal((await ask(gw, 'DELETE', '/session', withCookie(cookie, headers))).status, 204);
  });

  test('has a cookie for TLS alone behind TLS', async () => {
    const { answer } = await signIn(gw, { 'x-forwarded-proto': 'https' });
    assert.match(answer.headers['set-cookie'][0], /; Secure$/);
  });

  test('needs a body that has a key', async () => {
    for (const body of ['', '[]', '{"key":', '{}', '{"key":5}', '{"key":""}']) {
      const answer = await ask(gw, 'POST', '/session', { body, key: null });
      assertError(answer, { status: 400 });
    }
  });

  test('ends when another ADMIN_KEY is loaded', async () => {
    const env = path.join(tempDir(), 'env');
    const next = secret('adm-e2e-another-5d', 'another admin key');
    fs.writeFileSync(env, `ADMIN_KEY=${ADMIN_KEY}\n`);
    const { gw: other } = await world({ args: ['--env-file', env] });
    const { cookie } = await signIn(other);
    fs.writeFileSync(env, `ADMIN_KEY=${next}\n`);
    other.program.signal('SIGHUP');
    await until(
      async () => (await ask(other, 'GET', '/session', withCookie(cookie))).status === 401,
      'the session is over',
    );
    assert.equal((await ask(other, 'GET', '/openapi.json', { key: next })).status, 200);
  });
});

describe('wrong keys', () => {
  const guess = (address, body = { key: 'wrong' }) =>
    ask(gw, 'POST', '/session', { body, key: null, headers: forwarded(address) });

  test('are five a minute from one address, however they are sent', async () => {
    for (let i = 0; i < 3; i++)
      assertError(await guess('198.51.100.7'), { status: 403, code: 'invalid_api_key' });
    const headers = forwarded('198.51.100.7');
    for (let i = 0; i < 2; i++)
      assert.equal((await ask(gw, 'GET', '/session', { key: 'wrong', headers })).status, 403);
    for (const key of ['wrong', ADMIN_KEY]) {
      const refused = await guess('198.51.100.7', { key });
      assertError(refused, { status: 429, code: 'rate_limit_exceeded' });
      const wait = Number(refused.headers['retry-after']);
      assert.ok(wait > 0 && wait <= 60, `${wait} s`);
    }
    assert.equal((await guess('198.51.100.8', { key: ADMIN_KEY })).status, 200);
  });
});

describe('the page', () => {
  const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'accept-encoding': 'gzip' };
  const load = (target, headers = html, gateway = gw) =>
    fetchWhole(gateway.port, { path: target, headers });

  test('is at / for who takes HTML, else there is JSON', async () => {
    const page = await load('/');
    assert.equal(page.status, 200);
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
    assert.match(gunzipSync(page.bytes).toString(), /<!doctype html>/i);
    assert.equal(page.headers.vary, 'accept, accept-encoding');
    assert.equal((await load('/', {})).headers.vary, 'accept');
    for (const accept of ['*/*', 'application/json'])
      assert.equal((await load('/', { accept })).json().name, 'enginelabs-2api');
    assert.equal((await load('/', {})).json().name, 'enginelabs-2api');
  });

  test('takes nothing from elsewhere and fits into no frame', async () => {
    const { headers } = await load('/');
    assert.match(headers['content-security-policy'], /^default-src 'none'; script-src 'self';/);
    assert.match(headers['content-security-policy'], /frame-ancestors 'none'; base-uri 'none'/);
    assert.doesNotMatch(headers['content-security-policy'], /unsafe|\*/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
  });

  test('has all files of web/, and is sent once', async () => {
    const folder = path.resolve(import.meta.dirname, '../../web');
    const names = fs.readdirSync(folder, { recursive: true, withFileTypes: true });
    const files = names.filter((e) => e.isFile()).map((e) => path.join(e.parentPath, e.name));
    assert.ok(files.length > 0);
    for (const file of files) {
      const target = `/ui/${path.relative(folder, file)}`;
      const answer = await load(target);
      assert.deepEqual(gunzipSync(answer.bytes), fs.readFileSync(file), target);
      const again = await load(target, { ...html, 'if-none-match': answer.headers.etag });
      assert.deepEqual([again.status, again.text], [304, '']);
      assert.equal(again.headers.etag, answer.headers.etag);
    }
    for (const target of ['/ui/', '/ui/nothing', '/ui/openapi.json', '/ui/../index.html'])
      assert.equal((await load(target)).status, 404, target);
  });

  test('is 406 for who does not take gzip, and there for who does not say', async () => {
    assert.equal((await load('/', { accept: 'text/html', 'accept-encoding': 'br' })).status, 406);
    assert.equal((await load('/', { accept: 'text/html' })).status, 200);
  });

  test('is off with WEB_UI=false', async () => {
    const { gw: off } = await world({ env: { ADMIN_KEY, WEB_UI: 'false' } });
    assert.equal((await load('/', html, off)).json().name, 'enginelabs-2api');
    assertError(await load('/ui/index.html', html, off), { status: 404, code: 'not_found' });
    assert.equal((await ask(off, 'GET', '/openapi.json')).status, 200);
  });
});

test('the description is the one that the gateway has', async () => {
  assert.deepEqual((await ask(gw, 'GET', '/openapi.json')).json(), openapi);
});
