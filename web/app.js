// SPDX-License-Identifier: Apache-2.0
// The frame: sign-in, sections, languages and themes, what happens when the gateway is gone.

import { ApiError, api, fill, h, session } from './lib.js';
import { current, locale, setLanguage, t } from './i18n.js';

/** Their modules come when somebody goes there: a load has few requests. */
const sections = {
  overview: () => import('./activity.js'),
  live: () => import('./activity.js'),
  problems: () => import('./activity.js'),
  accounts: () => import('./upstreams.js'),
  models: () => import('./upstreams.js'),
  keys: () => import('./keys.js'),
  usage: () => import('./usage.js'),
  playground: () => import('./playground.js'),
  settings: () => import('./settings.js'),
};

const body = document.body;
let leave = () => {}; // ends what the present view has begun
let badge = null;

/* ---- theme and language ---- */

const theme = () => localStorage.getItem('theme') ?? 'auto';
function applyTheme() {
  if (theme() === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme();
}

const choice = (name, label, options, value, change) =>
  h(
    'label',
    {},
    h('span', { class: 'hidden' }, label),
    h(
      'select',
      { name, onchange: (event) => change(event.target.value) },
      options.map(([id, text]) => h('option', { value: id, selected: id === value }, text)),
    ),
  );

const tools = () => [
  choice(
    'language',
    t('language'),
    [
      ['en', 'English'],
      ['zh', '\u4e2d\u6587'],
    ],
    current(),
    (value) => {
      setLanguage(value);
      draw();
    },
  ),
  choice(
    'theme',
    t('theme'),
    ['auto', 'light', 'dark'].map((id) => [id, t(`theme_${id}`)]),
    theme(),
    (value) => {
      localStorage.setItem('theme', value);
      applyTheme();
    },
  ),
];

/* ---- sign-in ---- */

function door(note) {
  leave();
  leave = () => {};
  const problem = h('p', { class: 'error', role: 'alert' });
  const key = h('input', {
    name: 'key',
    type: 'password',
    required: true,
    autocomplete: 'current-password',
    'aria-describedby': 'key-hint',
  });
  const send = h('button', { class: 'primary' }, t('signin'));
  async function submit(event) {
    event.preventDefault();
    send.disabled = true;
    problem.textContent = '';
    try {
      await session.open(key.value);
      draw();
    } catch (error) {
      problem.textContent = error instanceof ApiError ? error.message : t('lost');
      send.disabled = false;
      key.select();
    }
  }
  fill(
    body,
    h(
      'main',
      { class: 'door' },
      h(
        'form',
        { onsubmit: submit },
        h('h1', {}, 'enginelabs-2api'),
        note ? h('p', { class: 'notice', role: 'status' }, note) : null,
        h('label', {}, t('admin_key'), key, h('small', { id: 'key-hint' }, t('admin_key_hint'))),
        problem,
        send,
        h('div', { class: 'row' }, tools()),
      ),
    ),
  );
  key.focus();
}

/* ---- sections ---- */

const section = () => {
  const name = location.hash.slice(1);
  return name in sections ? name : 'overview';
};

async function signOut() {
  await session.end().catch(() => session.close());
  door();
}

/** `known`: the problems, where they were just told. */
function draw(known) {
  document.documentElement.lang = locale();
  if (!session.isOpen) return door();
  leave();
  const name = section();
  const notice = h('div', { class: 'said-here', role: 'status', 'aria-live': 'polite' });
  const content = h('div', { class: 'talk' });
  badge = h('span', { hidden: true, class: 'count' });
  fill(
    body,
    h('a', { class: 'skip', href: '#content', onclick: skip }, t('skip')),
    h(
      'div',
      { class: 'frame' },
      h(
        'header',
        { class: 'side' },
        h('div', { class: 'brand' }, 'enginelabs-2api'),
        h(
          'nav',
          { 'aria-label': t('sections') },
          Object.keys(sections).map((id) =>
            h(
              'a',
              { href: `#${id}`, 'aria-current': id === name ? 'page' : null },
              t(id),
              id === 'problems' ? badge : null,
            ),
          ),
        ),
        h('div', { class: 'tools' }, tools(), h('button', { onclick: signOut }, t('signout'))),
      ),
      h(
        'main',
        { id: 'content', tabIndex: -1 },
        h('header', {}, h('h1', {}, t(name))),
        notice,
        content,
      ),
    ),
  );
  document.title = `${t(name)} \u00b7 enginelabs-2api`;
  countProblems(known);
  enter(name, content, notice);
}

function skip(event) {
  event.preventDefault();
  document.getElementById('content').focus();
}

async function countProblems(known) {
  const mine = badge;
  const data = known ?? (await api('GET', 'problems').catch(() => ({ data: [] }))).data;
  mine.hidden = data.length === 0;
  mine.textContent = `${data.length}`;
}

/** Runs a view: it draws, and calls run(f) for what may fail: true when that worked, after more
 *  tries where the gateway did not answer. It may give a function that ends what it began. */
function enter(name, content, notice) {
  let isLeft = false;
  let end;
  const say = (text, kind = '') =>
    fill(notice, text ? h('p', { class: `notice ${kind}` }, text) : null);
  async function run(act, wait = 500) {
    try {
      await act();
      if (!isLeft) say('');
      return true;
    } catch (error) {
      if (isLeft) return false;
      if (error instanceof ApiError) {
        if (session.isOpen) say(error.message, 'bad');
        return false;
      }
      if (!(error instanceof TypeError)) throw error;
      say(t('lost'), 'bad');
      await new Promise((resolve) => setTimeout(resolve, wait));
      return !isLeft && run(act, Math.min(wait * 2, 10_000));
    }
  }
  leave = () => {
    isLeft = true;
    end?.();
    leave = () => {};
  };
  fill(content, h('p', { class: 'soft' }, t('loading')));
  run(async () => {
    const views = await sections[name]();
    if (!isLeft) end = views[name](content, run, say);
  });
}

document.addEventListener('signed-out', () => {
  if (!session.isOpen) return;
  session.close();
  door(t('signed_out'));
});
addEventListener('hashchange', () => location.hash !== '#content' && draw());

async function begin() {
  applyTheme();
  try {
    draw((await session.find()) ?? undefined);
  } catch {
    fill(body, h('main', { class: 'door' }, h('p', { role: 'status' }, t('lost'))));
    setTimeout(begin, 2000);
  }
}
begin();
