// SPDX-License-Identifier: Apache-2.0
// Traces: spans that a collector takes, of every kind of end, and a trace that goes on upstream.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { Authority, Nginx } from './lib/certs.mjs';
import { Collector } from './lib/collector.mjs';
import { CANARY, Gateway, KEY, Simulator, finish, onEnd, run } from './lib/harness.mjs';
import { tempDir, until } from './lib/harness.mjs';

after(finish);

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

let sim, spare, collector, gw, seen;

/** An upstream that notes which traceparent each request has. */
async function noting() {
  const server = http.createServer((req, res) => {
    req.resume();
    req.on('end', () => {
      const { traceparent, tracestate } = req.headers;
      seen.push({ path: req.url, traceparent, tracestate });
      const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
      const choice = { index: 0, message: { role: 'assistant', content: 'hi' } };
      const choices = [{ ...choice, finish_reason: 'stop' }];
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, choices, usage }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

async function start(env = {}) {
  const file = path.join(tempDir(), 'gateway.yaml');
  const upstream = (name, url, models) =>
    `  - {name: ${name}, provider: openai, base_url: "${url}/v1", api_keys: [${KEY}], ${models}}\n`;
  fs.writeFileSync(
    file,
    `upstreams:\n${upstream('sick', sim.url, 'models: [big]')}` +
      upstream('well', spare.url, 'models: [spare]') +
      upstream('noting', await noting(), 'models: [noted]') +
      `models:
  - {name: big, targets: [{upstream: sick, model: big}, {upstream: well, model: spare}]}
  - {name: noted, targets: [{upstream: noting, model: noted}]}
`,
    { mode: 0o600 },
  );
  return Gateway.start({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      STORE_URL: 'memory:',
      SHUTDOWN_TIMEOUT: 10,
      WORKERS: 1,
      ...env,
    },
    args: ['--config', file],
  });
}

before(async () => {
  seen = [];
  collector = await Collector.start();
  [sim, spare] = [await Simulator.start(), await Simulator.start()];
  for (const one of [sim, spare])
    await one.set({ models: ['big', 'spare'], native: false, api_keys: KEY });
  gw = await start({
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=blue%20sky,x-other=1',
    OTEL_SERVICE_NAME: 'my-gateway',
  });
});

const user = (content) => [{ role: 'user', content }];
const ask = (id, content = 'hello', model = 'big', headers = {}) =>
  gw.post({ model, messages: user(content) }, { headers: { 'x-request-id': id, ...headers } });

/** Its spans, once they came. */
const spansOf = (id, n = 1) =>
  until(() => {
    const found = collector.of(id);
    return found?.tries.length >= n && found;
  }, `the spans of ${id}`);

describe('spans', () => {
  test('an answer has one of the server and one of the client', async () => {
    const answer = await ask('trace-whole', `${CANARY}\n!lorem 5`);
    const { server, tries } = await spansOf('trace-whole');
    const [call] = tries;
    assert.deepEqual([server.kind, server.name], [2, 'POST /chat/completions']);
    assert.equal(server.attributes['http.response.status_code'], 200);
    assert.equal(server.attributes['http.route'], '/chat/completions');
    assert.equal(server.attributes['url.scheme'], 'http');
    assert.equal(server.attributes['enginelabs2api.key'], 'master');
    assert.equal(server.parentSpanId, undefined);
    assert.equal(server.resource['service.name'], 'my-gateway');
    assert.deepEqual([call.kind, call.name, call.traceId], [3, 'chat big', server.traceId]);
    const { usage } = answer.json();
    assert.deepEqual(
      [
        call.attributes['gen_ai.operation.name'],
        call.attributes['gen_ai.provider.name'],
        call.attributes['gen_ai.request.model'],
        call.attributes['gen_ai.usage.input_tokens'],
        call.attributes['gen_ai.usage.output_tokens'],
        call.attributes['gen_ai.response.finish_reasons'],
      ],
      ['chat', 'sick', 'big', usage.prompt_tokens, usage.completion_tokens, ['stop']],
    );
    assert.ok(BigInt(server.startTimeUnixNano) <= BigInt(call.startTimeUnixNano));
    assert.ok(BigInt(call.endTimeUnixNano) <= BigInt(server.endTimeUnixNano));
    assert.ok(!JSON.stringify(collector.spans).includes(CANARY), 'no word of the prompt');
    const { headers } = collector.requests.at(-1);
    assert.deepEqual([headers['x-tenant'], headers['x-other']], ['blue sky', '1']);
  });

  test('a target that fails has a span of its own, and one that fails last ends it', async () => {
    await sim.fault({ where: 'completions', status: 500 });
    await ask('trace-fallback');
    const { server, tries } = await spansOf('trace-fallback', 2);
    const [first, second] = tries;
    assert.equal(server.attributes['enginelabs2api.attempts'], 2);
    assert.equal(first.attributes['error.type'], 'upstream_unavailable');
    assert.equal(first.status.code, 2);
    assert.deepEqual([first.name, second.name], ['chat big', 'chat spare']);
    const { attributes: to } = second;
    assert.deepEqual(
      [to['gen_ai.provider.name'], to['gen_ai.request.model'], second.status],
      ['well', 'spare', undefined],
    );
    for (const one of [sim, spare]) await one.fault({ where: 'completions', status: 503 });
    const failed = await ask('trace-failed');
    const spans = await spansOf('trace-failed', 2);
    assert.equal(spans.server.attributes['http.response.status_code'], failed.status);
    assert.equal(spans.server.attributes['error.type'], failed.json().error.code);
    assert.deepEqual([spans.server.status.code, spans.tries[1].status.code], [2, 2]);
  });

  test('a client that leaves is no error', async () => {
    const stream = await gw.stream(
      { model: 'big', messages: user('!frames 10000 every 50') },
      { headers: { 'x-request-id': 'trace-left' } },
    );
    await stream.readUntil(() => true);
    stream.request.destroy();
    const { server } = await spansOf('trace-left');
    assert.equal(server.attributes['enginelabs2api.outcome'], 'canceled');
    assert.equal(server.attributes['http.response.status_code'], 499);
    assert.equal(server.status, undefined);
  });
});

describe('at the EngineLabs service', () => {
  let service, native, posted;
  const call = (args) => `<tool_call name="get_weather">\n${args}\n</tool_call>`;
  before(async () => {
    service = await Simulator.start();
    native = await Gateway.start({
      env: { ...service.env(), OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, WORKERS: 1 },
    });
    posted = async () => (await service.posts()).map(({ chat }) => chat);
  });

  test('a try names its chat, and so does the log line', async () => {
    const headers = { 'x-request-id': 'trace-chat' };
    const messages = user('!think well\n!echo hi');
    const { usage } = (await native.post({ model: 'GPT5', messages }, { headers })).json();
    const [chat] = await posted();
    const { tries } = await spansOf('trace-chat');
    const { attributes } = tries[0];
    assert.equal(attributes['gen_ai.conversation.id'], chat);
    const { reasoning_tokens: thought } = usage.completion_tokens_details;
    assert.ok(thought > 0);
    assert.equal(attributes['gen_ai.usage.reasoning.output_tokens'], thought);
    const line = await until(
      () => native.logLines.find((one) => one.request_id === 'trace-chat' && one.outcome),
      'the log line',
    );
    assert.deepEqual([line.chat, line.upstream, line.model], [chat, 'cto', 'GPT5']);
  });

  test('an answer that is asked for once more has two tries, each with its end', async () => {
    const before = (await posted()).length;
    const parameters = { type: 'object', properties: { city: {} }, required: ['city'] };
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }];
    const [bad, good] = ['{"town":"x"}', '{"city":"x"}'].map((args) => JSON.stringify(call(args)));
    const messages = user(`!then ${good}\n!say ${bad}`);
    const headers = { 'x-request-id': 'trace-repair' };
    const answer = await native.post({ model: 'GPT5', messages, tools }, { headers });
    assert.equal(answer.json().choices[0].finish_reason, 'tool_calls', answer.text);
    const chats = (await posted()).slice(before);
    const { server, tries } = await spansOf('trace-repair', 2);
    assert.equal(server.attributes['enginelabs2api.attempts'], 2);
    assert.deepEqual(tries.map((one) => one.attributes['gen_ai.conversation.id']), chats);
    const [first, second] = tries;
    assert.deepEqual([first.status.code, second.status], [2, undefined]);
    assert.ok(first.attributes['error.type']);
    assert.ok(BigInt(first.endTimeUnixNano) <= BigInt(second.startTimeUnixNano));
    assert.equal(first.attributes['gen_ai.usage.output_tokens'], undefined);
    assert.deepEqual(second.attributes['gen_ai.response.finish_reasons'], ['tool_calls']);
  });
});

describe('traceparent', () => {
  test("the client's trace goes on, with a span for each hop", async () => {
    const traceparent = `00-${TRACE}-${PARENT}-01`;
    const tracestate = ['a=1, b@c=2', 'd=x'];
    await ask('trace-parent', 'hello', 'noted', { traceparent, tracestate });
    const { server, tries } = await spansOf('trace-parent');
    assert.deepEqual([server.traceId, server.parentSpanId], [TRACE, PARENT]);
    assert.equal(seen.at(-1).traceparent, `00-${TRACE}-${tries[0].spanId}-01`);
    assert.equal(seen.at(-1).tracestate, 'a=1, b@c=2,d=x');
    const line = await until(
      () => gw.logLines.find((one) => one.request_id === 'trace-parent' && one.trace_id),
      'the log line',
    );
    assert.deepEqual([line.trace_id, line.span_id], [TRACE, server.spanId]);
  });

  test('also of a relay', async () => {
    const traceparent = `00-${TRACE}-${PARENT}-01`;
    const body = { model: 'noted', input: 'x' };
    const headers = { traceparent, tracestate: 'a=1', 'x-request-id': 'trace-relay' };
    await gw.post(body, { path: '/v1/embeddings', headers });
    const { server, tries } = await spansOf('trace-relay');
    assert.equal(server.name, 'POST /embeddings');
    assert.equal(tries[0].name, 'embeddings noted');
    assert.equal(seen.at(-1).tracestate, 'a=1');
    assert.equal(seen.at(-1).traceparent, `00-${TRACE}-${tries[0].spanId}-01`);
  });

  test('one that is not sampled goes on, and nothing is exported', async () => {
    await ask('trace-unsampled', 'x', 'noted', { traceparent: `00-${TRACE}-${PARENT}-00` });
    assert.match(seen.at(-1).traceparent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    await ask('trace-after');
    await spansOf('trace-after');
    assert.equal(collector.of('trace-unsampled'), undefined);
  });

  test('one that is none begins a new trace', async () => {
    const traceparent = `00-${TRACE}-0000000000000000-01`;
    await ask('trace-new', 'x', 'noted', { traceparent, tracestate: 'a=1' });
    assert.equal(seen.at(-1).tracestate, undefined);
    const { server } = await spansOf('trace-new');
    assert.notEqual(server.traceId, TRACE);
  });
});

test('with a share of 0 nothing is sampled; without a collector no header goes up', async () => {
  const none = await start({ OTEL_TRACES_SAMPLER_ARG: 0 });
  const before = collector.requests.length;
  await none.post({ model: 'noted', messages: user('x') });
  assert.match(seen.at(-1).traceparent, /-00$/);
  await none.stop();
  assert.equal(collector.requests.length, before);
  const off = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: '' });
  await off.post({ model: 'noted', messages: user('x') });
  assert.equal(seen.at(-1).traceparent, undefined);
});

describe('a sampler', () => {
  const from = (flags) => ({ traceparent: `00-${TRACE}-${PARENT}-${flags}` });
  // Sampled: begins here; goes on with a parent that is not sampled; with one that is.
  for (const [sampler, share, ...want] of [
    ['always_on', 0, '01', '01', '01'],
    ['always_off', 1, '00', '00', '00'],
    ['traceidratio', 1, '01', '01', '01'],
    ['traceidratio', 0, '00', '00', '00'],
    ['parentbased_always_on', 0, '01', '00', '01'],
    ['parentbased_always_off', 1, '00', '00', '01'],
    ['parentbased_traceidratio', 1, '01', '00', '01'],
  ])
    test(`${sampler}, ${share}`, async () => {
      const env = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: share };
      const own = await start(env);
      const count = collector.spans.length;
      const got = [];
      for (const headers of [{}, from('00'), from('01')]) {
        await own.post({ model: 'noted', messages: user('x') }, { headers });
        got.push(seen.at(-1).traceparent.slice(-2));
      }
      assert.deepEqual(got, want);
      await own.stop();
      const sampled = want.filter((flags) => flags === '01').length;
      assert.equal(collector.spans.length - count, 2 * sampled);
    });

  test('of another name is refused', async () => {
    const { code, stderr } = await run(['check', '--offline'], {
      env: { ...sim.env(), OTEL_TRACES_SAMPLER: 'xray' },
    });
    assert.equal(code, 2);
    assert.match(stderr, /OTEL_TRACES_SAMPLER.*parentbased_always_on/);
  });
});

test('a collector may be below a path, and behind TLS of an own authority', async () => {
  const ca = new Authority('Test CA');
  const below = await Collector.start();
  below.prefix = '/otel/in';
  const nginx = await Nginx.start(below.url, [ca.issue('good', 'DNS:localhost')]);
  const host = `https://localhost:${nginx.ports[0]}`;
  for (const [id, url] of [
    ['trace-path', `${below.url}/otel/in`],
    ['trace-slash', `${below.url}/otel/in/`],
    ['trace-tls', `${host}/otel/in/`],
  ]) {
    const own = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: url, UPSTREAM_CA_FILE: ca.file });
    const headers = { 'x-request-id': id };
    await own.post({ model: 'noted', messages: user('x') }, { headers });
    await own.stop();
    assert.ok(below.of(id), `${id}: ${below.problems}`);
  }
  assert.deepEqual(below.problems, []);
});

test('what waits is sent at the end', async () => {
  const own = await start();
  const headers = { 'x-request-id': 'trace-end' };
  await own.post({ model: 'noted', messages: user('x') }, { headers });
  await own.stop();
  assert.ok(collector.of('trace-end'));
});

test('a collector that is busy gets them later; one that refuses costs no request', async () => {
  const own = await start();
  const first = collector.requests.length;
  collector.answer = (n) => (n === first ? 503 : 200);
  const say = (id) =>
    own.post({ model: 'noted', messages: user('x') }, { headers: { 'x-request-id': id } });
  await say('trace-later');
  await until(() => collector.of('trace-later'), 'the second try');
  assert.deepEqual(
    collector.requests.slice(first).map((one) => one.status),
    [503, 200],
  );
  collector.answer = () => 400;
  assert.equal((await say('trace-refused')).status, 200);
  await until(async () => (await own.metrics()).spans_dropped_total === 2, 'two are dropped');
  collector.answer = () => 200;
});

test('spans that a collector takes only in part are counted, and told', async () => {
  const own = await start();
  const partialSuccess = { rejectedSpans: '1', errorMessage: 'too many blue ones' };
  collector.reply = () => ({ partialSuccess });
  await own.post({ model: 'noted', messages: user('x') });
  await until(async () => (await own.metrics()).spans_dropped_total === 1, 'one is dropped');
  collector.reply = () => ({});
  assert.equal((await own.metrics()).spans_sent_total, 1);
  const line = await until(
    () => own.logLines.find((one) => one.message?.includes('refuses some spans')),
    'the log line',
  );
  assert.deepEqual([line.spans, line.problem], [1, 'too many blue ones']);
});

test('a collector that does not answer holds up no request, and has a bounded queue', async () => {
  const own = await start();
  const { sizes } = collector;
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const first = sizes.length;
  collector.answer = () => held;
  const say = async () => {
    for (let i = 0; i < 10; i++)
      assert.equal((await own.post({ model: 'noted', messages: user('x') })).status, 200);
  };
  const began = collector.requests.length;
  // 512 or a few more are on their way, 2,048 wait.
  let [made, dropped] = [0, 0];
  for (; !dropped && made < 3200; made += 2 * 160) {
    await Promise.all(Array.from({ length: 16 }, say));
    dropped = (await own.metrics()).spans_dropped_total;
  }
  assert.ok(dropped > 0 && dropped <= made - 2048 - 512, `${dropped} of ${made} dropped`);
  assert.equal(collector.requests.length, began, 'none was answered');
  release(200);
  collector.answer = () => 200;
  await own.stop();
  const taken = sizes.slice(first);
  assert.ok(Math.max(...taken) <= 512, `batches of ${taken}`);
  assert.equal(
    taken.reduce((sum, n) => sum + n, 0),
    made - dropped,
  );
});

test('all that came was OTLP', () => assert.deepEqual(collector.problems, []));
