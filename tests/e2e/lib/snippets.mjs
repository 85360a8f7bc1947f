// SPDX-License-Identifier: Apache-2.0
// Examples of the documentation. A block of commands below <!-- tested --> is run; what is shown
// below <!-- output --> behind it must come of it. In shown JSON "…" stands for any text, a member
// "…" for further ones, and numbers that tell times, sizes or counts of bytes may be any. In shown
// text "…" stands for anything within a line, and a line of "…" alone for further lines.

import fs from 'node:fs';

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm;
const MARK = /<!-- (tested|output)(?:: ([\w-]+))? -->\n$/;

/** Of a page: { kind, command, line, output?: { kind, text, from, to } }, in order. */
export function snippets(text) {
  const all = [];
  for (const match of text.matchAll(FENCE)) {
    const [whole, kind, body] = match;
    const mark = MARK.exec(text.slice(0, match.index));
    if (mark?.[1] === 'tested')
      all.push({ kind, command: body, line: text.slice(0, match.index).split('\n').length });
    else if (mark?.[1] === 'output')
      all.at(-1).output = { kind, text: body, from: match.index, to: match.index + whole.length };
  }
  return all;
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const pattern = (text) => new RegExp(`^${text.split('…').map(escaped).join('.*')}$`, 's');
const VOLATILE = /^(created|used|share|uptime_s)$|_at$|^expires|_ms$/;

/** Where two values differ, or undefined. */
function jsonDifference(shown, real, at = '') {
  if (typeof shown === 'string' && typeof real === 'string')
    return pattern(shown).test(real) ? undefined : `${at}: shown ${shown}, is ${real}`;
  if (typeof shown === 'number' && typeof real === 'number' && VOLATILE.test(at.split('.').at(-1)))
    return undefined;
  if (shown === null || typeof shown !== 'object' || typeof real !== 'object' || real === null)
    return shown === real ? undefined : `${at}: shown ${JSON.stringify(shown)}, is ${real}`;
  if (Array.isArray(shown) !== Array.isArray(real)) return `${at}: a list or none`;
  const isOpen = Array.isArray(shown) ? shown.at(-1) === '…' : '…' in shown;
  for (const key of Object.keys(shown)) {
    if (isOpen && (key === '…' || shown[key] === '…')) continue;
    const difference = jsonDifference(shown[key], real[key], `${at}.${key}`);
    if (difference) return difference;
  }
  const extra = Object.keys(real).filter((key) => !(key in shown));
  return isOpen || extra.length === 0 ? undefined : `${at}: not shown: ${extra.join(', ')}`;
}

function textDifference(shown, real) {
  const lines = shown.trimEnd().split('\n');
  const given = real.trimEnd().split('\n');
  let at = 0;
  for (const [i, line] of lines.entries()) {
    if (line === '…') {
      if (i === lines.length - 1) return undefined;
      while (at < given.length && !pattern(lines[i + 1]).test(given[at])) at++;
    } else if (at >= given.length || !pattern(line).test(given[at])) {
      return `line ${i + 1}: shown ${line}, is ${given[at] ?? 'no more'}`;
    } else {
      at++;
    }
  }
  return at === given.length ? undefined : `not shown: ${given[at]}`;
}

/** What is shown against what came of it: the first difference, or undefined. */
export function difference({ kind, text }, real) {
  if (kind !== 'json') return textDifference(text, real);
  return jsonDifference(JSON.parse(text), JSON.parse(real));
}

/** JSON as pages have it: what fits into a line stands in one. */
function pretty(value, indent = '') {
  const short = JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ');
  if (value === null || typeof value !== 'object' || indent.length + short.length < 96)
    return short;
  const inner = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((item) => inner + pretty(item, inner))
    : Object.entries(value).map(([k, v]) => `${inner}${JSON.stringify(k)}: ${pretty(v, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${parts.join(',\n')}\n${indent}${close}`;
}

/** What is never twice the same is left out. */
const masked = (text) =>
  text
    .replace(/\b(chatcmpl|cmpl|msg|resp|req|rs|key|file|sk|org|batch)([-_])\w{12,}/g, '$1$2…')
    .replace(/"(hint|from|to)": "[^"]*"/g, '"$1": "…"')
    .replace(/\b[0-9a-f]{32,64}\b/g, '…');

/** The page with what really came in place of what was shown; `real` in the order of snippets. */
export function rewritten(page, all, real) {
  let text = page;
  for (const [i, { output }] of [...all.entries()].reverse()) {
    if (!output || difference(output, real[i]) === undefined) continue;
    const shown = output.kind === 'json' ? pretty(JSON.parse(real[i])) : real[i].trimEnd();
    const block = `\`\`\`${output.kind}\n${masked(shown)}\n\`\`\``;
    text = text.slice(0, output.from) + block + text.slice(output.to);
  }
  return text;
}

export const readPage = (file) => fs.readFileSync(file, 'utf8');
