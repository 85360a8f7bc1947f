// SPDX-License-Identifier: Apache-2.0
// What the gateway does now: its counts, what runs, and what is wrong.
// Each view: (content, run, say) => what ends it.

import {
  LostError,
  api,
  bars,
  button,
  bytes,
  call,
  confirm,
  duration,
  empty,
  eventsOf,
  fill,
  h,
  legend,
  liveTable,
  mono,
  number,
  own,
  panel,
  pause,
  renew,
  repeat,
  short,
  tag,
  tile,
  tiles,
  words,
} from './lib.js';
import { current, t } from './i18n.js';

const AGAIN_MS = [1000, 30_000]; // between two streams: at first, and at most

/** Calls on.live(data), on.overview(data) as they come, again and again; gives what ends it.
 *  (An EventSource would not tell why there is no stream, and when there may be one.) */
function listen(run, on) {
  const over = new AbortController();
  const { signal } = over;
  let wait = AGAIN_MS[0];
  const options = { accept: 'text/event-stream', signal };
  /** Until it ends; null: none was to be had. */
  async function follow(stream) {
    try {
      for await (const { name, data } of eventsOf(stream)) {
        wait = AGAIN_MS[0];
        on[name]?.(JSON.parse(data));
      }
    } catch (problem) {
      if (!signal.aborted && !(problem instanceof LostError)) throw problem;
    }
  }
  async function go() {
    while (!signal.aborted) {
      let stream = null;
      const refused = (error) => (wait = Math.max(wait, 1000 * error.retryAfter));
      await run(async () => (stream = await call('GET', 'live', options)), refused);
      if (stream) await follow(stream);
      if (signal.aborted) return;
      await pause(wait);
      wait = Math.min(wait * 2, AGAIN_MS[1]);
    }
  }
  go();
  return () => over.abort();
}

const quantiles = (q) => (q ? duration(q.p50) : '\u2013');
const ninety = (q) => (q ? `${t('p99')}: ${duration(q.p99)}` : '');

function drawOverview(top, o) {
  fill(
    top,
    o.demo ? h('p', { class: 'notice' }, t('demo')) : null,
    tiles(
      tile(t('requests'), number(o.requests)),
      tile(t('failed'), number(o.failed), `${t('canceled')}: ${number(o.canceled)}`),
      tile(t('running'), number(o.running), `${number(o.connections)} ${t('connections')}`),
      tile(t('first_token'), quantiles(o.first_token_ms), ninety(o.first_token_ms)),
      tile(t('answer_time'), quantiles(o.duration_ms), ninety(o.duration_ms)),
      tile(t('tokens_in'), short(o.prompt_tokens)),
      tile(t('tokens_out'), short(o.completion_tokens)),
      tile(t('memory'), bytes(o.memory_bytes)),
      tile(
        t('uptime'),
        duration(o.uptime_s * 1000),
        o.state === 'draining' ? t('draining') : own(`${o.host} (${o.process}), ${o.version}`),
      ),
      tile(
        t('store'),
        own(o.store.name),
        o.store.ready ? t('store_ready') : words(o.store.problem),
      ),
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
      drawMinutes(below, told.minutes);
    });
  const ends = [
    repeat(content, load),
    listen(run, { overview: (told) => top.isConnected && drawOverview(top, told) }),
  ];
  return () => ends.forEach((end) => end());
}

const SHOWN_MAX = 100;

/** The oldest first, each with a name of its own: clients may choose ids, and the same ones. */
function oldest(data) {
  const seen = new Map();
  const sorted = [...data].sort((a, b) => a.started - b.started || (a.id < b.id ? -1 : 1));
  return sorted.slice(0, SHOWN_MAX).map((request) => {
    const n = (seen.get(request.id) ?? 0) + 1;
    seen.set(request.id, n);
    return [`${request.id} ${n}`, request];
  });
}

export function live(content, run) {
  const end = (request) =>
    confirm(t('end_title'), [t('end_text'), ' ', mono(request.id)], t('end_it'), () =>
      run(() => api('DELETE', `live/${encodeURIComponent(request.id)}`)),
    );
  const columns = [
    {
      name: `${t('request')}, ${t('key')}`,
      of: (r) => h('div', {}, mono(r.id), h('div', { class: 'soft' }, own(r.key))),
    },
    { name: t('model'), of: (r) => own(r.model ?? '\u2013') },
    {
      name: t('upstream'),
      of: (r) => own([r.upstream, r.account].filter(Boolean).join(' / ') || '\u2013'),
    },
    { name: t('state'), of: (r) => tag(t(r.state)) },
    { name: t('age'), number: true, of: (r) => duration(r.age_ms) },
    { name: t('first_token'), number: true, of: (r) => duration(r.first_token_ms) },
    { name: t('tokens'), number: true, of: (r) => number(r.completion_tokens) },
    { name: '', acts: true, of: (r) => button(t('end_it'), () => end(r), 'danger') },
  ];
  const list = liveTable(t('live_requests'), columns);
  const more = h('p', { class: 'soft' });
  const some = panel(t('live_requests'), list.element, more);
  const none = panel(t('live_requests'), empty(t('live_none'), t('live_hint')));
  return listen(run, {
    live: ({ data, total }) => {
      const rows = oldest(data);
      const now = rows.length ? some : none;
      list.show(rows);
      const n = total - rows.length;
      more.textContent = n > 0 ? `${number(n)} ${t('live_more')}` : '';
      if (!now.isConnected) fill(content, now);
    },
  });
}

// Of these the code says all that there is to say.
const PLAIN = ['draining', 'open', 'same_key'];

/** In English as the gateway says it; else by its code, with what only the gateway knows. */
function problemText(one) {
  if (current() === 'en') return words(one.problem);
  const known = t(`problem_${one.code}`);
  return PLAIN.includes(one.code) ? known : [known, ' ', words(one.problem)];
}

const problemPanel = (one) =>
  panel(
    own(one.what),
    h(
      'p',
      {},
      tag(t(`severity_${one.severity}`), one.severity === 'error' ? 'bad' : 'warn'),
      ' ',
      problemText(one),
    ),
    h('p', {}, h('strong', {}, t('remedy'), ': '), t(`remedy_${one.code}`)),
  );

export function problems(content, run) {
  const load = () =>
    run(async () => {
      const { data } = await api('GET', 'problems');
      renew(
        content,
        data.length
          ? data.map(problemPanel)
          : panel('', empty(t('problems_none'), t('problems_hint'))),
      );
    });
  return repeat(content, load);
}
