// SPDX-License-Identifier: Apache-2.0
// Clients that ask one question after the other, each for an answer that is known to the byte:
// streams and whole answers, on new connections and on kept ones. No failure is forgiven.

import assert from 'node:assert/strict';
import http from 'node:http';
import { bytesOf, randomOf } from './bytes.mjs';
import { fetchWhole } from './http.mjs';
import { outcomeOf } from './outcome.mjs';

export class Load {
  /** `target` has a port and headers(). `longest` bounds an answer's characters. */
  constructor(target, { clients = 16, seed = 1, longest = 2000, model = 'GPT5' } = {}) {
    this.target = target;
    this.longest = longest;
    this.model = model;
    this.tally = { whole: 0, streams: 0, kept: 0, bytes: 0, failed: [] };
    this.isOver = false;
    this.running = Array.from({ length: clients }, (_, i) => this.#client(i, seed * 1000 + i));
  }

  async #client(number, seed) {
    const random = randomOf(seed);
    // Every other one keeps its connection.
    const agent = number % 2 ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : false;
    for (let i = 0; !this.isOver; i++) {
      try {
        await this.#ask(random, agent);
      } catch (error) {
        const what = `${error.code ?? ''} ${error.message}`;
        this.tally.failed.push(`client ${number}, request ${i}: ${what}`);
        if (this.tally.failed.length > 20) break;
      }
    }
    if (agent) agent.destroy();
  }

  async #ask(random, agent) {
    const size = 100 + Math.floor(random() * this.longest);
    const seed = Math.floor(random() * 2 ** 31);
    const stream = random() < 0.6;
    const content = `!pacing 2 ${1 + Math.floor(random() * 20)}\n!bytes ${size} ${seed}`;
    const answer = await fetchWhole(this.target.port, {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: this.target.headers({ 'content-type': 'application/json' }),
      body: JSON.stringify({ model: this.model, stream, messages: [{ role: 'user', content }] }),
      agent,
    });
    const { text, code } = outcomeOf(answer);
    assert.equal(code, undefined, `refused: ${answer.text.slice(0, 300)}`);
    assert.ok(text === bytesOf(size, seed), 'wrong bytes');
    this.tally.whole++;
    this.tally.streams += stream ? 1 : 0;
    this.tally.kept += agent ? 1 : 0;
    this.tally.bytes += size;
  }

  /** Lets each finish what it asked; the tally. */
  async end() {
    this.isOver = true;
    await Promise.all(this.running);
    return this.tally;
  }
}
