// SPDX-License-Identifier: Apache-2.0
// Keys of the store: made, changed and ended by operators, through the API and by the command,
// while the gateway runs and while it does not.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import Ajv2020 from 'ajv/dist/2020.js';
import {
  Gateway,
  Simulator,
  finish,
  onEnd,
  run,
  secret,
  tempDir,
  until,
} from './lib/harness.mjs';
import { Redis } from './lib/redis.mjs';

after(finish);

const ADMIN = secret('admin-operate-keys-81c2', 'ADMIN_KEY');
const OWN = secret('sk-operate-keys-own-55d1', 'a key');
const NONE = 'key_0000000000000000';

let sim, redis;
before(async () => {
  sim = await Simulator.start();
  redis = await Redis.start();
});

/** A gateway, and what `keys` needs to reach its store. */
async function world(storeUrl) {
  const dir = tempDir();
  const file = path.join(dir, 'gateway.yaml');
  fs.writeFileSync(file, `keys:\n  - {name: own, key: ${OWN}, tokens_ever: 1000000}\n`, {
    mode: 0o600,
  });
  const env = {
    ...sim.env(),
    ADMIN_KEY: ADMIN,
    STORE_URL: storeUrl,
    STATE_DIRECTORY: dir,
    WORKERS: 3,
  };
  const start = () => Gateway.start({ env, args: ['--config', file] });
  const keys = async (...words) => {
    const done = await run(['keys', '--config', file, ...words], {
      env: { ...env, API_MASTER_KEY: 'sk-operate-keys-master', LISTEN: '127.0.0.1:1' },
      secretOutput: true,
    });
    if (/^sk-/.test(done.stdout)) secret(done.stdout.trim(), 'a key that was printed');
    return done;
  };
  return { start, keys };
}

async function call(gw, method, where = '', body = undefined) {
  const answer = await fetch(`${gw.url}/admin/api/keys${where}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  const json = text ? JSON.parse(text) : undefined;
  if (json?.secret) secret(json.secret, 'a key that was made');
  return { status: answer.status, json };
}

const as = (key) => ({ authorization: `Bearer ${key}` });
const works = async (gw, key) => (await gw.get('/v1/models', as(key))).status === 200;
const say = (gw, key, text = 'hello') =>
  gw.post({ model: 'GPT5', messages: [{ role: 'user', content: text }] }, { headers: as(key) });

const stores = {
  SQLite: () => 'sqlite:',
  memory: () => 'memory:',
  Redis: () => redis.url,
};

for (const [store, url] of Object.entries(stores))
  describe(`with the store in ${store}`, () => {
    let here, gw, conforms, isEdit;
    before(async () => {
      here = await world(url());
      gw = await here.start();
      const openapi = await fetch(`${gw.url}/admin/api/openapi.json`, { headers: as(ADMIN) });
      const ajv = new Ajv2020({ strict: false });
      ajv.addSchema(await openapi.json(), 'api');
      isEdit = ajv.compile({ $ref: 'api#/components/schemas/KeyEdit' });
      conforms = (name, value) => {
        const check = ajv.compile({ $ref: `api#/components/${name}` });
        assert.ok(check(value), JSON.stringify(check.errors));
      };
    });

    test('a key lives from its making to its end', async () => {
      const made = await call(gw, 'POST', '', { name: 'laptop', models: ['GPT5'] });
      assert.equal(made.status, 201, JSON.stringify(made.json));
      conforms('responses/NewKey/content/application~1json/schema', made.json);
      const { key, secret: first } = made.json;
      assert.deepEqual([key.hint, key.models, key.last_used], [first.slice(-4), ['GPT5'], null]);
      assert.ok(await works(gw, first));
      assert.equal((await say(gw, first)).status, 200);

      const shown = await call(gw, 'GET', `/${key.id}`);
      conforms('schemas/Key', shown.json);
      assert.ok(Math.abs(shown.json.last_used - Date.now() / 1000) < 60);
      const list = await call(gw, 'GET');
      conforms('schemas/Keys', list.json);
      assert.ok(!JSON.stringify(list.json).includes(first), 'its text is nowhere');
      assert.ok(list.json.data.some((one) => one.id === key.id));
      assert.ok(list.json.data.some((one) => one.id === 'file/own' && one.source === 'file'));

      const edited = await call(gw, 'PATCH', `/${key.id}`, { disabled: true, name: 'old laptop' });
      assert.deepEqual([edited.status, edited.json.name], [200, 'old laptop']);
      // The other worker learns of a change within a moment.
      const says = (what) =>
        until(async () => {
          const refused = await gw.get('/v1/models', as(first));
          return refused.status === 403 && what.test(refused.json().error.message);
        }, `${what} is said`);
      await says(/"old laptop" is disabled/);
      await call(gw, 'PATCH', `/${key.id}`, { disabled: false, expires: 1_000_000 });
      await says(/has expired/);
      await call(gw, 'PATCH', `/${key.id}`, { expires: null });
      await until(() => works(gw, first), 'it is taken again');

      const rotated = await call(gw, 'POST', `/${key.id}/rotate`);
      conforms('responses/NewKey/content/application~1json/schema', rotated.json);
      assert.deepEqual([rotated.status, rotated.json.key.id], [200, key.id]);
      await until(async () => !(await works(gw, first)), 'the former secret is refused');
      await until(() => works(gw, rotated.json.secret), 'the new one is taken');

      assert.equal((await call(gw, 'DELETE', `/${key.id}`)).status, 204);
      await until(async () => !(await works(gw, rotated.json.secret)), 'the key is refused');
      assert.equal((await call(gw, 'GET', `/${key.id}`)).status, 404);
    });

    test('what is used of a key is told', async () => {
      const { json } = await call(gw, 'POST', '', {
        name: 'watched',
        parallel_requests: 3,
        budgets: [
          { unit: 'tokens', per: 'day', limit: 1_000_000 },
          { unit: 'tokens', per: 'ever', limit: 2_000_000 },
        ],
      });
      const state = async () => (await call(gw, 'GET', `/${json.key.id}`)).json;
      assert.deepEqual(
        (await state()).budgets.map(({ used, limit }) => [used, limit]),
        [
          [0, 1_000_000],
          [0, 2_000_000],
        ],
      );
      const stream = await gw.stream(
        { model: 'GPT5', messages: [{ role: 'user', content: '!frames 10000 every 100' }] },
        { headers: as(json.secret) },
      );
      await stream.readUntil(() => true);
      assert.equal((await state()).running, 1);
      stream.request.destroy();
      await until(async () => (await state()).running === 0, 'it has ended');
      const used = (await state()).budgets[0].used;
      const answer = await say(gw, json.secret);
      const { total_tokens: tokens } = answer.json().usage;
      await until(async () => {
        const now = (await state()).budgets;
        return now[0].used === used + tokens && now[1].used === used + tokens;
      }, `${tokens} tokens more than ${used} are used`);
    });

    test('what is wrong is said, and changes nothing', async () => {
      const budget = { unit: 'tokens', per: 'day', limit: 1 };
      const wrong = [
        [{}, 'name', /name: it is missing/],
        [{ name: '' }, 'name', /1 to 64 bytes/],
        [{ name: 'master' }, 'name', /API_MASTER_KEY/],
        [{ name: 'x', nmae: 1 }, 'nmae', /no such member/],
        [{ name: 'x', requests_per_minute: 0 }, 'requests_per_minute', /from 1/],
        [{ name: 'x', parallel_requests: 1001 }, 'parallel_requests', /1000/],
        [{ name: 'x', budgets: [{ unit: 'tokens', per: 'week', limit: 1 }] }, 'budgets', /day/],
        [{ name: 'x', budgets: [{ ...budget, limit: 2 ** 53 + 2 }] }, 'budgets', /whole number/],
        [{ name: 'x', budgets: [{ ...budget, weeks: [[[1]]] }] }, 'budgets', /no other member/],
        [{ name: 'x', models: [['GPT5']] }, 'models', /text/],
        [{ name: 'x', tokens_per_minute: 2 ** 53 + 2 }, 'tokens_per_minute', /whole number/],
        [{ name: 'x', expires: 0 }, 'expires', /from 1/],
      ];
      const before = (await call(gw, 'GET')).json.data.length;
      for (const [body, param, words] of wrong) {
        const { status, json } = await call(gw, 'POST', '', body);
        conforms('schemas/Error', json);
        assert.deepEqual([status, json.error.param], [400, param], JSON.stringify(json));
        assert.match(json.error.message, words);
        const isKnown = body.name === undefined || body.name === 'master';
        assert.equal(isEdit(body), isKnown, `the document of ${JSON.stringify(body)}`);
      }
      assert.equal((await call(gw, 'GET')).json.data.length, before);
      for (const [method, where] of [
        ['GET', ''],
        ['PATCH', ''],
        ['DELETE', ''],
        ['POST', '/rotate'],
      ]) {
        const body = method === 'PATCH' ? {} : undefined;
        assert.equal((await call(gw, method, `/${NONE}${where}`, body)).status, 404);
        if (method === 'GET') continue;
        const file = await call(gw, method, `/file%2Fown${where}`, body);
        assert.deepEqual([file.status, file.json.error.code], [409, 'conflict']);
      }
      assert.equal((await call(gw, 'GET', '/file%2Fown')).json.budgets[0].limit, 1_000_000);
    });

    test('changes of one key at once all happen', async () => {
      const { id } = (await call(gw, 'POST', '', { name: 'busy' })).json.key;
      const edits = [{ requests_per_minute: 7 }, { tokens_per_minute: 8 }, { models: ['a*'] }];
      const done = await Promise.all(edits.map((edit) => call(gw, 'PATCH', `/${id}`, edit)));
      assert.deepEqual(
        done.map(({ status }) => status),
        [200, 200, 200],
      );
      const { json } = await call(gw, 'GET', `/${id}`);
      assert.deepEqual(
        [json.requests_per_minute, json.tokens_per_minute, json.models],
        [7, 8, ['a*']],
      );
    });

    test('the command asks the gateway that runs, and the store when none does', async () => {
      const made = await here.keys(
        ...['add', 'tablet', 'requests_per_minute=100', 'tokens_per_month=5000', 'money_ever=2.5'],
        ...['models=GPT5,local/*', 'expires=30d'],
      );
      assert.equal(made.code, 0, made.stderr);
      const text = made.stdout.trim();
      assert.match(text, /^sk-[0-9A-Za-z]{38}$/);
      await until(() => works(gw, text), 'the key works', 5000);
      const list = await here.keys();
      assert.match(list.stdout, /tablet +\w{4} +works +100 requests a minute, tokens this month/);
      assert.match(list.stdout, /file\/own/);
      const edited = await here.keys(
        ...['edit', 'tablet', 'tokens_per_month=none', 'tokens_ever=9', 'money_per_day=0.0051'],
      );
      assert.match(
        edited.stdout,
        /limits +100 .*s ever: 0 of 9, money today: 0.00 of 0.0051, money ever: 0.00 of 2.50\n/,
      );
      await gw.stop();

      const rotated = await here.keys('rotate', 'tablet');
      assert.equal(rotated.code, 0, rotated.stderr);
      const shown = await here.keys('show', 'tablet');
      assert.match(shown.stdout, /models +GPT5, local\/\*\n/);
      const second = await here.keys('add', 'second');
      assert.equal(second.code, 0, second.stderr);
      gw = await here.start();
      assert.ok(!(await works(gw, text)));
      await until(() => works(gw, rotated.stdout.trim()), 'it was read', 5000);
      assert.ok(await works(gw, second.stdout.trim()));

      const named = await here.keys('edit', 'second', 'name=日本語 ключ');
      assert.equal(named.code, 0, named.stderr);
      const lines = (await here.keys('list')).stdout.trimEnd().split('\n');
      const column = lines.shift().indexOf('ENDS');
      for (const line of lines) assert.equal([...line][column - 1], ' ', line);

      const revoked = await here.keys('revoke', 'tablet');
      assert.equal(revoked.code, 0, revoked.stderr);
      await until(async () => !(await works(gw, rotated.stdout.trim())), 'it has ended', 5000);
    });

    test('the command says what it does not understand', async () => {
      for (const [words, code, message] of [
        [['ad'], 2, /keys ad: there is no such thing to do/],
        [['add'], 2, /how is the key to be called/],
        [['show'], 2, /which key/],
        [['list', 'x'], 2, /takes no more words/],
        [['show', 'nobody'], 1, /there is no such key/],
        [['add', 'x', 'models'], 2, /models: it must be MEMBER=VALUE/],
        [['add', 'x', 'colour=red'], 2, /colour=red: a key has no such member/],
        [['add', 'x', 'expires=soon'], 2, /expires: a day/],
        [['edit', 'own', 'tokens_ever=none', 'money_ever=-1'], 2, /edit: money_ever=-1: an am/],
        [['edit', 'own'], 2, /keys edit: what is to be changed/],
        [['add', 'x', 'parallel_requests=1001'], 1, /from 1 to 1000/],
        [['edit', 'own', 'tokens_ever=5'], 1, /settings' file: change it there/],
      ]) {
        const done = await here.keys(...words);
        assert.equal(done.code, code, done.stderr);
        assert.match(done.stderr, message);
      }
    });
  });

/** Goes on to a server; armed, to nobody from the first answer behind what has `word` on. */
async function cutBehind(port, word) {
  const proxy = net.createServer((client) => {
    if (proxy.isArmed && proxy.isCut) return void client.destroy();
    const server = net.connect(port, '127.0.0.1');
    let isDue = false;
    const end = () => [client, server].forEach((one) => one.destroy());
    for (const one of [client, server]) one.on('error', end).on('close', end);
    client.on('data', (bytes) => {
      isDue ||= proxy.isArmed && bytes.includes(word);
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      proxy.isCut ||= isDue;
      client.write(bytes, () => isDue && end());
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onEnd(() => proxy.close());
  return proxy;
}

test('a change that happened is told, and a key that was made is shown', async () => {
  const server = await Redis.start();
  const wanted = {
    parallel_requests: 3,
    budgets: [{ unit: 'tokens', per: 'day', limit: 70 }],
  };
  const proxy = await cutBehind(server.port, '"sha256"');
  const here = await world(`redis://127.0.0.1:${proxy.address().port}`);
  const gw = await here.start();
  // The answer that is cut behind may be another one, that was out: then nobody knows.
  const made = await until(async () => {
    await until(async () => (await gw.get('/readyz')).status === 200, 'it is ready');
    Object.assign(proxy, { isArmed: true, isCut: false });
    const answer = await call(gw, 'POST', '', { name: 'cut', ...wanted });
    proxy.isArmed = false;
    assert.ok(answer.status === 503 || answer.json.key.running === null, answer.status);
    return answer.status === 201 && answer.json;
  }, 'it is cut behind the change');
  const { key, secret: text } = made;
  assert.deepEqual([key.name, key.budgets[0].used], ['cut', null]);
  await until(async () => (await call(gw, 'GET', `/${key.id}`)).status === 200, 'it is there');
  await until(() => works(gw, text), 'it works');
});

test('gateways that share a store learn of a change within seconds', async () => {
  const shared = await Redis.start();
  const here = await world(shared.url);
  const [one, two] = [await here.start(), await here.start()];
  const { json } = await call(one, 'POST', '', { name: 'shared' });
  await until(() => works(two, json.secret), 'the other one knows it', 6000);
  const rotated = await call(two, 'POST', `/${json.key.id}/rotate`);
  await until(async () => !(await works(one, json.secret)), 'the old text has ended', 6000);
  await until(() => works(one, rotated.json.secret), 'its other worker knows the new one', 6000);
  await call(one, 'DELETE', `/${json.key.id}`);
  await until(async () => !(await works(two, rotated.json.secret)), 'it has ended', 6000);
});
