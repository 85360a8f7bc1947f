// SPDX-License-Identifier: Apache-2.0
// Markdown as it comes, as elements: text of a model is never parsed as HTML. Each line is drawn
// once, but the last, which may go on; what is drawn at a time is bounded, and so is what one line
// may cost.

import { h, nodesOf } from './lib.js';

const LINE_MAX = 2000; // characters; what is longer goes on as another line
const BLOCK_NODES = 300; // of one paragraph, list or piece of code; then there is another
const GROUP_BLOCKS = 10; // the style skips the layout of groups that are out of sight
const STEP_MS = 8; // of drawing, before the browser has its turn

// No part of it can be long, so that whatever was written is read in linear time.
const INLINE = new RegExp(
  [
    /`([^`]{1,500})`/,
    /\*\*([^*]{1,500})\*\*/,
    /\*([^*\s][^*]{0,500})\*/,
    /\[([^[\]]{1,200})\]\((https?:\/\/[^\s()]{1,500})\)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);

/** `code`, **strong**, *emphasis* and links to the web. */
function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    parts.push(text.slice(at, found.index));
    const [all, code, strong, emphasis, label, url] = found;
    if (code) parts.push(h('code', {}, code));
    else if (strong) parts.push(h('strong', {}, strong));
    else if (emphasis) parts.push(h('em', {}, emphasis));
    else parts.push(h('a', { href: url, rel: 'noreferrer noopener', target: '_blank' }, label));
    at = found.index + all.length;
  }
  parts.push(text.slice(at));
  return parts;
}

/** How a line begins, the block that it belongs to, and what is in that for it. */
const KINDS = [
  [/^#{1,6} /, 'heading', 'p', (text) => [h('strong', {}, inline(text))]],
  [/^\s*[-*] /, 'ul', 'ul', (text) => [h('li', {}, inline(text))]],
  [/^\s*\d{1,9}[.)] /, 'ol', 'ol', (text) => [h('li', {}, inline(text))]],
  [/^> /, 'quote', 'blockquote', (text) => [...inline(text), ' ']],
];

export class Markdown {
  #place;
  #waiting = ''; // not drawn yet
  #block = null; // the last one, where a line may be added: { kind, element }
  #isCode = false;
  #undo = () => {}; // takes the line without an end away
  #isDue = false;

  /** Draws into `place`. */
  constructor(place) {
    this.#place = place;
  }

  add(text) {
    this.#waiting += text;
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => this.#step(), 50); // a few times a second are enough for eyes
  }

  #step() {
    const until = performance.now() + STEP_MS;
    this.#undo();
    this.#undo = () => {};
    let at = 0;
    for (;;) {
      const ahead = this.#waiting.slice(at, at + LINE_MAX + 1);
      const end = ahead.indexOf('\n');
      this.#isDue = end >= 0 || ahead.length > LINE_MAX;
      if (!this.#isDue && ahead) this.#undo = this.#draw(ahead, true);
      if (!this.#isDue || performance.now() > until) break;
      this.#draw(ahead.slice(0, end >= 0 ? end : LINE_MAX), end >= 0);
      at += end >= 0 ? end + 1 : LINE_MAX;
    }
    this.#waiting = this.#waiting.slice(at);
    if (this.#isDue) setTimeout(() => this.#step());
  }

  /** Gives what takes the line away again. */
  #draw(line, isWhole) {
    if (line.startsWith('```')) return this.#fence();
    if (this.#isCode) return this.#put('code', 'pre', [line, isWhole ? '\n' : '']);
    if (/^\s*$/.test(line)) return this.#end();
    const known = KINDS.find(([begin]) => begin.test(line));
    if (!known) return this.#put('p', 'p', inline(line));
    const [begin, kind, name, make] = known;
    return this.#put(kind, name, make(line.replace(begin, '')), parseInt(line, 10));
  }

  #group() {
    const last = this.#place.lastElementChild;
    if (last && last.childElementCount < GROUP_BLOCKS) return last;
    const group = h('div');
    this.#place.append(group);
    return group;
  }

  #fence() {
    const before = this.#isCode;
    this.#isCode = !before;
    const undo = this.#end();
    return () => {
      undo();
      this.#isCode = before;
    };
  }

  #end() {
    const before = this.#block;
    this.#block = null;
    return () => (this.#block = before);
  }

  #put(kind, name, parts, start) {
    const before = this.#block;
    const isNew =
      before?.kind !== kind || before.element.childNodes.length > BLOCK_NODES || kind === 'heading';
    const more = { code: { tabIndex: 0 }, ol: { start } };
    const element = isNew ? h(name, more[kind] ?? {}) : before.element;
    const added = nodesOf(kind === 'p' && !isNew ? [h('br'), ...parts] : parts);
    element.append(...added);
    if (isNew) this.#group().append(element);
    this.#block = { kind, element };
    return () => {
      added.forEach((node) => node.remove());
      if (isNew) element.remove();
      this.#block = before;
    };
  }
}
