// SPDX-License-Identifier: Apache-2.0
// What a test file has opened and what must not be seen in any log: one list each, for harness.mjs
// to close and to check at the end of the file.

import assert from 'node:assert/strict';

const closers = [];
const logs = []; // { name, text() }
const secrets = new Map(); // value -> what it is

/** Has `close` called, last opened first, when the file ends. */
export function onEnd(close) {
  closers.push(close);
}

export async function closeAll() {
  const failures = [];
  while (closers.length > 0) {
    try {
      await closers.pop()();
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}

/** Registers a value that no log may show, and returns it. */
export function secret(value, what = 'a secret') {
  assert.ok(value.length >= 6, 'a secret needs some length to be told from other text');
  secrets.set(value, what);
  return value;
}

/** Registers a text that grows: the output of a program, answers of the gateway. */
export function watch(name, text) {
  logs.push({ name, text });
}

/** Every form in which a secret could be written. */
function forms(value) {
  const forms = [
    value,
    encodeURIComponent(value),
    Buffer.from(value).toString('base64').replace(/=+$/, ''),
  ];
  const json = JSON.stringify(value).slice(1, -1);
  return [...new Set([...forms, json])];
}

/** Says where a secret, or anything that looks like a token, was shown. */
export function findLeaks() {
  const leaks = [];
  for (const { name, text } of logs) {
    const all = text();
    for (const [value, what] of secrets)
      for (const form of forms(value))
        if (all.includes(form))
          leaks.push(`${name} shows ${what}: ${around(all, all.indexOf(form))}`);
    const token = all.match(/eyJ[\w-]{8,}\.[\w-]{8,}/);
    if (token) leaks.push(`${name} shows a token: ${around(all, token.index)}`);
  }
  return leaks;
}

function around(text, at) {
  return JSON.stringify(text.slice(Math.max(0, at - 100), at + 40));
}
