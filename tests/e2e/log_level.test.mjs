// SPDX-License-Identifier: Apache-2.0
// The level of the log while a gateway runs: asked for, changed, and back after a reload.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertError } from './lib/errors.mjs';
import { finish, until, world } from './lib/harness.mjs';
import { ADMIN_KEY, ask, get } from './lib/operator.mjs';

let gw;

before(async () => {
  ({ gw } = await world({ env: { ADMIN_KEY, LOG_LEVEL: 'info', WORKERS: 2 } }));
});
after(finish);

const set = (level) => ask(gw, 'PUT', '/log-level', { body: { level } });

const lineOf = (id) =>
  gw.logLines.find((line) => line.message === 'exchange' && line.request_id === id);

/** Asks, and waits until the request's line, or that of one behind it, could be there. */
async function say(id) {
  const headers = { 'x-request-id': id };
  const answer = await gw.post({ messages: [{ role: 'user', content: 'hello' }] }, { headers });
  assert.equal(answer.status, 200);
}

const changes = () => gw.logLines.filter((line) => line.message?.includes('changed the log level'));

test('is told, and what is changed counts from the next line on', async () => {
  assert.deepEqual(await get(gw, '/log-level'), { level: 'info' });
  await say('level-info');
  await until(() => lineOf('level-info'), 'the line of a request');

  const answer = await set('error');
  assert.deepEqual([answer.status, answer.json()], [200, { level: 'error' }]);
  assert.deepEqual(await get(gw, '/log-level'), { level: 'error' });
  await say('level-error');
  assert.equal((await set('debug')).status, 200);
  await say('level-debug');
  await until(() => lineOf('level-debug'), 'the line of a request');
  assert.equal(lineOf('level-error'), undefined, 'lines are in order: it would be there');
  assert.ok(gw.logLines.some((line) => line.level === 'debug'));
});

test('a change is told, but where nothing is logged before and after', async () => {
  for (const level of ['info', 'off', 'off', 'warn']) await set(level);
  const told = () => changes().map((line) => `${line.from} ${line.to}`);
  await until(() => told().includes('off warn'), 'the last change');
  assert.deepEqual(told().slice(-2), ['info off', 'off warn']);
});

test('a reload takes the setting again', async () => {
  await set('error');
  gw.program.signal('SIGHUP');
  await until(async () => (await get(gw, '/log-level')).level === 'info', 'the level is back');
});

test('what is no level is refused, and nothing changes', async () => {
  for (const body of [{}, { level: 'loud' }, { level: 'INFO' }, { level: 3 }, { level: null }]) {
    const refused = await ask(gw, 'PUT', '/log-level', { body });
    assertError(refused, { status: 400, param: 'level' });
    assert.match(refused.json().error.message, /debug, info, warn, error or off/);
  }
  for (const body of ['', '[]', '{"level":"warn"']) {
    assertError(await ask(gw, 'PUT', '/log-level', { body }), { status: 400 });
  }
  assert.deepEqual(await get(gw, '/log-level'), { level: 'info' });
});
