// SPDX-License-Identifier: Apache-2.0
// Long answers that a test knows to the byte, and chance that can be repeated.

/** Numbers from 0 to below 1 (mulberry32). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the simulator says to `!bytes N SEED`. */
export function bytesOf(n, seed) {
  const lower = 'abcdefghijklmnopqrstuvwxyz';
  const letters = `${lower} ${lower.toUpperCase()}\n0123456789`;
  let x = seed >>> 0;
  let text = '';
  for (let i = 0; i < n; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    text += letters[x >>> 26];
  }
  return text;
}
