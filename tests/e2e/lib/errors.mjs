// SPDX-License-Identifier: Apache-2.0
// The errors table of interface.md, as checks.

import assert from 'node:assert/strict';

const TYPES = {
  400: 'invalid_request_error',
  401: 'invalid_request_error',
  403: 'invalid_request_error',
  404: 'invalid_request_error',
  405: 'invalid_request_error',
  408: 'invalid_request_error',
  409: 'invalid_request_error',
  413: 'invalid_request_error',
  415: 'invalid_request_error',
  431: 'invalid_request_error',
  429: 'rate_limit_error',
  502: 'upstream_error',
  503: 'server_error',
  504: 'upstream_error',
};

/** An error object in OpenAI's shape. `want`: status and, if they matter, code and param. */
export function assertErrorObject(error, { status, code, param }) {
  assert.deepEqual(Object.keys(error).sort(), ['code', 'message', 'param', 'type']);
  assert.equal(typeof error.message, 'string');
  assert.ok(error.message.length > 10, `a message that says something: ${error.message}`);
  assert.equal(error.type, TYPES[status]);
  if (code !== undefined) assert.equal(error.code, code, error.message);
  if (param !== undefined) assert.equal(error.param, param, error.message);
  return error;
}

/** A whole answer that is an error. */
export function assertError(answer, want) {
  assert.equal(answer.status, want.status, answer.text);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.ok(answer.headers['x-request-id'], 'x-request-id');
  const body = answer.json();
  assert.deepEqual(Object.keys(body), ['error']);
  if ('retryAfter' in want) assert.equal(answer.headers['retry-after'], want.retryAfter);
  if ('shouldRetry' in want) assert.equal(answer.headers['x-should-retry'], want.shouldRetry);
  return assertErrorObject(body.error, want);
}

/** A stream that broke off after it had begun: one error event, and no sign of an end. */
export function assertBrokenOff(stream, want) {
  assert.equal(stream.status, 200);
  assert.ok(stream.error, `no error event in ${JSON.stringify(stream.events.slice(-3))}`);
  assertErrorObject(stream.error, want);
  assert.equal(stream.events.at(-1).error, stream.error, 'the error comes last');
  assert.deepEqual(stream.finishReasons, [], 'no finish_reason');
  assert.equal(stream.done, false, 'no [DONE]');
}
