// SPDX-License-Identifier: Apache-2.0
// check --capture: what both sides said becomes a scenario that says nothing of the user, and that
// a simulator plays again (docs/internals/simulator.md, "Recorded exchanges").

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { Gateway, Simulator, finish, run, tempDir } from './lib/harness.mjs';

after(finish);

const PROMPT = 'Say only: hello';
const CALM = { pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600 };

/** A store and a file of its own each time. */
function place() {
  const dir = tempDir();
  return { file: path.join(dir, 'capture.json'), STORE_URL: `sqlite:${path.join(dir, 's.db')}` };
}

async function capture(sim, { file, STORE_URL }, env = {}) {
  const settings = { ...sim.env(), STORE_URL, ...env };
  return run(['check', '--capture', file], { env: settings, cwd: path.dirname(file) });
}

async function captured(sim, env) {
  const at = place();
  const result = await capture(sim, at, env);
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.equal(fs.statSync(at.file).mode & 0o777, 0o600);
  const text = fs.readFileSync(at.file, 'utf8');
  return { ...at, result, text, exchanges: JSON.parse(text).capture };
}

/** As the answer's letters are covered. */
const covered = (text) => text.replace(/[a-z\u0080-\u{10ffff}]/giu, 'x').replace(/\d/g, '0');

/** Everything in it that only the account's owner knows. */
async function assertNothingLeft(sim, text) {
  const state = await sim.state();
  const strings = [];
  const walk = (value) => {
    if (value && typeof value === 'object') Object.values(value).forEach(walk);
    else if (typeof value === 'string' && value.length >= 8) strings.push(value);
  };
  walk(state.accounts.map(({ preferred_model, ...account }) => account));
  for (const { chat } of await sim.posts()) strings.push(chat);
  strings.push(sim.cookie, sim.cookie.replace('__client=', ''), PROMPT, 'hello', '127.0.0.1');
  assert.ok(strings.length > 6);
  for (const one of strings)
    for (const form of [one, encodeURIComponent(one), btoa(one).replace(/=+$/, '')])
      assert.ok(!text.includes(form), `${form} is left`);
  const shapes = text.match(/eyJ|[0-9a-f]{8}-[0-9a-f]{4}/g) ?? [];
  const numbers = text.match(/\d{7,}/g)?.filter((digits) => !/^(9+|[01]+)$/.test(digits)) ?? [];
  assert.deepEqual([...shapes, ...numbers], []);
}

/** What a gateway makes of the prompt; `from` is a simulator. */
async function answer(from, env) {
  const model = env.ENGINELABS_PROTOCOL === 'project' ? 'gpt_5' : 'GPT5';
  const gw = await Gateway.start({
    env: { ...from.env(), STORE_URL: 'memory:', KNOWN_MODELS: model, DEFAULT_MODEL: model, ...env },
  });
  const messages = [{ role: 'user', content: PROMPT }];
  const stream = await (await gw.stream({ messages })).whole();
  assert.equal(stream.error, undefined);
  assert.deepEqual(stream.finishReasons, ['stop']);
  return stream.text;
}

const SHAPES = [
  ['classic', 'delta', 'none'],
  ['classic', 'snapshot', 'string'],
  ['project', 'delta', 'blocks'],
  ['project', 'snapshot', 'none'],
];

describe('a capture', () => {
  for (const [protocol, content, history] of SHAPES)
    test(`of ${protocol}, ${content}, history ${history}, is played again`, async () => {
      const env = { ENGINELABS_PROTOCOL: protocol };
      const sim = await Simulator.start();
      await sim.set({ ...CALM, content, history, late_history: 2 });
      const { file, text, exchanges, result } = await captured(sim, env);
      assert.deepEqual(await sim.violations(), []);
      assert.equal((await sim.posts()).length, 1);
      await assertNothingLeft(sim, text);
      const socket = exchanges.find((one) => one.websocket);
      assert.ok(socket.frames.length > 3);
      const { exchange } = socket.frames.find((frame) => frame.exchange);
      const { request } = exchanges[exchange];
      assert.deepEqual([request.method, request.path], ['POST', '/engine-agent/chat']);
      const hasHistory = socket.frames.some(({ text: { type } }) => type === 'history');
      assert.equal(hasHistory, history !== 'none');

      const original = await answer(sim, env);
      const again = await Simulator.start({ args: ['--scenario', file] });
      const played = await answer(again, env);
      assert.equal(played.replaceAll('y', 'x').replaceAll('1', '0'), covered(original));
      assert.match(result.stdout, new RegExp(`${played.length} bytes of text`));
      const by = (await again.log()).filter((entry) => entry.by === 'capture');
      assert.ok(by.some(({ kind }) => kind === 'token'));
      assert.ok(by.some(({ kind }) => kind === 'post'));
      assert.deepEqual(await again.violations(), []);
    });

  test('keeps nothing of what a service may tell of an account', async () => {
    const planted = [
      'zoe.fitzgerald+work@mail.example',
      'Zo\u00eb Fitzgerald-O"Hara',
      'https://img.example/u/zoe.png?s=1&v=2',
      '+49 170 5550100',
      'price_1OaBcDeFgHiJkL',
      'Gold plan of Zoe Ltd',
      '203.0.113.77',
    ];
    const [email, name, image, phone, price, plan, address] = planted;
    const session = {
      id: '{session}',
      status: 'active',
      expire_at: 1999999999123,
      last_active_organization_id: '{organization}',
      user: {
        id: '{user}',
        first_name: name,
        image_url: image,
        email_addresses: [{ id: 'idn_29w83sxmDNGwOuEthce5gg56FcC', email_address: email }],
        phone_numbers: [phone],
        public_metadata: { [email]: price, nested: JSON.stringify({ by: name, at: [image] }) },
      },
      latest_activity: { ip_address: address, city: 'Zoeville' },
    };
    const client = { id: '{client}', last_active_session_id: '{session}', sessions: [session] };
    const get = (target, body) => ({
      request: { method: 'GET', path: target },
      response: { status: 200, headers: { 'x-user': email, server: 'cloudflare' }, body },
    });
    const billing = { tier: plan, priceId: price, dailyUsage: 3, dailyLimit: 300, owner: email };
    const recorded = [get('/v1/client', { response: client }), get('/billing', billing)];
    const sim = await Simulator.start({ scenario: { ...CALM, capture: recorded } });
    const { text, exchanges, file } = await captured(sim);
    await assertNothingLeft(sim, text);
    for (const one of [...planted, 'zoe', 'Zoe', 'fitzgerald', 'Zoeville', '29w83sxmDNGw', 'Ltd'])
      for (const form of [one, encodeURIComponent(one), btoa(encodeURIComponent(one)).slice(0, -4)])
        assert.ok(!form || !text.includes(form), `${form} is left`);
    const seen = exchanges.find(({ request }) => request?.path === '/billing').response;
    assert.deepEqual(seen.headers, { server: 'cloudflare' });
    assert.equal(seen.body.dailyUsage, 3);
    const played = await answer(await Simulator.start({ args: ['--scenario', file] }), {});
    assert.ok(played.length > 0);
  });

  test('has a handshake that was refused as a request', async () => {
    const sim = await Simulator.start();
    await sim.set({ ...CALM, ws_needs_chat: true });
    const { file, exchanges } = await captured(sim);
    const stream = '/engine-agent/chat-histories/{chat}/buffer/stream';
    const refused = exchanges.find(({ request }) => request?.path === stream);
    assert.equal(refused.response.status, 404);
    assert.ok(exchanges.some(({ websocket }) => websocket?.path === stream));
    const original = await answer(sim, {});
    const played = await answer(await Simulator.start({ args: ['--scenario', file] }), {});
    assert.equal(played.replaceAll('y', 'x').replaceAll('1', '0'), covered(original));
  });

  test('names cookies without their values', async () => {
    const sim = await Simulator.start();
    await sim.set({ ...CALM, rotate_every: 1 });
    const { exchanges, text } = await captured(sim);
    const { response } = exchanges.find(({ request }) => /tokens$/.test(request?.path));
    assert.ok(response.cookies_set.includes('__client'));
    assert.ok(exchanges.every((one) => !one.response?.headers['set-cookie']));
    await assertNothingLeft(sim, text);
  });

  test('is kept of a prompt that failed, too', async () => {
    const sim = await Simulator.start();
    await sim.set(CALM);
    await sim.fault({ where: 'post', kind: 'challenge', times: -1 });
    const at = place();
    const { code, stderr, stdout } = await capture(sim, at);
    assert.equal(code, 1);
    assert.match(stderr, /the prompt failed/);
    assert.match(stdout, /did not go well/);
    const { capture: exchanges } = JSON.parse(fs.readFileSync(at.file, 'utf8'));
    const post = exchanges.find(({ request }) => request?.path === '/engine-agent/chat');
    assert.ok([403, 503].includes(post.response.status));
    assert.equal(post.response.headers['cf-mitigated'], 'challenge');
    await assertNothingLeft(sim, fs.readFileSync(at.file, 'utf8'));
  });

  test('of an account that is signed out sends no prompt', async () => {
    const sim = await Simulator.start();
    const at = place();
    const nobody = { CLERK_COOKIE: '__client=nobody-at-all-4711' };
    const { code, stderr } = await capture(sim, at, nobody);
    assert.equal(code, 1);
    assert.match(stderr, /no prompt was sent/);
    assert.equal((await sim.posts()).length, 0);
    assert.doesNotMatch(fs.readFileSync(at.file, 'utf8'), /nobody/);
  });
});

describe('a capture of native', () => {
  const MODEL = 'gpt-5';
  const OPAQUE = { accessToken: 'none', expiresAt: 1 };

  /** Settings, with a credentials file of the simulator's first account. */
  async function signedIn(sim, refreshToken) {
    const file = path.join(tempDir(), 'credentials.json');
    const { accounts } = await sim.state();
    const tokens = { ...OPAQUE, refreshToken: refreshToken ?? accounts[0].refresh_token };
    fs.writeFileSync(file, JSON.stringify(tokens), { mode: 0o600 });
    return {
      ENGINELABS_PROTOCOL: 'native',
      ENGINELABS_CREDENTIALS_FILE: file,
      KNOWN_MODELS: MODEL,
      DEFAULT_MODEL: MODEL,
      CLERK_COOKIE: undefined,
    };
  }

  /** The text that a client gets. */
  async function native(from, env) {
    const gw = await Gateway.start({
      env: { ...from.env(), STORE_URL: 'memory:', ...env },
    });
    const messages = [{ role: 'user', content: PROMPT }];
    const stream = await (await gw.stream({ model: MODEL, messages })).whole();
    assert.equal(stream.error, undefined);
    assert.deepEqual(stream.finishReasons, ['stop']);
    assert.ok(stream.done);
    return stream.text;
  }

  test('is played again, and has nothing of the sign-in', async () => {
    const sim = await Simulator.start();
    await sim.set(CALM);
    const before = (await sim.state()).accounts[0].refresh_token;
    const env = await signedIn(sim);
    const { file, text, exchanges, result } = await captured(sim, env);
    assert.deepEqual(await sim.violations(), []);
    assert.equal((await sim.log('completion')).length, 1);
    await assertNothingLeft(sim, text);
    assert.ok(!text.includes(before), 'the refresh token that was used');
    const tokens = JSON.parse(fs.readFileSync(env.ENGINELABS_CREDENTIALS_FILE, 'utf8'));
    for (const part of tokens.accessToken.split('.')) assert.ok(!text.includes(part));

    const renewal = exchanges.find(({ request }) => request.path === '/oauth/token');
    assert.equal(renewal.request.body.grant_type, 'refresh_token');
    assert.equal(renewal.response.body.expires_in, 900);
    const asked = exchanges.find(({ request }) => request.path === '/chat/completions');
    assert.equal(asked.request.body.model, MODEL);
    const { headers, body } = asked.response;
    assert.match(headers['content-type'], /^text\/event-stream/);
    assert.match(body, /\ndata: \[DONE\]\n/);

    const original = await native(sim, await signedIn(sim));
    const again = await Simulator.start({ args: ['--scenario', file] });
    const played = await native(again, await signedIn(again, 'another-token-0815'));
    assert.equal(played.replaceAll('y', 'x').replaceAll('1', '0'), covered(original));
    assert.match(result.stdout, new RegExp(`${played.length} bytes of text`));
    const by = (await again.log()).filter((entry) => entry.by === 'capture');
    for (const kind of ['oauth', 'completion'])
      assert.ok(
        by.some((entry) => entry.kind === kind),
        kind,
      );
    assert.deepEqual(await again.violations(), []);
  });

  test('keeps nothing of tokens and texts in shapes of their own', async () => {
    const [access, refresh] = ['Opaque/Access+Zoe==41', 'opaque~refresh~zoe'];
    const planted = [access, refresh, 'Zoe Fitzgerald', 'zoe@mail.example', 'fp_zoe4711zoe'];
    const [, , name, mail, print] = planted;
    const event = (delta, finish = null) =>
      `data: ${JSON.stringify({
        id: 'chatcmpl-zoe123456',
        object: 'chat.completion.chunk',
        model: MODEL,
        system_fingerprint: print,
        choices: [{ index: 0, delta, finish_reason: finish }],
      })}\n\n`;
    const post = (target, type, body) => ({
      request: { method: 'POST', path: target },
      response: { status: 200, headers: { 'content-type': type }, body },
    });
    const list = { object: 'list', data: [{ id: MODEL, object: 'model', owned_by: name }] };
    const recorded = [
      { ...post('', 'application/json', list), request: { method: 'GET', path: '/models' } },
      post('/oauth/token', 'application/json', { access_token: access, refresh_token: refresh }),
      post(
        '/chat/completions',
        'text/event-stream',
        `: for ${mail}\nevent: ${name}\n${event({ content: `Hi ${name}` })}data: by ${name}, no JSON
\n${event({ content: ' again' }, 'stop')}data: [DONE]\n\n`.replace('data: by', ': by'),
      ),
    ];
    const sim = await Simulator.start({ scenario: { ...CALM, capture: recorded } });
    const { text, exchanges, file } = await captured(sim, await signedIn(sim));
    for (const one of [...planted, 'Zoe', 'zoe', 'Fitzgerald', 'mail.example', 'again'])
      for (const form of [one, encodeURIComponent(one), btoa(one).replace(/=+$/, '')])
        assert.ok(!text.includes(form), `${form} is left`);
    const { body } = exchanges.find(({ request }) => /completions/.test(request.path)).response;
    assert.match(body, /^: xxx xxx@xxxx\.xxxxxxx\nevent: xxx xxxxxxxxxx\ndata: \{/);
    const again = await Simulator.start({ args: ['--scenario', file] });
    assert.equal(await native(again, await signedIn(again)), 'xx xxx xxxxxxxxxx xxxxx');
  });

  test('of a sign-in that is over sends no prompt', async () => {
    const sim = await Simulator.start();
    const at = place();
    const env = await signedIn(sim, 'nobody-at-all-4711');
    const { code, stderr } = await capture(sim, at, env);
    assert.equal(code, 1);
    assert.match(stderr, /no prompt was sent/);
    assert.deepEqual(await sim.log('completion'), []);
    assert.doesNotMatch(fs.readFileSync(at.file, 'utf8'), /nobody/);
  });
});

describe('the file', () => {
  test('is never overwritten, and not left empty', async () => {
    const sim = await Simulator.start();
    const at = place();
    fs.writeFileSync(at.file, 'mine');
    const there = await capture(sim, at);
    assert.equal(there.code, 1);
    assert.match(there.stderr, /is there already/);
    assert.equal(fs.readFileSync(at.file, 'utf8'), 'mine');
    assert.deepEqual(await sim.posts(), []);
    const nobody = place();
    const nowhere = { ENGINELABS_API_URL: 'http://127.0.0.1:9', CLERK_URL: 'http://127.0.0.1:9' };
    const { code, stderr } = await capture(sim, nobody, nowhere);
    assert.equal(code, 1);
    assert.match(stderr, /nobody answered/);
    assert.ok(!fs.existsSync(nobody.file));
  });

  test('is not written while a gateway has the account', async () => {
    const sim = await Simulator.start();
    const at = place();
    const gw = await Gateway.start({ env: { ...sim.env(), STORE_URL: at.STORE_URL } });
    const { code, stderr } = await capture(sim, at);
    assert.equal(code, 1);
    assert.match(stderr, /a gateway runs and has the account: stop it first/);
    assert.ok(!fs.existsSync(at.file));
    await gw.stop();
  });

  test('needs an upstream that can be captured', async () => {
    const sim = await Simulator.start();
    const at = place();
    const config = path.join(path.dirname(at.file), 'c.yaml');
    fs.writeFileSync(
      config,
      `upstreams: [{name: local, provider: openai, base_url: ${sim.url}/v1, api_key: sk-x}]\n`,
    );
    const { code, stderr } = await run(['check', '--capture', at.file, '--config', config], {
      cwd: path.dirname(at.file),
      env: { STORE_URL: 'memory:' },
    });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /no upstream of enginelabs/);
    const both = await run(['check', '--offline', '--capture', at.file], { env: sim.env() });
    assert.equal(both.code, 2);
  });
});
