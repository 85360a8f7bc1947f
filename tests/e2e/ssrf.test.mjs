// SPDX-License-Identifier: Apache-2.0
// Addresses in requests: the gateway fetches none of them. Those of images and files go to an
// upstream that knows them as they are, to others they are refused; nobody else is asked.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, Simulator, finish, onEnd, sleep, tempDir, until } from './lib/harness.mjs';
import { PlainUpstream } from './lib/plain.mjs';

let sim, plain, gw;
const bait = { connections: 0 };
const bodies = [];

before(async () => {
  bait.server = net.createServer((socket) => {
    bait.connections++;
    socket.destroy();
  });
  bait.server.listen(0, '::');
  await once(bait.server, 'listening');
  onEnd(() => bait.server.close());
  bait.port = bait.server.address().port;

  sim = await Simulator.start();
  await sim.set({ first_ms: 1, every_ms: 1, jitter_ms: 0 });
  plain = await PlainUpstream.start();
  plain.handle = async (request, response) => {
    let text = '';
    for await (const piece of request) text += piece;
    bodies.push(text);
    const choices = [{ index: 0, message: { content: 'seen' }, finish_reason: 'stop' }];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id: 'c', object: 'chat.completion', choices }));
  };
  const cto = { name: 'cto', provider: 'enginelabs', api_url: sim.url, clerk_url: sim.url };
  const upstreams = [
    { ...cto, models: ['GPT5'], accounts: [{ name: 'main', cookie: sim.cookie }] },
    { name: 'plain', provider: 'openai', base_url: plain.url, models: ['m'] },
  ];
  const models = [
    { name: 'raw', targets: [{ upstream: 'plain', model: 'm' }] },
    { name: 'read', targets: [{ upstream: 'plain', model: 'm', split_think: true }] },
    { name: 'words', targets: [{ upstream: 'cto', model: 'GPT5' }] },
  ];
  const file = path.join(tempDir(), 'gateway.yaml');
  const settings = { upstreams, models, default_model: 'raw' };
  fs.writeFileSync(file, JSON.stringify(settings), { mode: 0o600 });
  gw = await Gateway.start({ args: ['--config', file], env: { STORE_URL: 'memory:' } });
});
after(finish);

/** All of them would lead to the bait, or to a file, if somebody followed them. */
const ADDRESSES = [
  (port) => `http://127.0.0.1:${port}/latest/meta-data`,
  (port) => `http://localhost:${port}/`,
  (port) => `http://[::1]:${port}/`,
  (port) => `http://[::ffff:127.0.0.1]:${port}/`,
  (port) => `http://0.0.0.0:${port}/`,
  (port) => `http://2130706433:${port}/`,
  (port) => `http://0x7f.1:${port}/`,
  (port) => `https://127.0.0.1:${port}/`,
  (port) => `ftp://127.0.0.1:${port}/`,
  (port) => `gopher://127.0.0.1:${port}/_x`,
  () => 'file:///etc/passwd',
  () => '/etc/passwd',
];

const user = (content) => [{ role: 'user', content }];
const SHAPES = {
  'an image of a chat': (url) => [
    '/v1/chat/completions',
    { messages: user([{ type: 'image_url', image_url: { url } }]) },
  ],
  'an image of a response': (url) => [
    '/v1/responses',
    { input: user([{ type: 'input_image', image_url: url }]) },
  ],
  'a file of a response': (url) => [
    '/v1/responses',
    { input: user([{ type: 'input_file', file_url: url }]) },
  ],
  'an image of a message': (url) => [
    '/v1/messages',
    { max_tokens: 9, messages: user([{ type: 'image', source: { type: 'url', url } }]) },
  ],
  'a tool that is a server': (url) => [
    '/v1/responses',
    { input: 'hi', tools: [{ type: 'mcp', server_label: 'x', server_url: url }] },
  ],
  'where to call back': (url) => [
    '/v1/chat/completions',
    { messages: user('hi'), webhook: url, metadata: { url }, web_search_options: { url } },
  ],
  'a schema elsewhere': (url) => [
    '/v1/chat/completions',
    {
      messages: user('hi'),
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: url } } },
    },
  ],
};

describe('nobody follows', () => {
  for (const [name, shape] of Object.entries(SHAPES))
    test(name, async (t) => {
      const statuses = {};
      for (const model of ['raw', 'read', 'words'])
        for (const address of ADDRESSES) {
          bodies.length = 0;
          const url = address(bait.port);
          const [target, body] = shape(url);
          const answer = await gw.post({ model, ...body }, { path: target });
          assert.ok([200, 400, 502].includes(answer.status), answer.text);
          assert.ok(!answer.text.includes('root:'), 'no file is shown');
          if (model !== 'words' && name.includes('image') && answer.status === 200)
            assert.ok(bodies.at(-1).includes(JSON.stringify(url)), 'it is passed on as it is');
          const what = `${model} ${answer.status}`;
          statuses[what] = (statuses[what] ?? 0) + 1;
        }
      await sleep(100); // for what would come behind the answers
      assert.equal(bait.connections, 0);
      t.diagnostic(JSON.stringify(statuses));
    });

  test('what would be a bite is one', async () => {
    const sockets = ['127.0.0.1', '::1', '::ffff:127.0.0.1'].map((host) =>
      net.connect({ host, port: bait.port }).on('error', () => {}),
    );
    await until(() => bait.connections === sockets.length, 'all bite');
    for (const socket of sockets) socket.destroy();
  });
});
