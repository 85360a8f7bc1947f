// SPDX-License-Identifier: Apache-2.0
// What real client libraries make of a history: each holds a conversation of several turns, sending
// back the objects that it was given, and it stays in one chat, each prompt only the new message.
// The shapes that they send are kept in tests/data/client_histories.json, which a unit test reads;
// UPDATE_CLIENT_HISTORIES=1 writes it anew after a library was updated.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { AIMessage, HumanMessage, SystemMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
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
      const { method, url: path, headers } = request;
      const onward = http.request({ port, method, path, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      onward.end(body);
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    onEnd(() => this.server.close());
    this.url = `http://127.0.0.1:${this.server.address().port}/v1`;
    return this;
  }
}

before(async () => {
  ({ sim, gw } = await world());
  recorder = await new Recorder().start(gw.port);
});
after(finish);

const SYSTEM = 'Be brief.';

/** Answers as models write them: what may be lost on the way through a library. */
const ANSWERS = [
  'One line',
  '  white space at both ends \n\n',
  'lines\nwith\n\n```js\nconst a = "b\\n";\n```\n',
  'carriage\r\nreturns\r\n',
  'emoji \u{1F600}, \u4F60\u597D, e\u0301 and "quotes" \\ <tags> &amp;',
];
const prompts = [
  '!think Let me think.\n!echo thought of',
  ...ANSWERS.map((answer) => `!say ${JSON.stringify(answer)}`),
  '!echo the end',
].map((prompt, i) => `${CANARY} ${i}\n${prompt}`);

const openai = () =>
  new OpenAI({ baseURL: recorder.url, apiKey: gw.key, maxRetries: 0, timeout: 20000 });

const langchain = () =>
  new ChatOpenAI({
    model: 'GPT5',
    apiKey: gw.key,
    maxRetries: 0,
    configuration: { baseURL: recorder.url },
  });

/** For the libraries of Vercel: what a model is, and how a turn goes. */
const vercel = (model) => (how) => {
  const messages = [];
  return async (content) => {
    messages.push({ role: 'user', content });
    const options = { model: model(), system: SYSTEM, messages, maxRetries: 0 };
    const result = how === 'whole' ? await generateText(options) : streamText(options);
    const text = await result.text;
    messages.push(...(await result.response).messages);
    return text;
  };
};

/** name -> how -> a conversation: say(content) resolves with the text of the answer. */
const LIBRARIES = {
  openai: (how) => {
    const messages = [{ role: 'system', content: SYSTEM }];
    return async (content) => {
      messages.push({ role: 'user', content });
      const body = { model: 'GPT5', messages };
      const completions = openai().chat.completions;
      const done =
        how === 'whole'
          ? await completions.create(body)
          : await completions.stream(body).finalChatCompletion();
      messages.push(done.choices[0].message);
      return done.choices[0].message.content;
    };
  },
  '@langchain/openai': (how) => {
    const messages = [new SystemMessage(SYSTEM)];
    return async (content) => {
      messages.push(new HumanMessage(content));
      let message;
      if (how === 'whole') message = await langchain().invoke(messages);
      else
        for await (const chunk of await langchain().stream(messages))
          message = message ? message.concat(chunk) : chunk;
      messages.push(how === 'whole' ? message : new AIMessage(message.content));
      return message.content;
    };
  },
  '@ai-sdk/openai': vercel(() =>
    createOpenAI({ baseURL: recorder.url, apiKey: gw.key }).chat('GPT5'),
  ),
  '@ai-sdk/openai-compatible': vercel(() =>
    createOpenAICompatible({ name: 'gw', baseURL: recorder.url, apiKey: gw.key })('GPT5'),
  ),
};

const require = createRequire(import.meta.url);
const shapes = [];

for (const [library, talkTo] of Object.entries(LIBRARIES))
  for (const how of ['whole', 'streamed'])
    test(`${library}, ${how}: a conversation stays in its chat`, async () => {
      const say = talkTo(how);
      const since = (await sim.posts()).at(-1)?.n ?? 0;
      const said = [];
      recorder.bodies = [];
      for (const prompt of prompts) said.push(await say(prompt));
      assert.deepEqual(said, ['thought of', ...ANSWERS, 'the end']);
      const posts = await sim.posts(since);
      assert.equal(new Set(posts.map(({ chat }) => chat)).size, 1, 'one chat');
      assert.deepEqual(posts.slice(1).map(({ prompt }) => prompt), prompts.slice(1));
      const { version } = require(`../e2e/node_modules/${library}/package.json`);
      const { messages } = recorder.bodies.at(-1);
      shapes.push({ library, version, how, answers: said.slice(0, -1), messages });
    });

test('the shapes that the libraries send are those on file', () => {
  const text = `${JSON.stringify(shapes, null, 1).replaceAll(CANARY, 'canary')}\n`;
  if (process.env.UPDATE_CLIENT_HISTORIES) fs.writeFileSync(FILE, text);
  assert.equal(text, fs.readFileSync(FILE, 'utf8'), 'see the head of this file');
});
