// SPDX-License-Identifier: Apache-2.0
// The frame: sign-in, sections, languages and themes, what happens when the gateway is gone.

import { ApiError, LostError, api, button, fill, h, pause, session, words } from './lib.js';
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
      options.map(([id, text, lang]) =>
        h('option', { value: id, selected: id === value, lang }, text),
      ),
    ),
  );

const tools = () => [
  choice(
    'language',
    t('language'),
    [
      ['en', 'English', 'en'],
      ['zh', '\u4e2d\u6587', 'zh'],
    ],
    current(),
    (value) => {
      setLanguage(value);
      draw(undefined, '[name=language]');
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
      send.disabled = false;
      if (!(error instanceof ApiError)) throw error;
      fill(problem, error.status ? words(error.message) : t('lost_door'));
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
        h('h1', { translate: 'no' }, 'enginelabs-2api'),
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
  leave();
  try {
    await session.end();
    door();
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem;
    const wasOpen = session.isOpen; // else it was over anyway
    session.close();
    if (wasOpen) door(t('signout_lost'));
  }
}

/** `known`: the problems, where they were just told. `focused`: what had the focus. */
function draw(known, focused) {
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
        h('div', { class: 'brand', translate: 'no' }, 'enginelabs-2api'),
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
  if (focused) document.querySelector(focused).focus();
  countProblems(known);
  enter(name, content, notice);
}

function skip(event) {
  event.preventDefault();
  document.getElementById('content').focus();
}

async function countProblems(known) {
  const mine = badge;
  const load = () =>
    api('GET', 'problems').then(
      ({ data }) => data,
      () => null, // whatever it is, the view says it
    );
  const data = known ?? (await load());
  if (!data) return;
  mine.hidden = data.length === 0;
  mine.textContent = `${data.length}`;
}

/** A section's module. Browsers tell a file that does not come as they tell our own mistakes. */
const viewOf = (name) =>
  sections[name]().then(
    (views) => views[name],
    (problem) => {
      throw problem instanceof TypeError ? new LostError(problem.message) : problem;
    },
  );

/** Runs a view: it draws, and calls run(f) for what may fail: true when that worked, after more
 *  tries where the gateway did not answer; else what the gateway said against it is shown, and
 *  given to failed(error). It may give a function that ends what it began. */
function enter(name, content, notice) {
  let isLeft = false;
  let end;
  let runs = 0;
  let told = 0; // the run whose words stand
  const loading = h('p', { class: 'soft' }, t('loading'));
  const say = (text, kind = '', ...more) =>
    fill(notice, text ? h('p', { class: `notice ${kind}` }, text, ' ', more) : null);
  function tell(error, act) {
    loading.remove();
    const again = error.isRead ? button(t('retry'), () => run(act)) : null;
    say(error.status ? words(error.message) : error.message, 'bad', again);
  }
  async function run(act, failed, wait = 500) {
    const mine = ++runs;
    try {
      await act();
      if (!isLeft && mine >= told) say(''); // what a later one was told stays
      return true;
    } catch (error) {
      if (isLeft) return false;
      told = mine;
      if (error instanceof ApiError) {
        tell(error, act);
        failed?.(error);
        return false;
      }
      if (!(error instanceof LostError)) throw error;
      say(t('lost'), 'bad');
      await pause(wait);
      return !isLeft && run(act, failed, Math.min(wait * 2, 10_000));
    }
  }
  leave = () => {
    isLeft = true;
    end?.();
    leave = () => {};
  };
  fill(content, loading);
  run(async () => {
    const view = await viewOf(name);
    if (!isLeft) end = view(content, run, say);
  });
}

document.addEventListener('signed-out', () => {
  if (!session.isOpen) return;
  session.close();
  door(t('signed_out'));
});
addEventListener('hashchange', () => location.hash !== '#content' && draw(undefined, '#content'));
setInterval(() => session.isOpen && !document.hidden && countProblems(), 30_000);

async function begin() {
  applyTheme();
  document.documentElement.lang = locale();
  try {
    draw((await session.find()) ?? undefined);
  } catch (problem) {
    if (!(problem instanceof LostError)) throw problem;
    fill(body, h('main', { class: 'door' }, h('p', { role: 'status' }, t('lost'))));
    setTimeout(begin, 2000);
  }
}
begin();
