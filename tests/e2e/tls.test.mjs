// SPDX-License-Identifier: Apache-2.0
// The way to the upstream: TLS behind Debian's nginx with a test CA, wrong certificates, HTTP and
// SOCKS5 proxies, and a name server that never answers.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Authority, Nginx } from './lib/certs.mjs';
import { assertError } from './lib/errors.mjs';
import {
  CANARY,
  Gateway,
  Simulator,
  finish,
  nowUs,
  secret,
  sleep,
  until,
  world,
} from './lib/harness.mjs';
import { ConnectProxy, SocksProxy } from './lib/proxy.mjs';
import { Resolver } from './lib/resolver.mjs';

const unavailable = { status: 502, code: 'upstream_unavailable' };
const timeout = { status: 504, code: 'upstream_timeout' };
const messages = [{ role: 'user', content: `${CANARY}\n!echo through all of that` }];
const GOOD = 0;
const WRONG_HOST = 1;
const EXPIRED = 2;
const FOREIGN = 3;
const FUTURE = 4;

let sim, ca, nginx;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ pacing: { first_ms: 1, every_ms: 1 } });
  ca = new Authority('Test CA');
  const foreign = new Authority('Foreign CA');
  const names = 'DNS:localhost,DNS:upstream.test,IP:127.0.0.1';
  nginx = await Nginx.start(sim.url, [
    ca.issue('good', names),
    ca.issue('other', 'DNS:other.example'),
    ca.issue('expired', names, '20200101000000Z', '20210101000000Z'),
    foreign.issue('foreign', names),
    ca.issue('future', names, '20390101000000Z', '20400101000000Z'),
  ]);
});
after(finish);

/** A gateway that finds its upstream at nginx. */
function gatewayAt(which, env = {}, { host = 'localhost', ...options } = {}) {
  const url = `https://${host}:${nginx.ports[which]}`;
  const urls = { ENGINELABS_API_URL: url, CLERK_URL: url, UPSTREAM_CA_FILE: ca.file };
  return Gateway.start({ env: { ...sim.env(), ...urls, ...env }, ...options });
}

async function assertWorks(gw) {
  const answer = await gw.post({ messages });
  assert.equal(answer.json().choices?.[0].message.content, 'through all of that', answer.text);
  const stream = await (await gw.stream({ messages })).whole();
  assert.equal(stream.text, 'through all of that');
}

describe('TLS', () => {
  test('works for https and wss, by name and by address', async () => {
    for (const host of ['localhost', '127.0.0.1'])
      await assertWorks(await gatewayAt(GOOD, {}, { host }));
    // nginx logs a socket when it has ended.
    const sockets = () => nginx.log().filter((entry) => entry.path.endsWith('/buffer/stream'));
    await until(() => sockets().length >= 4, 'the sockets in the log');
  });

  test('is HTTP/1.1 where HTTP/2 is offered too, names the host, resumes sessions', async () => {
    const gw = await gatewayAt(GOOD);
    for (let i = 0; i < 4; i++) await assertWorks(gw);
    await until(() => nginx.log().some((entry) => entry.reused === 'r'), 'a resumed session');
    const log = nginx.log();
    assert.ok(log.every((entry) => entry.protocol === 'HTTP/1.1'));
    assert.ok(log.every((entry) => /^TLSv1\.[23]$/.test(entry.tls)));
    assert.ok(
      log.some((entry) => entry.name === 'localhost'),
      'server name indication',
    );
    assert.ok(log.every((entry) => ['localhost', '-'].includes(entry.name)));
  });

  const rows = [
    ['for another host', WRONG_HOST, /host|name/i],
    ['that has expired', EXPIRED, /expired/i],
    ['of a foreign authority', FOREIGN, /issuer|self.signed|trust|verify|authority/i],
    ['of the future', FUTURE, /not yet valid/i],
  ];
  for (const [name, which, what] of rows)
    test(`with a certificate ${name} is refused, and the error says so`, async () => {
      const before = (await sim.log()).length;
      const gw = await gatewayAt(which);
      for (const stream of [false, true]) {
        const { message } = assertError(await gw.post({ stream, messages }), unavailable);
        assert.match(message, /certificate/i);
        assert.match(message, what);
      }
      assert.equal((await sim.log()).length, before, 'nothing was sent');
    });

  test('trusts the system alone when no file is named', async () => {
    const gw = await gatewayAt(GOOD, { UPSTREAM_CA_FILE: undefined });
    const { message } = assertError(await gw.post({ messages }), unavailable);
    assert.match(message, /certificate/i);
  });

  test('with a file that is no certificate does not start', async () => {
    const env = { UPSTREAM_CA_FILE: '/etc/hostname' };
    await assert.rejects(gatewayAt(GOOD, env), /UPSTREAM_CA_FILE|hostname/);
  });

  test('to a port that speaks plain HTTP is an error', async () => {
    const url = sim.url.replace('http:', 'https:');
    const env = { ENGINELABS_API_URL: url, CLERK_URL: url, UPSTREAM_CA_FILE: ca.file };
    const gw = await Gateway.start({ env: { ...sim.env(), ...env } });
    assertError(await gw.post({ messages }), { status: 502 });
  });
});

describe('a proxy', () => {
  const user = 'proxy-user';
  const password = secret('p@ss:w/rd-5529', "the proxy's password");
  // Loopback is only proxied when NO_PROXY says what is not.
  const always = { NO_PROXY: 'none.example' };
  const upstream = { host: 'upstream.test' };
  const names = { 'upstream.test': '127.0.0.1' };

  for (const Kind of [ConnectProxy, SocksProxy])
    for (const credentials of [{}, { user, password }])
      test(`${Kind.name} is used for all, resolves names (user: ${credentials.user})`, async () => {
        const proxy = await Kind.start({ names, ...credentials });
        const env = { ...always, HTTPS_PROXY: proxy.url };
        await assertWorks(await gatewayAt(GOOD, env, upstream));
        assert.ok(proxy.targets.length >= 3, 'sign-in, API and sockets');
        assert.ok(proxy.targets.every((t) => t === `upstream.test:${nginx.ports[GOOD]}`));
        assert.equal(proxy.refused, 0);
      });

  for (const Kind of [ConnectProxy, SocksProxy]) {
    test(`${Kind.name} carries plain upstreams too`, async () => {
      const proxy = await Kind.start();
      const name = Kind === SocksProxy ? 'ALL_PROXY' : 'HTTP_PROXY';
      const { gw } = await world({ env: { ...always, [name]: proxy.url } });
      await assertWorks(gw);
      assert.ok(proxy.targets.length >= 3);
    });

    test(`${Kind.name} that refuses our credentials is an error that names the proxy`, async () => {
      const proxy = await Kind.start({ user, password: 'another one' });
      const wrong = new URL(proxy.url);
      wrong.password = encodeURIComponent(password);
      const gw = await gatewayAt(GOOD, { ...always, HTTPS_PROXY: wrong.href }, upstream);
      const { message } = assertError(await gw.post({ messages }), unavailable);
      assert.match(message, /proxy/i);
      assert.ok(proxy.refused > 0);
      assert.deepEqual(proxy.targets, []);
    });

    test(`${Kind.name} that cannot reach the upstream is an error`, async () => {
      const proxy = await Kind.start({ names: { 'upstream.test': '127.0.0.1' } });
      const url = 'https://upstream.test:9';
      const env = { ...sim.env(), ENGINELABS_API_URL: url, CLERK_URL: url };
      const gw = await Gateway.start({ env: { ...env, ...always, ALL_PROXY: proxy.url } });
      const { message } = assertError(await gw.post({ messages }), unavailable);
      assert.match(message, /proxy/i);
    });
  }

  test('that is not there is an error, one that is silent a time-out', async () => {
    const gone = { ...always, HTTPS_PROXY: 'http://127.0.0.1:9' };
    assertError(await (await gatewayAt(GOOD, gone)).post({ messages }), unavailable);
    const { default: net } = await import('node:net');
    const silent = net.createServer((socket) => socket.on('error', () => {}));
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    for (const scheme of ['http', 'socks5h']) {
      const url = `${scheme}://127.0.0.1:${silent.address().port}`;
      const env = { ...always, HTTPS_PROXY: url, UPSTREAM_CONNECT_TIMEOUT: 0.5 };
      assertError(await (await gatewayAt(GOOD, env)).post({ messages }), timeout);
    }
    silent.close();
  });

  test('is left out for hosts of NO_PROXY, and for loopback unless that is set', async () => {
    const proxy = await ConnectProxy.start();
    for (const NO_PROXY of ['localhost', '*', '127.0.0.0/8,localhost', undefined]) {
      const env = { HTTPS_PROXY: proxy.url, NO_PROXY };
      await assertWorks(await gatewayAt(GOOD, env));
    }
    assert.deepEqual(proxy.targets, []);
  });

  test('that breaks off in the middle is resumed, or upstream_interrupted', async () => {
    const proxy = await ConnectProxy.start({ names });
    const gw = await gatewayAt(GOOD, { ...always, HTTPS_PROXY: proxy.url }, upstream);
    for (const replay of ['running', 'none']) {
      await sim.set({ replay });
      const content = '!frames 100 every 20';
      const stream = await gw.stream({ messages: [{ role: 'user', content }] });
      await stream.readUntil((chunk) => chunk.choices[0].delta.content);
      for (const socket of proxy.sockets) socket.destroy();
      await stream.whole();
      const all = Array.from({ length: 100 }, (_, i) => `frame${i + 1}`).join(' ');
      if (replay === 'running') assert.equal(stream.text.trim(), all);
      else assert.match(stream.error.code, /^upstream_(interrupted|unavailable)$/);
      assert.equal(stream.done, replay === 'running');
    }
    await sim.reset();
  });
});

describe('names', () => {
  test('that are never resolved time out alone: other requests go on', async () => {
    const resolver = await Resolver.start();
    const url = `http://api.hang.test:${sim.port}`;
    const env = { ...sim.env(), ENGINELABS_API_URL: url, UPSTREAM_CONNECT_TIMEOUT: 3 };
    const gw = await Gateway.start({ env, wrap: resolver.wrap });
    await assertWorks(gw);
    assert.ok(resolver.asked.includes('api.hang.test'), 'it was asked');

    const running = await gw.stream({
      messages: [{ role: 'user', content: '!frames 10000 every 50' }],
    });
    await running.readUntil((chunk) => chunk.choices[0].delta.content);
    await sleep(5500); // what was found counts for 5 s
    resolver.isSilent = true;
    let ended = 0;
    const start_us = nowUs();
    const hung = Array.from({ length: 12 }, async () => {
      assertError(await gw.post({ messages }), timeout);
      ended++;
      return (nowUs() - start_us) / 1000;
    });
    await until(async () => (await gw.metrics()).exchanges === 13, 'they hang');
    for (const path of ['/healthz', '/readyz', '/v1/models']) await gw.get(path);
    assert.equal(ended, 0, 'others are served meanwhile');
    const seen = running.events.length;
    await running.readUntil(() => running.events.length > seen);
    // One after another they would take 3 s to 36 s.
    const took = (await Promise.all(hung)).sort((a, b) => a - b);
    assert.ok(took[6] < 15_000, `${took} ms`);
    running.leave();
    await sim.reset();
  });
});
