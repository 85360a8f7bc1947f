// SPDX-License-Identifier: Apache-2.0
// What the simulator says to !unicode and !bytes, made here a second time.

export const UNICODE =
  '\u{1F600} smile, \u{1F468}\u200D\u{1F469}\u200D\u{1F467} family, \u{1F1E9}\u{1F1EA} flag, ' +
  '\u4f60\u597d\uff0c\u4e16\u754c, \u3053\u3093\u306b\u3061\u306f, ' +
  '\u0645\u0631\u062d\u0628\u0627, e\u0301 combined, \u{1D518}\u{1F980}\u{1F680} in a row, ' +
  '"quotes" \\ back / slash\ttab\nline, NUL-free end \u{1F389}';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n0123456789';

export function lcgBytes(n, seed) {
  const out = Buffer.alloc(n);
  for (let i = 0; i < n; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    out[i] = LETTERS.charCodeAt(seed >>> 26);
  }
  return out.toString('latin1');
}
