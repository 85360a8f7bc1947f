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

export const fill = (element, ...children) => {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null));
  return element;
};

/* ---- the operators' API ---- */

export class ApiError extends Error {
  constructor(status, message, param) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

let csrf = null; // what changes carry; asked for when the first one is made
let isOpen = false;

export const session = {
  get isOpen() {
    return isOpen;
  },
  close() {
    [isOpen, csrf] = [false, null];
  },
  /** Takes over a session that lives, and gives what the first view needs anyway; null: none. */
  async find() {
    try {
      const { data } = await api('GET', 'problems');
      isOpen = true;
      return data;
    } catch (problem) {
      if (problem instanceof ApiError) return null;
      throw problem;
    }
  },
  async open(key) {
    csrf = (await api('POST', 'session', { key })).csrf;
    isOpen = true;
  },
  async end() {
    await api('DELETE', 'session');
    this.close();
  },
};

async function tokenFor(method, path) {
  const needsNone = method === 'GET' || (method === 'POST' && path === 'session');
  if (needsNone) return {};
  csrf ??= (await api('GET', 'session')).csrf;
  return { 'x-csrf-token': csrf };
}

/** Rejects with ApiError when the gateway says no, with TypeError when it does not answer. */
export async function api(method, path, body) {
  const headers = await tokenFor(method, path);
  if (body !== undefined) headers['content-type'] = 'application/json';
  const answer = await fetch(`/admin/api/${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  if (answer.status === 401) document.dispatchEvent(new Event('signed-out'));
  throw new ApiError(answer.status, told.error?.message ?? `${answer.status}`, told.error?.param);
}

/* ---- numbers ---- */

export const number = (n) => new Intl.NumberFormat(locale()).format(n ?? 0);
export const short = (n) =>
  new Intl.NumberFormat(locale(), { notation: 'compact', maximumFractionDigits: 1 }).format(n ?? 0);
export const money = (micros) =>
  new Intl.NumberFormat(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 4 }).format(
    (micros ?? 0) / 1e6,
  );
export const percent = (share) => `${Math.round(share)} %`;
export const when = (seconds) =>
  new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(
    seconds * 1000,
  );

/** 850 ms, 12.3 s, 4 min, 3 h, 2 d */
export function duration(ms) {
  if (ms === null || ms === undefined) return '\u2013';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

export const bytes = (n) => `${(n / 1048576).toFixed(1)} MiB`;

/* ---- parts ---- */

export const panel = (title, ...children) =>
  h('section', { class: 'panel' }, title ? h('h2', {}, title) : null, children);
export const tiles = (...list) => h('dl', { class: 'tiles' }, list);
export const button = (text, onclick, kind) =>
  h('button', { onclick, class: kind, type: 'button' }, text);

export const tile = (name, value, more) =>
  h(
    'div',
    { class: 'tile' },
    h('dt', {}, name),
    h('dd', {}, value, more ? h('small', {}, ` ${more}`) : null),
  );

export const tag = (text, kind = '') => h('span', { class: `tag ${kind}` }, text);

export const empty = (text, more) =>
  h('div', { class: 'empty' }, h('p', {}, text), more ? h('p', {}, more) : null);

/** columns: [{ name, of(row), number }] */
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
              { scope: 'col', class: c.number ? 'number' : null },
              c.name || h('span', { class: 'hidden' }, t('more')),
            ),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) =>
          h(
            'tr',
            {},
            columns.map((c) => h('td', { class: c.number ? 'number' : null }, c.of(row))),
          ),
        ),
      ),
    ),
  );

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

export async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  const before = button.textContent;
  button.textContent = t('copied');
  setTimeout(() => (button.textContent = before), 1500);
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
  const chart = s('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img' });
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

/** What the colors of a chart are: legend(t('a'), [t('b'), 'calm']). */
export const legend = (one, [two, kind]) =>
  h(
    'div',
    { class: 'legend' },
    h('span', {}, h('i'), one),
    h('span', { class: kind }, h('i'), two),
  );
