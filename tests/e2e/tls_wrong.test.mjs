// SPDX-License-Identifier: Apache-2.0
// Upstreams whose certificate is wrong, in front of bare TLS servers that count what reaches them:
// the error says what is wrong and what to do, and not a byte of a request, nor a key, gets there.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { Authority, Nginx } from './lib/certs.mjs';
import { assertError } from './lib/errors.mjs';
import * as harness from './lib/harness.mjs';

const { CANARY, Gateway, Simulator, finish, onEnd, secret, tempDir, until } = harness;

const API_KEY = secret('sk-tls-upstream-8d31', 'a key of the upstream');
const NAMES = 'DNS:localhost,IP:127.0.0.1';
const messages = [{ role: 'user', content: `${CANARY}\n!echo hello` }];
const unavailable = { status: 502, code: 'upstream_unavailable' };

/** What is wrong with a certificate, and what the error must say of it. */
const WRONG = {
  'self-signed': /self.signed|UPSTREAM_CA_FILE/i,
  'of an authority that nobody knows': /issuer|verify|authority/i,
  'for another host': /host|name/i,
  'that has expired': /has expired .*renewed.*clock/,
  'of the future': /not yet valid .*clock/,
};

let sim, ca;
const servers = {};

before(async () => {
  sim = await Simulator.start();
  await sim.set({ pacing: { first_ms: 1, every_ms: 1 }, api_keys: API_KEY, models: ['m'] });
  ca = new Authority('Test CA');
  const foreign = new Authority('Foreign CA');
  const self = { cert: foreign.file, key: path.join(foreign.dir, 'ca.key') };
  const made = {
    'self-signed': self,
    'of an authority that nobody knows': foreign.issue('foreign', NAMES),
    'for another host': ca.issue('other', 'DNS:other.example,IP:127.0.0.2'),
    'that has expired': ca.issue('expired', NAMES, '20200101000000Z', '20210101000000Z'),
    'of the future': ca.issue('future', NAMES, '20390101000000Z', '20400101000000Z'),
    'good': ca.issue('good', NAMES),
  };
  for (const [name, files] of Object.entries(made)) servers[name] = await listen(files);
});
after(finish);

/** A TLS server that counts what clients say to it, and answers nothing but 404. */
async function listen({ cert, key }) {
  const seen = { connections: 0, bytes: 0, text: '' };
  const options = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
  const server = tls.createServer(options, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      seen.bytes += bytes.length;
      seen.text += bytes.toString('latin1');
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    });
  });
  server.on('connection', () => seen.connections++);
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(() => server.close());
  seen.port = server.address().port;
  return seen;
}

/** A gateway whose upstream of OpenAI's format is at `base`. */
function gatewayAt(base) {
  const file = path.join(tempDir(), 'gateway.yaml');
  const upstream = { name: 'one', provider: 'openai', base_url: base, api_key: API_KEY };
  const upstreams = [{ ...upstream, models: ['m'], headers: { 'X-Team': 'blue' } }];
  fs.writeFileSync(file, JSON.stringify({ upstreams }), { mode: 0o600 });
  const env = { UPSTREAM_CA_FILE: ca.file, STORE_URL: 'memory:', CIRCUIT_ERROR_PERCENT: 0 };
  return Gateway.start({ args: ['--config', file], env });
}

function assertRefused(answer, says) {
  const { message } = assertError(answer, unavailable);
  assert.match(message, /certificate/i);
  assert.match(message, says);
  assert.match(message, /Check .*(base_url|ENGINELABS_API_URL), or name .*UPSTREAM_CA_FILE\.$/);
}

describe("an upstream of OpenAI's format with a certificate", () => {
  for (const [name, says] of Object.entries(WRONG))
    test(`${name} gets nothing`, async (t) => {
      const server = servers[name];
      const gw = await gatewayAt(`https://localhost:${server.port}/v1`);
      const answers = [];
      for (const stream of [true, false])
        answers.push(await gw.post({ model: 'm', stream, messages }));
      const embeddings = { path: '/v1/embeddings' };
      answers.push(await gw.post({ model: 'm', input: CANARY }, embeddings));
      const form = { 'content-type': 'application/octet-stream' };
      answers.push(await gw.post('x'.repeat(1000), { path: '/v1/files', headers: form }));
      for (const answer of answers) assertRefused(answer, says);
      t.diagnostic(answers[0].json().error.message);
      assert.ok(server.connections >= 3, 'it was tried');
      assert.equal(server.bytes, 0, server.text);
      const line = gw.logLines.find((one) => one.message === 'exchange');
      assert.match(line.error, /certificate/);
    });

  test('that is good gets the request, so that the others prove something', async () => {
    const server = servers.good;
    const gw = await gatewayAt(`https://localhost:${server.port}/v1`);
    assertError(await gw.post({ model: 'm', messages }), { status: 404 });
    assert.ok(server.text.includes(API_KEY));
  });
});

describe('the sign-in is good, and the API has a certificate', () => {
  for (const [name, says] of Object.entries(WRONG))
    test(`${name}: neither token nor prompt gets there`, async () => {
      const server = servers[name];
      const before = server.bytes;
      const env = {
        ...sim.env(),
        ENGINELABS_API_URL: `https://localhost:${server.port}`,
        UPSTREAM_CA_FILE: ca.file,
      };
      const gw = await Gateway.start({ env });
      for (const stream of [true, false])
        assertRefused(await gw.post({ stream, messages }), says);
      assert.equal(server.bytes, before, server.text);
    });

  test('the sockets alone meet the wrong one: they are refused as well', async () => {
    const nginx = await Nginx.start(sim.url, [
      ca.issue('front', NAMES),
      ca.issue('elsewhere', 'DNS:other.example'),
    ]);
    const front = { at: nginx.ports[0], taken: 0 };
    const splitter = net.createServer((socket) => {
      front.taken++;
      const other = net.connect(front.at, '127.0.0.1');
      for (const one of [socket, other]) one.on('error', () => {});
      socket.pipe(other).pipe(socket);
      onEnd(() => [socket, other].forEach((one) => one.destroy()));
    });
    splitter.listen(0, '127.0.0.1');
    await once(splitter, 'listening');
    onEnd(() => splitter.close());
    const url = `https://localhost:${splitter.address().port}`;
    const env = { ENGINELABS_API_URL: url, CLERK_URL: url, UPSTREAM_CA_FILE: ca.file };
    const gw = await Gateway.start({ env: { ...sim.env(), ...env } });
    assert.equal((await gw.post({ messages })).status, 200);
    [, front.at] = nginx.ports;
    const posts = (await sim.posts()).length;
    const sockets = (await sim.log('ws_open')).length;
    assertRefused(await gw.post({ messages }), /host|name/i);
    assert.equal((await sim.posts()).length, posts, 'no prompt without its socket');
    assert.equal((await sim.log('ws_open')).length, sockets);
    [front.at] = nginx.ports;
    await until(async () => (await gw.post({ messages })).status === 200, 'all is well again');
  });
});
