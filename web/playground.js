// SPDX-License-Identifier: Apache-2.0
// A talk with a model through /v1, as any client has it.

import { copy, fill, h } from './lib.js';
import { t } from './i18n.js';

const state = { key: '', model: '', system: '', talk: [] };

/* ---- markdown, as elements: text of a model is never parsed as HTML ---- */

/** `code`, **strong**, *emphasis* and links to the web. */
export function inline(text) {
  const parts = [];
  const pattern =
    /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;
  let at = 0;
  for (const found of text.matchAll(pattern)) {
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

/** Blocks of lines: fences, headings, lists, quotations, paragraphs. */
export function markdown(text) {
  const lines = text.split('\n');
  const out = [];
  const take = (test) => {
    const taken = [];
    while (lines.length && test(lines[0])) taken.push(lines.shift());
    return taken;
  };
  const listOf = (name, mark) =>
    h(
      name,
      {},
      take((line) => mark.test(line)).map((line) => h('li', {}, inline(line.replace(mark, '')))),
    );
  while (lines.length) {
    const line = lines[0];
    if (/^\s*$/.test(line)) lines.shift();
    else if (line.startsWith('```')) {
      lines.shift();
      const code = take((one) => !one.startsWith('```'));
      lines.shift();
      out.push(h('pre', { tabIndex: 0 }, code.join('\n')));
    } else if (/^#{1,6} /.test(line))
      out.push(h('p', {}, h('strong', {}, inline(lines.shift().replace(/^#+ /, '')))));
    else if (/^\s*[-*] /.test(line)) out.push(listOf('ul', /^\s*[-*] /));
    else if (/^\s*\d+[.)] /.test(line)) out.push(listOf('ol', /^\s*\d+[.)] /));
    else if (line.startsWith('> '))
      out.push(
        h(
          'blockquote',
          {},
          inline(
            take((one) => one.startsWith('> '))
              .map((one) => one.slice(2))
              .join(' '),
          ),
        ),
      );
    else {
      const paragraph = [
        lines.shift(),
        ...take((one) => one.trim() && !/^(```|#{1,6} |> |\s*[-*] |\s*\d+[.)] )/.test(one)),
      ];
      out.push(
        h(
          'p',
          {},
          paragraph.flatMap((one, i) => (i ? [h('br'), ...inline(one)] : inline(one))),
        ),
      );
    }
  }
  return out;
}

/* ---- the call ---- */

const messages = () => [
  ...(state.system ? [{ role: 'system', content: state.system }] : []),
  ...state.talk.filter(({ content }) => content).map(({ role, content }) => ({ role, content })),
];
const headers = () => (state.key ? { authorization: `Bearer ${state.key}` } : {});

/** Calls each(delta) for the pieces of an answer; rejects with the gateway's words. */
async function stream(signal, each) {
  const answer = await fetch('/v1/chat/completions', {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json', ...headers() },
    body: JSON.stringify({ model: state.model, stream: true, messages: messages() }),
  });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error?.message ?? `${answer.status}`);
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      const data = event.startsWith('data: ') ? event.slice(6) : '';
      if (!data || data === '[DONE]') continue;
      const told = JSON.parse(data);
      if (told.error) throw new Error(told.error.message);
      if (told.choices[0]) each(told.choices[0].delta);
    }
  }
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

function drawSaid({ role, content, reasoning, problem }) {
  return h(
    'article',
    { class: `said ${role}` },
    h('h2', {}, t(role === 'user' ? 'you' : 'assistant')),
    reasoning ? h('details', {}, h('summary', {}, t('reasoning')), markdown(reasoning)) : null,
    markdown(content),
    problem ? h('p', { class: 'error', role: 'alert' }, problem) : null,
  );
}

export function playground(content, run) {
  let abort = null;
  const talk = h('div', { class: 'talk', 'aria-live': 'polite' });
  const model = h('select', { name: 'model', onchange: () => (state.model = model.value) });
  const said = h('textarea', { name: 'message', rows: '3', required: true });
  const send = h('button', { class: 'primary' }, t('send'));
  const stop = h(
    'button',
    { type: 'button', disabled: true, onclick: () => abort?.abort() },
    t('stop'),
  );
  const code = h('div');

  const draw = () =>
    fill(
      talk,
      state.talk.length ? state.talk.map(drawSaid) : h('p', { class: 'soft' }, t('talk_empty')),
    );
  const drawCode = () => {
    const list = messages().length ? messages() : [{ role: 'user', content: 'Hello!' }];
    fill(
      code,
      Object.entries(snippets(location.origin, state.model || 'MODEL', list)).map(
        ([name, text]) => {
          const take = h('button', { type: 'button', onclick: () => copy(text, take) }, t('copy'));
          return h('details', {}, h('summary', {}, name), h('pre', { tabIndex: 0 }, text), take);
        },
      ),
    );
  };
  const loadModels = () =>
    run(async () => {
      const answer = await fetch('/v1/models', { headers: headers() });
      const told = await answer.json();
      const list = answer.ok ? told.data.map(({ id }) => id) : [];
      if (!list.includes(state.model)) state.model = list[0] ?? '';
      fill(
        model,
        list.map((id) => h('option', { value: id, selected: id === state.model }, id)),
      );
      drawCode();
    });
  async function submit(event) {
    event.preventDefault();
    state.talk.push({ role: 'user', content: said.value });
    said.value = '';
    const answer = { role: 'assistant', content: '', reasoning: '' };
    abort = new AbortController();
    [send.disabled, stop.disabled] = [true, false];
    let due = false;
    const later = () => {
      if (due) return;
      due = true;
      requestAnimationFrame(() => {
        due = false;
        draw();
      });
    };
    try {
      const asked = stream(abort.signal, (delta) => {
        answer.content += delta.content ?? '';
        answer.reasoning += delta.reasoning_content ?? '';
        later();
      });
      state.talk.push(answer);
      draw();
      await asked;
    } catch (error) {
      answer.problem = error.name === 'AbortError' ? t('talk_stopped') : error.message;
    }
    [send.disabled, stop.disabled] = [false, true];
    draw();
    drawCode();
    said.focus();
  }

  fill(
    content,
    h(
      'section',
      { class: 'panel' },
      h(
        'div',
        { class: 'row top' },
        h(
          'label',
          {},
          t('client_key'),
          h('input', {
            type: 'password',
            name: 'client-key',
            value: state.key,
            autocomplete: 'off',
            onchange: (e) => ((state.key = e.target.value), loadModels()),
          }),
          h('small', {}, t('client_key_hint')),
        ),
        h('label', {}, t('model'), model),
        h(
          'label',
          {},
          t('system'),
          h('input', {
            name: 'system',
            value: state.system,
            onchange: (e) => ((state.system = e.target.value), drawCode()),
          }),
        ),
      ),
    ),
    talk,
    h(
      'form',
      { class: 'panel', onsubmit: submit },
      h('label', {}, t('message'), said),
      h(
        'div',
        { class: 'row' },
        send,
        stop,
        h(
          'button',
          {
            type: 'button',
            onclick: () => {
              state.talk = [];
              draw();
              drawCode();
            },
          },
          t('clear_talk'),
        ),
      ),
    ),
    h('section', { class: 'panel' }, h('h2', {}, t('code')), code),
  );
  draw();
  drawCode();
  loadModels();
  said.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) said.form.requestSubmit();
  });
  return () => abort?.abort();
}
