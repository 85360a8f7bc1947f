// SPDX-License-Identifier: Apache-2.0
// A client that keeps its history, as all do, and the proof of what its turns became upstream: each
// message went to a chat together with all that this chat did not know yet, and to no other.

import assert from 'node:assert/strict';
import { CANARY } from './harness.mjs';

let number = 0;

const block = ({ role, content }) => `<${role}>\n${content}\n</${role}>\n`;

/** How a history is written for a chat that knows nothing of it. */
export function transcript(messages) {
  return messages.length === 1 ? messages[0].content : messages.map(block).join('');
}

export class Talk {
  constructor({ stream = true, model = 'GPT5' } = {}) {
    this.stream = stream;
    this.model = model;
    this.messages = [];
  }

  /** One turn at this gateway. Without a whole answer the history stays as it was. */
  async say(gateway, content = `${CANARY} message ${++number}\n!echo answer ${number}`) {
    const messages = [...this.messages, { role: 'user', content }];
    const answer = this.stream
      ? await streamed(gateway, this.model, messages)
      : await plain(gateway, this.model, messages);
    this.messages = [...messages, { role: 'assistant', content: answer }];
    return answer;
  }

  /** The same by the official client. */
  async sayTo(openai, content = `${CANARY} message ${++number}\n!echo answer ${number}`) {
    const messages = [...this.messages, { role: 'user', content }];
    const body = { model: this.model, messages, stream: this.stream };
    const answered = await openai.chat.completions.create(body);
    let answer = '';
    if (!this.stream) answer = answered.choices[0].message.content;
    else for await (const chunk of answered) answer += chunk.choices[0]?.delta?.content ?? '';
    this.messages = [...messages, { role: 'assistant', content: answer }];
    return answer;
  }

  /** { chat, turn, isContinued } of each turn; fails when one went to a wrong chat. Continued is
   *  what went alone to the chat of the turn before. */
  judge(posts) {
    const taken = posts.filter((post) => post.status === 200);
    const users = this.messages.flatMap(({ role }, at) => (role === 'user' ? [at] : []));
    return users.map((at) => judgeTurn(taken, this.messages.slice(0, at + 1)));
  }
}

async function streamed(gateway, model, messages) {
  const stream = await (await gateway.stream({ model, messages })).whole();
  assert.equal(stream.error, undefined);
  assert.ok(stream.done, 'the stream ended early');
  return stream.text;
}

async function plain(gateway, model, messages) {
  const answer = await gateway.post({ model, messages });
  assert.equal(answer.status, 200, answer.text);
  return answer.json().choices[0].message.content;
}

/** What `chat` knows after these posts: how many of `messages`, the last of which is the user's. */
function knownTo(posts, messages) {
  let known = 0;
  for (const { prompt } of posts) {
    const end = messages.findIndex(
      ({ role }, at) =>
        at >= known && role === 'user' && prompt === transcript(messages.slice(known, at + 1)),
    );
    assert.ok(end >= 0, `not what the chat needed to be told: ${JSON.stringify(prompt)}`);
    known = end + 2; // the answer, too
  }
  return known;
}

/** The last of `messages` is the user's; before it stands what the client knew then. */
function judgeTurn(posts, messages) {
  const { content } = messages.at(-1);
  const end = block(messages.at(-1));
  const own = posts.filter(({ prompt }) => prompt === content || prompt.endsWith(end));
  assert.equal(own.length, 1, `${own.length} posts for ${JSON.stringify(content)}`);
  const [{ chat, turn, n, prompt }] = own;
  const told = posts.filter((post) => post.chat === chat && post.n <= n);
  assert.equal(turn, told.length);
  assert.equal(knownTo(told, messages), messages.length + 1, 'the chat knows all');
  return { chat, turn, isContinued: turn > 1 && prompt === content };
}

/** What a held conversation looks like: one chat, each prompt only the new message. */
export function assertHeld(talk, posts) {
  const turns = talk.judge(posts);
  assert.equal(new Set(turns.map(({ chat }) => chat)).size, 1, 'one chat');
  assert.deepEqual(
    posts.map(({ prompt, turn }) => [prompt, turn]),
    talk.messages.filter(({ role }) => role === 'user').map(({ content }, i) => [content, i + 1]),
  );
}
