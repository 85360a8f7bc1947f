// SPDX-License-Identifier: Apache-2.0
// Protocol `native`: the service's own OpenAI format, signed in by a credentials file whose refresh
// token changes with each use.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { CANARY, Simulator, finish, secret, until } from './lib/harness.mjs';
import { Home } from './lib/home.mjs';

after(finish);

const FILE = 'credentials.json';
const MODEL = 'gpt-5';
const NONE = 'none';

const messagesOf = (content) => [{ role: 'user', content }];

/** What the service's own program leaves at sign-in; without a good access token it is renewed. */
function credentials({ refresh_token: refresh }) {
  secret(refresh, 'a refresh token');
  return JSON.stringify({ accessToken: NONE, refreshToken: refresh, expiresAt: 1 });
}

/** A simulator, and a home with the file of its first account. */
async function place(settings = {}) {
  const sim = await Simulator.start();
  await sim.set({ pacing: { first_ms: 1, every_ms: 1 }, ...settings });
  const { accounts } = await sim.state();
  const env = {
    ENGINELABS_API_URL: sim.url,
    ENGINELABS_PROTOCOL: 'native',
    ENGINELABS_CREDENTIALS_FILE: FILE,
    KNOWN_MODELS: MODEL,
    DEFAULT_MODEL: MODEL,
  };
  const home = new Home(env);
  home.write(FILE, credentials(accounts[0]));
  return { sim, home, accounts };
}

const saved = (home, file = FILE) => {
  const { accessToken, refreshToken } = JSON.parse(home.read(file));
  secret(refreshToken, 'a refresh token');
  if (accessToken !== NONE) secret(accessToken, 'an access token');
  return refreshToken;
};

const good = async (sim, i = 0) => (await sim.state()).accounts[i].refresh_token;

const renewals = async (sim) =>
  (await sim.log('oauth')).filter(({ status }) => status === 200).length;

async function ask(gw, content = `${CANARY}\n!echo ${CANARY} said`) {
  const answer = await gw.post({ model: MODEL, messages: messagesOf(content) });
  assert.equal(answer.status, 200, answer.text);
  return answer.json().choices[0].message;
}

describe('an answer', () => {
  test('comes whole and streamed, with all that was said and the usage', async () => {
    const { sim, home } = await place();
    const gw = await home.start();
    const messages = [
      { role: 'system', content: 'Be brief.' },
      ...messagesOf(`${CANARY} one`),
      { role: 'assistant', content: 'Two.' },
      ...messagesOf('!echo three'),
    ];
    const whole = (await gw.post({ model: MODEL, messages })).json();
    assert.equal(whole.choices[0].message.content, 'three');
    assert.ok(whole.usage.completion_tokens > 0);
    const options = { include_usage: true };
    const stream = await gw.stream({ model: MODEL, messages, stream_options: options });
    await stream.whole();
    assert.ok(stream.done);
    assert.equal(stream.text, 'three');
    assert.ok(stream.chunks.at(-1).usage.completion_tokens > 0);
    const asked = await sim.log('completion');
    assert.equal(asked.length, 2);
    for (const { body, headers } of asked) {
      assert.deepEqual(JSON.parse(body).messages, messages);
      const of = (name) => headers.find(([key]) => key.toLowerCase() === name)?.[1];
      assert.match(of('x-session-id'), /^ses_[0-9A-Za-z]{8,64}$/);
      assert.match(of('x-session-affinity'), /^ses_/);
    }
    assert.equal(await renewals(sim), 1);
    assert.deepEqual(await sim.violations(), []);
    await home.stop();
  });

  test('may call tools, and is told what they gave', async () => {
    const { sim, home } = await place();
    const openai = (await home.start()).openai();
    const tools = [{ type: 'function', function: { name: 'look', parameters: {} } }];
    const messages = messagesOf('!tool look {"at":"the \\"sky\\""}');
    for (const stream of [false, true]) {
      const body = { model: MODEL, messages, tools, stream };
      let calls;
      if (stream) {
        const whole = await openai.chat.completions.stream(body).finalChatCompletion();
        calls = whole.choices[0].message.tool_calls;
      } else {
        calls = (await openai.chat.completions.create(body)).choices[0].message.tool_calls;
      }
      assert.deepEqual(JSON.parse(calls[0].function.arguments), { at: 'the "sky"' });
      const answer = { role: 'assistant', content: null, tool_calls: calls };
      const result = { role: 'tool', tool_call_id: calls[0].id, content: '!echo blue' };
      const next = await openai.chat.completions.create({
        model: MODEL,
        messages: [...messages, answer, result],
        tools,
      });
      assert.equal(next.choices[0].message.content, 'blue');
    }
    assert.deepEqual(await sim.violations(), []);
    await home.stop();
  });
});

describe('a refresh token', () => {
  test('is saved before it is used, so that a kill right after loses nothing', async () => {
    const { sim, home, accounts } = await place();
    for (let round = 1; round <= 5; round++) {
      const before = saved(home);
      await home.start();
      await ask(home.gw);
      await home.kill();
      assert.notEqual(saved(home), before);
      assert.equal(saved(home), await good(sim));
      assert.equal(await renewals(sim), round);
      const file = JSON.parse(home.read(FILE));
      home.write(FILE, JSON.stringify({ ...file, expiresAt: 1 })); // to be renewed again
    }
    // Who comes with an old one is refused, and says so.
    home.write(FILE, credentials(accounts[0]));
    const gw = await home.start();
    const answer = await gw.post({ model: MODEL, messages: messagesOf('Hi') });
    assert.equal(answer.status, 502, answer.text);
    assert.equal(answer.json().error.code, 'upstream_auth_failed');
    await home.stop();
  });

  test('is saved though the process dies while the prompt is out', async () => {
    const { sim, home } = await place();
    const gw = await home.start();
    await sim.fault({ where: 'completions', kind: 'hang' });
    const request = await gw.begin({ model: MODEL, messages: messagesOf('Hi') });
    await until(async () => (await renewals(sim)) === 1, 'a renewal');
    await until(async () => saved(home) === (await good(sim)), 'it is saved');
    await home.kill();
    request.destroy();
    await sim.clearFaults();
    await ask(await home.start());
    assert.equal(await renewals(sim), 1, 'the access token that was saved is good still');
    await home.stop();
  });

  test('is asked for once by all who need it at once', async () => {
    const { sim, home } = await place();
    const gw = await home.start({ WORKERS: 2 });
    await Promise.all(Array.from({ length: 20 }, () => ask(gw)));
    assert.equal(await renewals(sim), 1);
    await home.stop();
  });
});

describe('a 401', () => {
  test('renews the token once, and the answer comes', async () => {
    const { sim, home } = await place();
    const gw = await home.start();
    await ask(gw);
    for (const stream of [false, true]) {
      const before = await renewals(sim);
      await sim.fault({ where: 'completions', kind: 'status', status: 401 });
      const body = { model: MODEL, messages: messagesOf('!echo here') };
      if (stream) assert.equal((await (await gw.stream(body)).whole()).text, 'here');
      else assert.equal((await ask(gw, '!echo here')).content, 'here');
      assert.equal(await renewals(sim), before + 1);
    }
    await home.stop();
  });

  test('again with the new token is told, and nothing is asked a third time', async () => {
    const { sim, home } = await place();
    const gw = await home.start();
    await ask(gw);
    await sim.clearLog();
    await sim.fault({ where: 'completions', kind: 'status', status: 401, times: -1 });
    const answer = await gw.post({ model: MODEL, messages: messagesOf('Hi') });
    assert.equal(answer.status, 502, answer.text);
    assert.equal((await sim.log('completion')).length, 2);
    assert.equal(await renewals(sim), 1);
    await sim.clearFaults();
    await home.stop();
  });
});

describe('two accounts', () => {
  const yaml = (url) => `
upstreams:
  - name: cto
    provider: enginelabs
    protocol: native
    api_url: ${url}
    models: [${MODEL}]
    accounts:
      - name: first
        credentials_file: first.json
      - name: second
        credentials_file: second.json
`;

  test('take turns at a limit, each with its own file', async () => {
    const sim = await Simulator.start();
    await sim.set({ pacing: { first_ms: 1, every_ms: 1 }, accounts: 2 });
    const { accounts } = await sim.state();
    const home = new Home({ DEFAULT_MODEL: MODEL, KNOWN_MODELS: MODEL });
    home.write('enginelabs-2api.yaml', yaml(sim.url));
    home.write('first.json', credentials(accounts[0]));
    home.write('second.json', credentials(accounts[1]));
    const gw = await home.start();
    await sim.fault({
      ...{ where: 'completions', kind: 'status', status: 429, retry_after: '60' },
      ...{ account: 0, times: -1 },
    });
    for (let i = 0; i < 4; i++) await ask(gw);
    const asked = await sim.log('completion');
    assert.deepEqual(
      asked.filter(({ status }) => status === 200).map(({ account }) => account),
      [1, 1, 1, 1],
    );
    assert.ok(asked.filter(({ account }) => account === 0).length <= 1, 'the first one rests');
    await sim.fault({
      ...{ where: 'completions', kind: 'status', status: 429, retry_after: '30' },
      ...{ account: 1, times: -1 },
    });
    const answer = await gw.post({ model: MODEL, messages: messagesOf('Hi') });
    assert.equal(answer.status, 429, answer.text);
    const wait = Number(answer.headers['retry-after']);
    assert.ok(wait > 20 && wait <= 60, `retry after ${wait}`);
    assert.equal(saved(home, 'second.json'), await good(sim, 1));
    await home.stop();
  });
});
