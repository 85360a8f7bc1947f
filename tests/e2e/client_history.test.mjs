// SPDX-License-Identifier: Apache-2.0
// What real client libraries make of a history: each holds a conversation of several turns, sending
// back the objects that it was given, and it stays in one chat, each prompt only the new message.
// The shapes that they send are kept in tests/data/client_histories.json, which a unit test reads;
// UPDATE_CLIENT_HISTORIES=1 writes it anew after a library was updated.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { LIBRARIES } from './clients/libraries.mjs';
import { CANARY, finish, onEnd, world } from './lib/harness.mjs';

const FILE = new URL('../data/client_histories.json', import.meta.url);

let sim, gw, recorder;

/** Between a library and the gateway: keeps the bodies that go through. */
class Recorder {
  bodies = [];

  async start(port) {
    this.server = http.createServer(async (request, response) => {
      const pieces = await request.toArray();
      const body = Buffer.concat(pieces);
      if (body.length > 0) this.bodies.push(JSON.parse(body));
      const { method, headers } = request;
      const path = request.url.replace(/^\/openai\//, '/'); // that of groq-sdk is /openai/v1
      const onward = http.request({ port, method, path, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      onward.end(body);
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    onEnd(() => this.server.close());
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }
}

before(async () => {
  ({ sim, gw } = await world());
  recorder = await new Recorder().start(gw.port);
});
after(finish);

/** Answers as models write them: what may be lost on the way through a library. */
const ANSWERS = [
  'One line',
  '\n',
  '  white space at both ends \n\n',
  'lines\nwith\n\n```js\nconst a = "b\\n";\n```\n',
  'carriage\r\nreturns\r\n',
  'emoji \u{1F600}, \u4F60\u597D, e\u0301 and "quotes" \\ <tags> &amp;',
];
const TALK = [
  ['!think Let me think.\n!echo thought of', 'thought of'],
  ...ANSWERS.map((answer) => [`!say ${JSON.stringify(answer)}`, answer]),
  ['!echo the end', 'the end'],
];

/** An answer may be thoughts and no text. */
const SILENCE = [
  ['!echo one', 'one'],
  ['!think That needs no answer.\n!say ""', ''],
  ['!echo three', 'three'],
  ['!echo the end', 'the end'],
];

/** It knows no thoughts, and leaves out a message without text: another history, another chat. */
const LEAVES_OUT = '@ai-sdk/openai';

/** It takes no answer without text for an end of its run, and asks again until it gives up. */
const ASKS_AGAIN = '@openai/agents-openai, streamed';

const versionOf = (library) => {
  const file = new URL(`clients/node_modules/${library}/package.json`, import.meta.url);
  return JSON.parse(fs.readFileSync(file)).version;
};

const shapes = [];

/** Says all prompts of `talk`; resolves with what the upstream was posted of them. */
async function hold(library, how, talk) {
  const prompts = talk.map(([prompt], i) => `${CANARY} ${i}\n${prompt}`);
  const answers = talk.map(([, answer]) => answer);
  const say = LIBRARIES[library](how, { url: recorder.url, key: gw.key });
  const since = (await sim.posts()).at(-1)?.n ?? 0;
  const said = [];
  recorder.bodies = [];
  for (const prompt of prompts) said.push(await say(prompt));
  assert.deepEqual(said, answers);
  const { messages } = recorder.bodies.at(-1);
  return { prompts, answers, posts: await sim.posts(since), messages };
}

/** Holds `talk`, all of it in one chat, and keeps what became of it. */
async function holdInOneChat(library, how, talk) {
  const { prompts, answers, posts, messages } = await hold(library, how, talk);
  assert.equal(new Set(posts.map(({ chat }) => chat)).size, 1, 'one chat');
  assert.deepEqual(posts.slice(1).map(({ prompt }) => prompt), prompts.slice(1));
  const version = versionOf(library);
  shapes.push({ library, version, how, answers: answers.slice(0, -1), messages });
}

for (const library of Object.keys(LIBRARIES))
  for (const how of ['whole', 'streamed']) {
    test(`${library}, ${how}: a conversation stays in its chat`, async () => {
      await holdInOneChat(library, how, TALK);
    });

    if (library === LEAVES_OUT)
      test(`${library}, ${how}: a history without its empty answer gets a new chat`, async () => {
        const { prompts, posts } = await hold(library, how, SILENCE);
        const [first, second, third, fourth] = posts;
        assert.equal(posts.length, 4);
        assert.equal(second.chat, first.chat);
        assert.notEqual(third.chat, first.chat);
        assert.equal(fourth.chat, third.chat);
        for (const prompt of prompts.slice(0, 3)) assert.ok(third.prompt.includes(prompt));
        assert.equal(fourth.prompt, prompts[3]);
      });
    else if (`${library}, ${how}` !== ASKS_AGAIN)
      test(`${library}, ${how}: an answer without text stays in its chat`, async () => {
        await holdInOneChat(library, how, SILENCE);
      });
  }

test('the shapes that the libraries send are those on file', () => {
  const text = `${JSON.stringify(shapes, null, 1).replaceAll(CANARY, 'canary')}\n`;
  if (process.env.UPDATE_CLIENT_HISTORIES) fs.writeFileSync(FILE, text);
  assert.equal(text, fs.readFileSync(FILE, 'utf8'), 'see the head of this file');
});
