// SPDX-License-Identifier: Apache-2.0
// Waiting: always for a condition, always with a deadline that also suits a sanitizer's build.

export const PATIENCE_MS = 30_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What no waiting can mend. */
export const final = (message) => Object.assign(new Error(message), { isFinal: true });

/** Calls `probe` until it gives something true, and returns that; else throws its last error. */
export async function until(probe, what, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  let last;
  for (let pause = 2; ; pause = Math.min(pause * 2, 100)) {
    try {
      last = undefined;
      const value = await probe();
      if (value) return value;
    } catch (error) {
      if (error.isFinal) throw error;
      last = error;
    }
    if (Date.now() > deadline) throw last ?? new Error(`waited ${patience} ms in vain: ${what}`);
    await sleep(pause);
  }
}

/** The promise's outcome, or an error after `patience`. */
export function within(promise, what, patience = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: nothing came in ${patience} ms`)),
      patience,
    );
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Something that is waited for until a test says go: `await gate.opened`, `gate.open()`. */
export function gate() {
  const made = {};
  made.opened = new Promise((resolve) => (made.open = resolve));
  return made;
}

/** Microseconds on CLOCK_MONOTONIC, the clock of the simulator's log. */
export const nowUs = () => Number(process.hrtime.bigint() / 1000n);
