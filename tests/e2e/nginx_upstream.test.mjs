// SPDX-License-Identifier: Apache-2.0
// Debian's nginx as an upstream that knows nothing of models: files and fixed answers, sent in all
// the ways in which a web server or a proxy in front of a model may send them.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from './lib/certs.mjs';
import { assertError } from './lib/errors.mjs';
import { CANARY, Gateway, Program, finish, run, tempDir, until } from './lib/harness.mjs';
import { fetchWhole } from './lib/http.mjs';
import { final } from './lib/until.mjs';

const WORDS = 'static files can answer, too, if nobody asks what they mean'.split(' ');
const TEXT = WORDS.join(' ');
const messages = [{ role: 'user', content: `${CANARY} hello` }];

const WHOLE = JSON.stringify({
  id: 'chatcmpl-file',
  object: 'chat.completion',
  created: 1,
  model: 'file',
  choices: [
    { index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' },
  ],
  usage: { prompt_tokens: 5, completion_tokens: 11, total_tokens: 16 },
});

const event = (choice) => {
  const rest = { id: 'chatcmpl-file', object: 'chat.completion.chunk', created: 1, model: 'file' };
  return `data: ${JSON.stringify({ ...rest, choices: [{ index: 0, ...choice }] })}\n\n`;
};
const EVENTS = [
  ...WORDS.map((word, i) => event({ delta: { content: i ? ` ${word}` : word } })),
  event({ delta: {}, finish_reason: 'stop' }),
];
const STREAM = `${EVENTS.join('')}data: [DONE]\n\n`;
const CUT = EVENTS.slice(0, 4).join('').slice(0, -20);

/** A file as the answer to a POST, which nginx itself would refuse with 405. */
const file = (type, ...more) =>
  `default_type ${type}; types {} error_page 405 =200 $uri; ${more.join(' ')}`;
const JSON_FILE = file('application/json');
const SSE_FILE = file('text/event-stream');

/** By name: what a location says; whole and stream are files below its folder. */
const PLACES = {
  plain: [JSON_FILE, SSE_FILE],
  close: [JSON_FILE, SSE_FILE].map((one) => `${one} keepalive_timeout 0;`),
  chunked: [JSON_FILE, SSE_FILE].map((one) => `${one} ssi on; ssi_types *;`),
  until_close: [JSON_FILE, SSE_FILE].map(
    (one) => `${one} ssi on; ssi_types *; chunked_transfer_encoding off;`,
  ),
  gzip: [JSON_FILE, SSE_FILE].map((one) => `${one} gzip on; gzip_types *; gzip_min_length 1;`),
  slow: [JSON_FILE, SSE_FILE].map((one) => `${one} limit_rate 1k; sendfile off;`),
  few: [JSON_FILE, SSE_FILE].map((one) => `${one} keepalive_requests 2;`),
  short: [JSON_FILE, SSE_FILE].map((one) => `${one} keepalive_timeout 50ms;`),
  cut: [file('application/json'), SSE_FILE],
  html: [file('text/html'), file('text/html')],
};

/** A stream of no events is one that ended too early. */
const NOTHING = { status: 502, code: 'upstream_protocol', streamed: 'upstream_interrupted' };

/** Fixed answers: [what nginx says, what the client gets]. */
const ERRORS = {
  'an HTML page of status 502': ['return 502;', { status: 502, code: 'upstream_unavailable' }],
  'an HTML page of status 504': ['return 504;', { status: 502, code: 'upstream_unavailable' }],
  'a redirect': [
    'return 301 http://127.0.0.1:9/v1/chat/completions;',
    { status: 502, code: 'upstream_protocol' },
    /Redirects are not followed/,
  ],
  'a method that is not allowed': ['return 405;', { status: 405, isPage: true }],
  'a page that is not there': ['return 404;', { status: 404, isPage: true }],
  'a limit': [
    'add_header Retry-After 7 always; return 429;',
    { status: 429, retryAfter: '7' },
  ],
  'a sign-in page': ['return 401;', { status: 502, code: 'upstream_auth_failed' }],
  'no content': ['return 204;', NOTHING],
  'an empty page': ["return 200 '';", NOTHING],
  'a text': ["return 200 'Hello!';", NOTHING],
  'the connection shut': ['return 444;', { status: 502 }],
};

function location(dir, name, [whole, stream]) {
  const folder = path.join(dir, name);
  fs.mkdirSync(folder);
  const texts = { cut: [WHOLE.slice(0, -9), CUT], html: ['<p>Hi', '<p>Hi'] };
  const [one, two] = texts[name] ?? [WHOLE, STREAM];
  fs.writeFileSync(path.join(folder, 'whole'), one);
  fs.writeFileSync(path.join(folder, 'stream'), two);
  // One cannot tell a stream from a whole answer without the body, which nobody reads here.
  const at = (kind, text) => `
    location = /${name}/${kind} { root ${dir}; ${text} }
    location = /${name}/v1/${kind}/chat/completions { rewrite ^ /${name}/${kind} last; }`;
  return at('whole', whole) + at('stream', stream);
}

const config = (dir, port) => `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  client_max_body_size 8m;
  server {
    listen 127.0.0.1:${port};
    location / { return 404; }
    location ~ /v1/(whole/|stream/)?models$ {
      default_type application/json;
      return 200 '{"object":"list","data":[{"id":"file","object":"model"}]}';
    }
    ${Object.entries(PLACES)
      .map(([name, texts]) => location(dir, name, texts))
      .join('')}
    ${Object.values(ERRORS)
      .map(([text], i) => `location = /error${i}/v1/chat/completions { ${text} }`)
      .join('\n    ')}
  }
}
`;

let port, gw, settings;

before(async () => {
  const dir = tempDir();
  port = await freePort();
  fs.writeFileSync(path.join(dir, 'nginx.conf'), config(dir, port));
  const words = ['-p', dir, '-c', path.join(dir, 'nginx.conf'), '-e', 'stderr'];
  const nginx = new Program('nginx', words, { name: 'nginx' });
  await until(async () => {
    if (!nginx.isRunning) throw final(`nginx ended: ${nginx.stderr}`);
    return (await fetchWhole(port, { path: '/v1/models' })).status === 200;
  }, 'nginx listens');
  const errors = Object.keys(ERRORS).map((_, i) => [`error${i}`, `error${i}/v1`]);
  const places = Object.keys(PLACES).flatMap((name) =>
    ['whole', 'stream'].map((kind) => [`${name}-${kind}`, `${name}/v1/${kind}`]),
  );
  const all = [...places, ...errors];
  const upstreams = all.map(
    ([name, at]) =>
      `  - {name: ${name}, provider: openai, base_url: "http://127.0.0.1:${port}/${at}"}`,
  );
  const routes = all.map(
    ([name]) => `  - {name: ${name}, targets: [{upstream: ${name}, model: file}]}`,
  );
  settings = path.join(dir, 'gateway.yaml');
  const text = ['default_model: plain-whole', 'upstreams:', ...upstreams, 'models:', ...routes];
  fs.writeFileSync(settings, `${text.join('\n')}\n`, { mode: 0o600 });
  gw = await Gateway.start({ args: ['--config', settings], env: { STORE_URL: 'memory:' } });
  // Upstreams are asked for their models when it begins: that is no part of what is at rest.
  await until(async () => {
    gw.atStart = await gw.metrics();
    const { upstream_connections: all, upstream_idle_connections: idle } = gw.atStart;
    return idle > 0 && idle === all;
  }, 'all upstreams were asked for their models');
});
after(finish);

const whole = (name) => gw.post({ model: `${name}-whole`, messages });
const streamed = async (name) =>
  (await gw.stream({ model: `${name}-stream`, messages })).whole();

describe('an answer that nginx sends', () => {
  const rows = ['plain', 'close', 'chunked', 'until_close', 'gzip', 'slow', 'few', 'short'];
  for (const name of rows)
    test(`${name} is whole, again and again`, async () => {
      for (let i = 0; i < 3; i++) {
        const answer = await whole(name);
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.json().choices[0].message.content, TEXT);
        assert.equal(answer.json().model, `${name}-whole`);
        const told = await streamed(name);
        assert.equal(told.text, TEXT);
        assert.deepEqual(told.finishReasons, ['stop']);
        assert.ok(told.done);
      }
      await gw.idle();
    });

  test('slowly comes word by word', async () => {
    const stream = await gw.stream({ model: 'slow-stream', messages });
    await stream.readUntil((one) => one.choices[0].delta.content === WORDS[0]);
    assert.ok(stream.events.length < EVENTS.length, 'not all at once');
    await stream.whole();
    assert.equal(stream.text, TEXT);
  });

  test('and that is cut is no answer', async () => {
    assertError(await whole('cut'), { status: 502, code: 'upstream_protocol' });
    const told = await streamed('cut');
    assert.equal(told.error.code, 'upstream_interrupted');
    assert.deepEqual(told.finishReasons, []);
    assert.equal(told.done, false);
    assert.ok(TEXT.startsWith(told.text) && told.text !== '');
  });

  test('as a page of status 200 is no answer', async () => {
    assertError(await whole('html'), { status: 502, code: 'upstream_protocol' });
    const answer = await gw.post({ model: 'html-stream', messages, stream: true });
    assertError(answer, { status: 502, code: 'upstream_protocol' });
  });
});

describe('instead of an answer', () => {
  for (const [i, [name, [, want, words]]] of Object.entries(ERRORS).entries())
    test(`${name} is ${want.status} ${want.code ?? ''}`, async () => {
      for (const stream of [false, true]) {
        const answer = await gw.post({ model: `error${i}`, messages, stream });
        if (want.isPage) {
          // The request is at fault, as far as one can tell: its client gets all there is.
          assert.equal(answer.status, want.status);
          assert.equal(answer.headers['content-type'], 'text/html');
          assert.match(answer.text, /^<html>[^]*nginx/);
          continue;
        }
        const { streamed: code = want.code, ...rest } = want;
        const { message } = assertError(answer, stream ? { ...rest, code } : rest);
        if (words) assert.match(message, words);
        assert.doesNotMatch(message, /<|nginx/, 'no markup');
        assert.equal(answer.headers['x-attempts'], '1');
      }
    });
});

test('many clients at once on connections that end get whole answers', async () => {
  const names = Array.from({ length: 40 }, (_, i) => ['few', 'short', 'close', 'plain'][i % 4]);
  for (const answer of await Promise.all(names.map(whole)))
    assert.equal(answer.status, 200, answer.text);
});

test('a body of 4 MB is taken', async () => {
  const long = [{ role: 'user', content: `${CANARY} ${'long '.repeat(800_000)}` }];
  const answer = await gw.post({ model: 'plain-whole', messages: long });
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
});

test('check finds the model of each', async () => {
  const env = { ...gw.env, LISTEN: '127.0.0.1:0' };
  const told = await run(['check', '--config', settings], { env });
  assert.match(told.stdout, /upstream plain-whole\n.*\n +models +1: file/);
  assert.match(told.stdout, /route plain-stream \(fallback\)\n +plain-stream: file\n/);
});
