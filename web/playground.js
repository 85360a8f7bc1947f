// SPDX-License-Identifier: Apache-2.0
// A talk with a model through /v1, as any client has it.

import {
  ApiError,
  LostError,
  button,
  copyButton,
  eventsOf,
  fill,
  h,
  reach,
  refusalOf,
  words,
} from './lib.js';
import { t } from './i18n.js';
import { Markdown } from './markdown.js';

const ANSWER_MAX = 1_000_000; // characters, reasoning included

const nothing = () => ({ key: '', model: '', system: '', talk: [] });
let state = nothing(); // stays while other sections are looked at, and ends with the session
document.addEventListener('session-over', () => (state = nothing()));

/* ---- the call ---- */

const messages = () => [
  ...(state.system ? [{ role: 'system', content: state.system }] : []),
  ...state.talk.filter(({ content }) => content).map(({ role, content }) => ({ role, content })),
];
const headers = () => (state.key ? { authorization: `Bearer ${state.key}` } : {});

/** Calls each(delta) for the pieces of an answer; rejects when it is none, or not a whole one. */
async function stream(signal, each) {
  const answer = await reach('/v1/chat/completions', {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json', ...headers() },
    body: JSON.stringify({ model: state.model, stream: true, messages: messages() }),
  });
  if (!answer.ok) throw await refusalOf(answer);
  for await (const { data } of eventsOf(answer)) {
    if (data === '[DONE]') return;
    if (!data) continue;
    const told = JSON.parse(data);
    if (told.error) throw new ApiError(answer.status, told.error.message);
    if (told.choices?.[0]) each(told.choices[0].delta);
  }
  throw new LostError('the stream ended before the answer did');
}

/** The same call in other words; the key is named, not shown. */
export function snippets(origin, model, list) {
  const body = JSON.stringify({ model, messages: list }, null, 2);
  const curl = [
    `curl ${origin}/v1/chat/completions \\`,
    `  -H "Authorization: Bearer $API_KEY" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${body.replaceAll("'", `'\\''`)}'`,
  ];
  const python = [
    'import os\n\nfrom openai import OpenAI\n',
    `client = OpenAI(base_url="${origin}/v1", api_key=os.environ["API_KEY"])`,
    'answer = client.chat.completions.create(',
    `    model=${JSON.stringify(model)},`,
    `    messages=${JSON.stringify(list)},`,
    ')\nprint(answer.choices[0].message.content)',
  ];
  const javascript = [
    `import OpenAI from 'openai';\n`,
    `const client = new OpenAI({ baseURL: '${origin}/v1', apiKey: process.env.API_KEY });`,
    `const answer = await client.chat.completions.create(${body});`,
    'console.log(answer.choices[0].message.content);',
  ];
  return {
    curl: curl.join('\n'),
    Python: python.join('\n'),
    JavaScript: javascript.join('\n'),
  };
}

/* ---- the view ---- */

/** What was said, drawn as it comes: more(delta), fail(element). */
function drawSaid({ role, content, reasoning, problem }) {
  const text = h('div');
  const thought = h('div');
  const aside = h('details', { hidden: true }, h('summary', {}, t('reasoning')), thought);
  const wrong = h('p', { class: 'error', role: 'alert', hidden: true });
  const [drawnText, drawnThought] = [new Markdown(text), new Markdown(thought)];
  const element = h(
    'article',
    { class: `said ${role}` },
    h('h2', {}, t(role === 'user' ? 'you' : 'assistant')),
    aside,
    text,
    wrong,
  );
  function more(delta) {
    if (delta.reasoning) aside.hidden = false;
    drawnText.add(delta.content);
    drawnThought.add(delta.reasoning);
  }
  function fail(problem) {
    wrong.hidden = false;
    fill(wrong, problem.isOurs ? t(problem.text) : words(problem.text));
  }
  more({ content, reasoning });
  if (problem) fail(problem);
  return { element, more, fail };
}

/** As it is kept: words of ours by their name, since the language may change. */
function problemOf(error) {
  if (error instanceof ApiError) return { text: error.message };
  if (error.name === 'AbortError') return { isOurs: true, text: 'talk_stopped' };
  if (error instanceof LostError) return { isOurs: true, text: 'talk_cut' };
  if (error instanceof RangeError) return { isOurs: true, text: 'talk_long' };
  throw error;
}

function snippet([name, text]) {
  return h(
    'details',
    {},
    h('summary', { translate: 'no' }, name),
    h('pre', { tabIndex: 0, translate: 'no' }, text),
    copyButton(() => text),
  );
}

function field(label, hint, members) {
  const input = h('input', { autocomplete: 'off', ...members });
  return h('label', {}, label, input, hint ? h('small', {}, hint) : null);
}

export function playground(content, run) {
  let abort = null; // what ends the answer that is on its way
  let turn = 0;
  const talk = h('div', { class: 'talk', 'aria-live': 'polite' });
  const model = h('select', {
    name: 'model',
    translate: 'no',
    onchange: () => ((state.model = model.value), drawCode()),
  });
  const said = h('textarea', { name: 'message', rows: '3', required: true });
  const send = h('button', { class: 'primary' }, t('send'));
  const stop = h(
    'button',
    { type: 'button', disabled: true, onclick: () => abort?.abort() },
    t('stop'),
  );
  const code = h('div');

  function drawTalk() {
    const all = state.talk.map((one) => drawSaid(one).element);
    fill(talk, all.length ? all : h('p', { class: 'soft' }, t('talk_empty')));
  }
  function drawCode() {
    const list = messages().length ? messages() : [{ role: 'user', content: 'Hello!' }];
    const all = snippets(location.origin, state.model || 'MODEL', list);
    fill(code, Object.entries(all).map(snippet));
  }
  const loadModels = () =>
    run(async () => {
      const mine = ++turn;
      const answer = await reach('/v1/models', { headers: headers() });
      if (mine !== turn) return; // another key was given
      // Without a key that is needed there is nothing to say yet.
      if (!answer.ok && (state.key || answer.status !== 401)) throw await refusalOf(answer);
      const list = answer.ok ? (await answer.json()).data.map(({ id }) => id) : [];
      if (!list.includes(state.model)) state.model = list[0] ?? '';
      fill(
        model,
        list.map((id) => h('option', { value: id, selected: id === state.model }, id)),
      );
      drawCode();
    });
  /** Adds what the model says to `answer`, and draws it. */
  async function follow(answer, drawn) {
    try {
      await stream(abort.signal, (delta) => {
        const more = { content: delta.content ?? '', reasoning: delta.reasoning_content ?? '' };
        answer.content += more.content;
        answer.reasoning += more.reasoning;
        drawn.more(more);
        if (answer.content.length + answer.reasoning.length > ANSWER_MAX) throw new RangeError();
      });
    } catch (error) {
      answer.problem = problemOf(error);
      drawn.fail(answer.problem);
    }
  }
  async function submit(event) {
    event.preventDefault();
    if (abort) return; // one at a time
    abort = new AbortController();
    const question = { role: 'user', content: said.value, reasoning: '' };
    const answer = { role: 'assistant', content: '', reasoning: '' };
    said.value = '';
    if (!state.talk.length) fill(talk);
    const [asked, drawn] = [drawSaid(question), drawSaid(answer)];
    talk.append(asked.element, drawn.element);
    [send.disabled, stop.disabled] = [true, false];
    state.talk.push(question, answer);
    try {
      await follow(answer, drawn);
    } finally {
      abort = null;
      [send.disabled, stop.disabled] = [false, true];
      drawCode();
      said.focus();
    }
  }
  function clear() {
    abort?.abort();
    state.talk = [];
    drawTalk();
    drawCode();
  }

  fill(
    content,
    h(
      'section',
      { class: 'panel' },
      h(
        'div',
        { class: 'row top' },
        field(t('client_key'), t('client_key_hint'), {
          type: 'password',
          name: 'client-key',
          value: state.key,
          onchange: (e) => ((state.key = e.target.value), loadModels()),
        }),
        h('label', {}, t('model'), model),
        field(t('system'), null, {
          name: 'system',
          value: state.system,
          onchange: (e) => ((state.system = e.target.value), drawCode()),
        }),
      ),
    ),
    talk,
    h(
      'form',
      { class: 'panel', onsubmit: submit },
      h('label', {}, t('message'), said),
      h('div', { class: 'row' }, send, stop, button(t('clear_talk'), clear)),
    ),
    h('section', { class: 'panel' }, h('h2', {}, t('code')), code),
  );
  drawTalk();
  drawCode();
  loadModels();
  said.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) said.form.requestSubmit();
  });
  return () => abort?.abort();
}
