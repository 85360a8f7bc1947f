// SPDX-License-Identifier: Apache-2.0
// What the gateway does now: its counts, what runs, and what is wrong.
// Each view: (content, run, say) => what ends it.

import {
  api,
  bars,
  button,
  bytes,
  confirm,
  duration,
  empty,
  fill,
  h,
  legend,
  number,
  panel,
  short,
  table,
  tag,
  tile,
  tiles,
} from './lib.js';
import { t } from './i18n.js';

/** Calls on.live(data), on.overview(data) as they come; gives what ends it. */
function listen(run, on) {
  let source;
  let isOver = false;
  const open = () => {
    source = new EventSource('/admin/api/live');
    for (const [name, take] of Object.entries(on))
      source.addEventListener(name, (event) => take(JSON.parse(event.data)));
    source.onerror = () => {
      source.close();
      // A call says why: signed out, or gone. When it works again, so does this.
      if (!isOver)
        run(() => api('GET', 'overview')).then(
          (works) => works && !isOver && setTimeout(open, 500),
        );
    };
  };
  open();
  return () => {
    isOver = true;
    source.close();
  };
}

const quantiles = (q) => (q ? duration(q.p50) : '\u2013');
const ninety = (q) => (q ? `${t('p99')}: ${duration(q.p99)}` : '');

function drawOverview(top, o) {
  fill(
    top,
    o.demo ? h('p', { class: 'notice' }, t('demo')) : null,
    tiles(
      tile(t('requests'), number(o.requests)),
      tile(t('failed'), number(o.failed)),
      tile(t('running'), number(o.running), `${number(o.connections)} ${t('connections')}`),
      tile(t('first_token'), quantiles(o.first_token_ms), ninety(o.first_token_ms)),
      tile(t('answer_time'), quantiles(o.duration_ms), ninety(o.duration_ms)),
      tile(t('tokens_in'), short(o.prompt_tokens)),
      tile(t('tokens_out'), short(o.completion_tokens)),
      tile(t('memory'), bytes(o.memory_bytes)),
      tile(
        t('uptime'),
        duration(o.uptime_s * 1000),
        o.state === 'draining' ? t('draining') : o.version,
      ),
      tile(t('store'), o.store.name, o.store.ready ? t('store_ready') : o.store.problem),
    ),
  );
}

const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 5);

function drawMinutes(below, minutes) {
  const points = (values) => minutes.map((m) => ({ label: clock(m.at), values: values(m) }));
  fill(
    below,
    panel(
      t('last_hour'),
      bars(
        t('last_hour'),
        points((m) => [m.requests - m.failed, m.failed]),
        { second: 'failed' },
      ),
      legend(t('answered'), [t('failed'), 'failed']),
    ),
    panel(
      t('last_hour_tokens'),
      bars(
        t('last_hour_tokens'),
        points((m) => [m.prompt_tokens, m.completion_tokens]),
      ),
      legend(t('tokens_in'), [t('tokens_out'), 'calm']),
    ),
  );
}

export function overview(content, run) {
  const top = h('div', { class: 'talk' });
  const below = h('div', { class: 'two' });
  const load = () =>
    run(async () => {
      const told = await api('GET', 'overview');
      if (!top.isConnected) fill(content, top, below);
      drawOverview(top, told);
      drawMinutes(below, told.minutes ?? []);
    });
  load();
  const timer = setInterval(load, 20_000);
  const end = listen(run, { overview: (told) => top.isConnected && drawOverview(top, told) });
  return () => {
    clearInterval(timer);
    end();
  };
}

export function live(content, run) {
  const end = (request) =>
    confirm(t('end_title'), t('end_text'), t('end_it'), () =>
      run(() => api('DELETE', `live/${encodeURIComponent(request.id)}`)),
    );
  const columns = [
    { name: t('request'), of: (r) => h('span', { class: 'mono' }, r.id) },
    { name: t('key'), of: (r) => r.key },
    { name: t('model'), of: (r) => r.model ?? '\u2013' },
    {
      name: t('upstream'),
      of: (r) => [r.upstream, r.account].filter(Boolean).join(' / ') || '\u2013',
    },
    { name: t('state'), of: (r) => tag(t(r.state)) },
    { name: t('age'), number: true, of: (r) => duration(r.age_ms) },
    { name: t('first_token'), number: true, of: (r) => duration(r.first_token_ms) },
    { name: t('tokens'), number: true, of: (r) => number(r.completion_tokens) },
    { name: '', of: (r) => button(t('end_it'), () => end(r), 'danger') },
  ];
  let shown = '';
  return listen(run, {
    live: ({ data }) => {
      // What has the focus must stay where it is, as long as the same requests run.
      const now = JSON.stringify(data);
      if (now === shown) return;
      shown = now;
      const focused = document.activeElement?.closest?.('tr')?.dataset.id;
      fill(
        content,
        panel(
          t('live_requests'),
          data.length
            ? table(t('live_requests'), columns, data)
            : empty(t('live_none'), t('live_hint')),
        ),
      );
      [...content.querySelectorAll('tbody tr')].forEach((row, i) => (row.dataset.id = data[i].id));
      if (focused) content.querySelector(`tr[data-id="${CSS.escape(focused)}"] button`)?.focus();
    },
  });
}

export function problems(content, run) {
  run(async () => {
    const { data } = await api('GET', 'problems');
    fill(
      content,
      data.length
        ? data.map((one) =>
            panel(
              one.what,
              h(
                'p',
                {},
                tag(one.severity, one.severity === 'error' ? 'bad' : 'warn'),
                ' ',
                one.problem,
              ),
              h('p', {}, h('strong', {}, `${t('remedy')}: `), one.remedy),
            ),
          )
        : panel('', empty(t('problems_none'), t('problems_hint'))),
    );
  });
}
