// SPDX-License-Identifier: Apache-2.0
// What became of a request, whether it was asked for whole or as a stream: a whole answer, or an
// error that says so. Anything in between is a failure of the test.

import assert from 'node:assert/strict';
import { assertBrokenOff, assertError } from './errors.mjs';

const EVENTS = {
  upstream_timeout: 504,
  upstream_interrupted: 502,
  upstream_protocol: 502,
  upstream_unavailable: 502,
  upstream_auth_failed: 502,
  upstream_challenge: 502,
  insufficient_quota: 429,
  rate_limit_exceeded: 429,
};

/** { text } of an answer that is whole; else { status, code, retryAfter } and, when it came as an
 *  event of a stream that had begun, isEvent and the text before it. */
export function outcomeOf(answer) {
  if (answer.headers['content-type'].startsWith('text/event-stream')) return ofStream(answer);
  if (answer.status === 200) {
    const [choice] = answer.json().choices;
    assert.equal(choice.finish_reason, 'stop');
    return { text: choice.message.content };
  }
  const { code } = answer.json().error;
  assertError(answer, { status: answer.status, code });
  const retryAfter = Number(answer.headers['retry-after'] ?? NaN);
  return { status: answer.status, code, retryAfter };
}

function ofStream({ status: opened, text: body }) {
  const data = [...body.matchAll(/^data: (.*)$/gm)].map(([, line]) => line);
  const done = data.at(-1) === '[DONE]';
  const events = data.slice(0, done ? -1 : undefined).map((line) => JSON.parse(line));
  const error = events.find((event) => event.error)?.error;
  const chunks = events.filter((event) => !event.error);
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('');
  const finishReasons = chunks.map((chunk) => chunk.choices[0].finish_reason).filter(Boolean);
  if (!error) {
    assert.deepEqual([opened, finishReasons, done], [200, ['stop'], true], 'a cut answer');
    return { text };
  }
  const status = EVENTS[error.code];
  assertBrokenOff({ status: opened, error, events, finishReasons, done }, { status });
  return { status, code: error.code, text, isEvent: true };
}
