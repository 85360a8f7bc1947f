// SPDX-License-Identifier: Apache-2.0
// What all views are made of: elements, calls of the operators' API, numbers in words, charts.

import { t, locale } from './i18n.js';

/** An element: h('a', { href: '#x', onclick: f }, 'text', other). No HTML is ever parsed. */
export function h(name, members = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(members)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value !== 'string') element[key] = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined),
  );
  return element;
}

export const nodesOf = (children) =>
  children
    .flat(Infinity)
    .filter((child) => child !== null)
    .map((child) => (typeof child === 'string' ? document.createTextNode(child) : child));

export const fill = (element, ...children) => {
  element.replaceChildren(...nodesOf(children));
  return element;
};

/** As fill(), but what looks as before stays: its focus, what was scrolled, what is pressed. */
export function renew(element, ...children) {
  const fresh = nodesOf(children);
  const before = [...element.childNodes];
  before.slice(fresh.length).forEach((node) => node.remove());
  fresh.forEach((node, i) => {
    if (!before[i]) element.append(node);
    else if (!before[i].isEqualNode(node)) replace(before[i], node);
  });
}

/** Who is at a button by keyboard is at it in the new one. */
function replace(old, fresh) {
  const place = [...(old.querySelectorAll?.('button') ?? [])].indexOf(document.activeElement);
  old.replaceWith(fresh);
  if (place < 0) return;
  const all = fresh.querySelectorAll('button');
  (all[place] ?? all[0])?.focus();
}

/** A name of something, which is the same in all languages. */
export const own = (text) => h('span', { translate: 'no' }, text);
export const mono = (text) => h('span', { class: 'mono', translate: 'no' }, text);
/** What the gateway says, which it does in English. */
export const words = (text) => h('span', { lang: 'en' }, text);

/* ---- the operators' API ---- */

/** The gateway does not answer. */
export class LostError extends Error {}

/** It says no. Status 0: whether a change was made is not known. */
export class ApiError extends Error {
  constructor(status, message, { param, retryAfter = 0, isRead = false } = {}) {
    super(message);
    Object.assign(this, { status, param, retryAfter, isRead });
  }
}

const isJson = ({ headers }) => headers.get('content-type')?.startsWith('application/json');

/** fetch(), whose failures are told from mistakes of our own. */
export async function reach(url, options) {
  const answer = await fetch(url, options).catch((problem) => {
    throw problem.name === 'AbortError' ? problem : new LostError(problem.message);
  });
  // A proxy before the gateway that does not reach it says so in words of its own.
  if (answer.status >= 502 && answer.status <= 504 && !isJson(answer))
    throw new LostError(`${answer.status}`);
  return answer;
}

/** Why an answer is none. */
export async function refusalOf(answer, isRead) {
  const told = isJson(answer) ? await answer.json().catch(() => null) : null;
  return new ApiError(answer.status, told?.error?.message ?? `${t('odd')} ${answer.status}`, {
    param: told?.error?.param,
    retryAfter: Number(answer.headers.get('retry-after')) || 0,
    isRead,
  });
}

let csrf = null; // what changes carry; asked for when the first one is made
let isOpen = false;

/** Whether a session may live, for all tabs: without one, nobody need ask. */
const mark = {
  get is() {
    return localStorage.getItem('session') !== null;
  },
  set(value) {
    if (value) localStorage.setItem('session', 'open');
    else localStorage.removeItem('session');
  },
};

export const session = {
  get isOpen() {
    return isOpen;
  },
  /** Nothing of it stays in the page. */
  close() {
    [isOpen, csrf] = [false, null];
    mark.set(false);
    document.dispatchEvent(new Event('session-over'));
  },
  /** Takes over a session that lives, and gives what the first view needs anyway; null: none. */
  async find() {
    if (!mark.is) return null;
    try {
      const { data } = await api('GET', 'problems');
      isOpen = true;
      return data;
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      mark.set(false);
      return null;
    }
  },
  async open(key) {
    csrf = (await api('POST', 'session', { key })).csrf;
    isOpen = true;
    mark.set(true);
  },
  async end() {
    await api('DELETE', 'session');
    this.close();
  },
};

const needsToken = (method, path) => method !== 'GET' && !(method === 'POST' && path === 'session');

async function ask(method, path, { body, ...more } = {}) {
  const headers = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (needsToken(method, path)) {
    csrf ??= (await api('GET', 'session')).csrf;
    headers['x-csrf-token'] = csrf;
  }
  if (more.accept) headers.accept = more.accept;
  return reach(`/admin/api/${path}`, {
    method,
    headers,
    signal: more.signal,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

/** Another tab may have signed in anew: then there is another token. */
async function hasOtherToken() {
  const before = csrf;
  csrf = (await api('GET', 'session')).csrf;
  return csrf !== before;
}

/** An answer that is one. Rejects with ApiError when the gateway says no, or when it did not answer
 *  to a change; with LostError when it does not answer to a question. */
export async function call(method, path, options) {
  try {
    let answer = await ask(method, path, options);
    if (answer.status === 403 && needsToken(method, path) && (await hasOtherToken()))
      answer = await ask(method, path, options);
    if (answer.ok) return answer;
    if (answer.status === 401) document.dispatchEvent(new Event('signed-out'));
    throw await refusalOf(answer, method === 'GET');
  } catch (problem) {
    if (problem instanceof LostError && method !== 'GET') throw new ApiError(0, t('unanswered'));
    throw problem;
  }
}

/** What it says. */
export async function api(method, path, body) {
  const answer = await call(method, path, { body });
  if (answer.status === 204) return null;
  return answer.json().catch((problem) => {
    throw method === 'GET' ? new LostError(problem.message) : new ApiError(0, t('unanswered'));
  });
}

const EVENT_MAX = 4 << 20; // characters

function eventOf(text) {
  const event = { name: 'message', data: '' };
  for (const line of text.split('\n')) {
    if (line.startsWith('event: ')) event.name = line.slice(7);
    if (line.startsWith('data: ')) event.data += line.slice(6);
  }
  return event;
}

/** The server-sent events of an answer, as they come; rejects with LostError when it breaks off. */
export async function* eventsOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const read = () =>
    reader.read().catch((problem) => {
      throw problem.name === 'AbortError' ? problem : new LostError(problem.message);
    });
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await read();
      if (done) return;
      const whole = (rest + value).split('\n\n');
      rest = whole.pop();
      if (rest.length > EVENT_MAX) throw new LostError('an event without an end');
      for (const text of whole) yield eventOf(text);
    }
  } finally {
    reader.cancel().catch(() => {}); // it broke off, or nobody wants the rest
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Loads now, and then every so often, unless somebody is at work in what is shown. Gives what ends
 *  that. */
export function repeat(content, load) {
  let isOver = false;
  const isUsed = () =>
    document.hidden ||
    document.querySelector('dialog') ||
    content.contains(document.activeElement);
  (async () => {
    await load();
    for (;;) {
      await pause(20_000);
      if (isOver) return;
      if (!isUsed()) await load();
    }
  })();
  return () => (isOver = true);
}

/* ---- numbers ---- */

const formats = new Map(); // making one costs more than all the rest
function formatOf(kind, options) {
  const name = `${locale()} ${JSON.stringify(options)}`;
  if (!formats.has(name)) formats.set(name, new kind(locale(), options));
  return formats.get(name);
}

const numberOf = (n, options = {}) => formatOf(Intl.NumberFormat, options).format(n ?? 0);
export const number = (n) => numberOf(n);
export const short = (n) => numberOf(n, { notation: 'compact', maximumFractionDigits: 1 });
export const money = (micros) =>
  numberOf((micros ?? 0) / 1e6, { minimumFractionDigits: 2, maximumFractionDigits: 4 });
export const percent = (share) => `${Math.round(share)} %`;
export const when = (seconds) =>
  formatOf(Intl.DateTimeFormat, { dateStyle: 'medium', timeStyle: 'short' }).format(seconds * 1000);

const unit = (n, name, digits = 0) =>
  numberOf(n, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits });

/** 850 ms, 12.3 sec, 4 min, 3 hr, 2 days */
export function duration(ms) {
  if (ms === null || ms === undefined) return '\u2013';
  if (ms < 1000) return unit(Math.round(ms), 'millisecond');
  if (ms < 60_000) return unit(ms / 1000, 'second', 1);
  if (ms < 3_600_000) return unit(Math.floor(ms / 60_000), 'minute');
  if (ms < 86_400_000) return unit(Math.floor(ms / 3_600_000), 'hour');
  return unit(Math.floor(ms / 86_400_000), 'day');
}

export const bytes = (n) => unit(n / 1e6, 'megabyte', 1);

/* ---- parts ---- */

export const panel = (title, ...children) =>
  h('section', { class: 'panel' }, title ? h('h2', {}, title) : null, children);
export const tiles = (...list) => h('dl', { class: 'tiles' }, list);
/** Pressed again while act() goes on, it does nothing. */
export function button(text, act, kind) {
  let isBusy = false;
  async function press() {
    if (isBusy) return;
    isBusy = true;
    try {
      await act();
    } finally {
      isBusy = false;
    }
  }
  return h('button', { onclick: press, class: kind, type: 'button' }, text);
}

export const tile = (name, value, more) =>
  h(
    'div',
    { class: 'tile' },
    h('dt', {}, name),
    h('dd', {}, value, more ? h('small', {}, ' ', more) : null),
  );

export const tag = (text, kind = '') => h('span', { class: `tag ${kind}` }, text);

export const empty = (text, more) =>
  h('div', { class: 'empty' }, h('p', {}, text), more ? h('p', {}, more) : null);

const kindOf = ({ number, acts }) => ({ class: number ? 'number' : acts ? 'acts' : null });
const line = (columns, row) =>
  h(
    'tr',
    {},
    columns.map((c) => h('td', kindOf(c), c.of(row))),
  );

/** columns: [{ name, of(row), number, acts }]; what acts is in sight, however wide the table. */
export const table = (caption, columns, rows) =>
  h(
    'div',
    { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': caption },
    h(
      'table',
      {},
      h('caption', { class: 'hidden' }, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          columns.map((c) =>
            h(
              'th',
              { scope: 'col', ...kindOf(c) },
              c.name || h('span', { class: 'hidden' }, t('more')),
            ),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) => line(columns, row)),
      ),
    ),
  );

/** A table whose rows stay where they are while they change: show([[key, row], ...]). */
export function liveTable(caption, columns) {
  const element = table(caption, columns, []);
  const body = element.querySelector('tbody');
  const lines = new Map();
  function drop(key) {
    const gone = lines.get(key);
    // Who is at it by keyboard stays at the table.
    if (gone.contains(document.activeElement)) element.focus();
    gone.remove();
    lines.delete(key);
  }
  function show(rows) {
    const now = new Map(rows);
    for (const key of lines.keys()) if (!now.has(key)) drop(key);
    let next = body.firstChild;
    for (const [key, row] of now) {
      const fresh = line(columns, row);
      const known = lines.get(key);
      if (known) [...known.cells].forEach((cell, i) => renew(cell, ...fresh.cells[i].childNodes));
      else lines.set(key, fresh);
      const here = known ?? fresh;
      if (here === next) next = next.nextSibling;
      else body.insertBefore(here, next);
    }
  }
  return { element, show };
}

export function meter(share, label) {
  const kind = share >= 100 ? 'bad' : share >= 80 ? 'warn' : '';
  const inner = h('i');
  inner.style.width = `${Math.min(100, Math.max(0, share))}%`;
  return h(
    'div',
    {
      class: `bar ${kind}`,
      role: 'meter',
      'aria-label': label,
      'aria-valuenow': `${Math.round(share)}`,
      'aria-valuemin': '0',
      'aria-valuemax': '100',
    },
    inner,
  );
}

/** A dialog that is gone when it is closed; `make(close)` gives what is in it. */
export function dialog(title, make) {
  const box = h('dialog', { 'aria-labelledby': 'dialog-title' });
  const close = () => box.close();
  box.append(h('h2', { id: 'dialog-title' }, title), ...make(close));
  box.addEventListener('close', () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

export const confirm = (title, text, word, act) =>
  dialog(title, (close) => [
    h('p', {}, text),
    h(
      'div',
      { class: 'row' },
      h('button', { class: 'danger', onclick: () => (close(), act()) }, word),
      h('button', { onclick: close }, t('cancel')),
    ),
  ]);

/** Browsers have no navigator.clipboard where there is neither TLS nor this machine. */
function copyOldWay(text, place) {
  const area = h('textarea', { class: 'hidden', readOnly: true, 'aria-hidden': 'true' }, text);
  place.append(area); // inside a dialog nothing else can be selected
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  return isDone;
}

/** Copies what text() gives. */
export function copyButton(text, kind) {
  const take = button(t('copy'), copy, kind);
  take.setAttribute('aria-live', 'polite');
  async function copy() {
    const isNew = await navigator.clipboard?.writeText(text()).then(
      () => true,
      () => false,
    );
    const isDone = isNew || copyOldWay(text(), take.parentNode);
    take.focus();
    take.textContent = t(isDone ? 'copied' : 'copy_by_hand');
    setTimeout(() => (take.textContent = t('copy')), 3000);
  }
  return take;
}

/** Lets the browser keep a file, which does not lead away from here. */
export function download(name, href) {
  const link = h('a', { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

/* ---- charts ---- */

const SVG = 'http://www.w3.org/2000/svg';
function s(name, members = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(members)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Bars, of one or two stacked values a point: [{ label, values: [1, 2] }]. */
export function bars(
  title,
  points,
  { wide = false, height = 170, format = short, second = 'calm' } = {},
) {
  // Drawn for the place that it has, so that its words keep their size.
  const width = innerWidth < 740 ? Math.max(260, innerWidth - 74) : wide ? 940 : 460;
  const left = 48;
  const bottom = 22;
  // Even, so that half of it is a whole number.
  const most =
    2 *
    Math.ceil(Math.max(1, ...points.map(({ values }) => values.reduce((a, b) => a + b, 0))) / 2);
  const step = (width - left) / Math.max(1, points.length);
  const thick = Math.min(44, step * 0.76);
  const y = (value) => (height - bottom - 8) * (value / most);
  const chart = s('svg', {
    class: 'chart',
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    translate: 'no',
  });
  chart.append(s('title', {}, title));
  for (const share of [0, 0.5, 1]) {
    const at = height - bottom - y(most * share);
    chart.append(
      s('line', { class: 'grid', x1: left, x2: width, y1: at, y2: at }),
      s('text', { x: left - 6, y: at + 4, 'text-anchor': 'end' }, format(most * share)),
    );
  }
  const every = Math.ceil(points.length / Math.max(1, Math.floor(width / 70)));
  points.forEach(({ label, values }, i) => {
    let at = height - bottom;
    values.forEach((value, k) => {
      at -= y(value);
      const bar = s('rect', {
        class: k ? second : 'one',
        x: left + (i + 0.5) * step - thick / 2,
        y: at,
        width: thick,
        height: Math.max(0, y(value)),
      });
      bar.append(s('title', {}, `${label}: ${values.map(format).join(' + ')}`));
      chart.append(bar);
    });
    if (i % every === 0)
      chart.append(
        s('text', { x: left + (i + 0.5) * step, y: height - 6, 'text-anchor': 'middle' }, label),
      );
  });
  return chart;
}

/** What the colors of a chart are: legend('a', ['b', 'calm']). */
export const legend = (one, [two, kind]) =>
  h(
    'div',
    { class: 'legend' },
    h('span', {}, h('i'), one),
    h('span', { class: kind }, h('i'), two),
  );
