// SPDX-License-Identifier: Apache-2.0
// What operators see and do. Each view: (content, run, say) => what ends it.

import {
  api,
  bars,
  bytes,
  confirm,
  copy,
  dialog,
  duration,
  empty,
  fill,
  h,
  legend,
  meter,
  money,
  number,
  percent,
  short,
  table,
  tag,
  tile,
  when,
} from './lib.js';
import { t } from './i18n.js';

const panel = (title, ...children) =>
  h('section', { class: 'panel' }, title ? h('h2', {}, title) : null, children);
const tiles = (...list) => h('dl', { class: 'tiles' }, list);
const button = (text, onclick, kind) => h('button', { onclick, class: kind, type: 'button' }, text);

/* ---- what runs ---- */

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

const quantiles = (q) => (q ? duration(q.p50) : '–');
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
    { name: t('model'), of: (r) => r.model ?? '–' },
    {
      name: t('upstream'),
      of: (r) => [r.upstream, r.account].filter(Boolean).join(' / ') || '–',
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

/* ---- accounts and models ---- */

const accountTag = (a) =>
  tag(
    a.state === 'signed_out' ? t('signed_out_state') : t(a.state),
    a.state === 'signed_out' ? 'bad' : a.state === 'unknown' ? 'warn' : '',
  );

const quotaLine = (q) => {
  const share = q.share ?? (q.limit ? (100 * (q.used ?? 0)) / q.limit : 0);
  return h(
    'div',
    {},
    h(
      'div',
      { class: 'row soft' },
      q.name,
      h('span', {}, q.used === null ? percent(share) : `${number(q.used)} / ${number(q.limit)}`),
      q.resets ? `${t('resets')} ${when(q.resets)}` : '',
    ),
    meter(share, `${t('quota')} ${q.name}`),
  );
};

export function accounts(content, run, say) {
  const load = () =>
    run(async () => {
      const { data } = await api('GET', 'accounts');
      fill(
        content,
        data.length
          ? h('div', { class: 'two' }, data.map(card))
          : panel('', empty(t('accounts_none'), t('accounts_hint'))),
      );
    });
  const act = async (a, what, word) => {
    const path = ['accounts', a.upstream, a.name, what].map(encodeURIComponent).join('/');
    if ((await run(() => api('POST', path))) && (await load(), true)) say(word);
  };
  const card = (a) =>
    panel(
      `${a.upstream} / ${a.name}`,
      h('p', {}, accountTag(a), a.plan ? ` ${t('plan')}: ${a.plan}` : ''),
      a.problem ? h('p', { class: 'error' }, a.problem) : null,
      a.quota.map(quotaLine),
      h(
        'p',
        { class: 'soft' },
        `${number(a.running)}${a.max_parallel ? ` / ${number(a.max_parallel)}` : ''} ${t('of_parallel')}, ${number(a.waiting)} ${t('in_line')}`,
      ),
      a.cooldowns.map((c) =>
        h(
          'p',
          {},
          tag(t('cooldowns'), 'warn'),
          ` ${c.model ?? t('all')}: ${c.why} ${c.until ? `(${t('until')} ${when(c.until)})` : ''}`,
        ),
      ),
      h(
        'div',
        { class: 'row' },
        button(t('recheck'), () => act(a, 'check', t('checked'))),
        a.cooldowns.length ? button(t('clear'), () => act(a, 'clear', t('cleared'))) : null,
      ),
    );
  load();
}

export function models(content, run) {
  const targetOf = (target) =>
    h(
      'div',
      {},
      `${target.upstream}: ${target.model} `,
      target.weight ? h('small', {}, `${t('weight')} ${target.weight} `) : null,
      tag(
        t(target.health),
        target.health === 'good' ? '' : target.health === 'open' ? 'bad' : 'warn',
      ),
      target.failures_percent
        ? h('small', {}, ` ${percent(target.failures_percent)} ${t('failures')}`)
        : null,
      target.until ? h('small', {}, ` ${t('until')} ${when(target.until)}`) : null,
    );
  run(async () => {
    const { data } = await api('GET', 'routes');
    const columns = [
      {
        name: t('model'),
        of: (r) =>
          h(
            'div',
            {},
            h('strong', {}, r.model),
            r.aliases.length
              ? h('div', { class: 'soft' }, `${t('aliases')} ${r.aliases.join(', ')}`)
              : null,
          ),
      },
      { name: t('strategy'), of: (r) => t(r.strategy) },
      { name: t('targets'), of: (r) => h('div', {}, r.targets.map(targetOf)) },
    ];
    fill(
      content,
      panel(
        '',
        data.length ? table(t('models'), columns, data) : empty(t('models_none'), t('models_hint')),
      ),
    );
  });
}

/* ---- keys ---- */

const BUDGETS = [
  ['tokens', 'day'],
  ['tokens', 'month'],
  ['tokens', 'ever'],
  ['money', 'day'],
  ['money', 'month'],
  ['money', 'ever'],
];
const amount = (unit, n) => (unit === 'money' ? money(n) : short(n));

function limitsOf(key) {
  const list = [
    key.requests_per_minute && `${number(key.requests_per_minute)} ${t('per_minute_requests')}`,
    key.tokens_per_minute && `${short(key.tokens_per_minute)} ${t('per_minute_tokens')}`,
    key.parallel_requests && `${number(key.parallel_requests)} ${t('parallel')}`,
  ].filter(Boolean);
  return h(
    'div',
    {},
    list.map((text) => h('div', {}, text)),
    key.budgets.map((b) =>
      h(
        'div',
        {},
        `${amount(b.unit, b.used ?? 0)} ${t('used_of')} ${amount(b.unit, b.limit)} (${t(`${b.unit}_${b.per}`)})`,
        meter((100 * (b.used ?? 0)) / b.limit, t(`${b.unit}_${b.per}`)),
      ),
    ),
    list.length + key.budgets.length ? null : h('span', { class: 'soft' }, t('no_limit')),
  );
}

const stateOf = (key) =>
  key.disabled
    ? tag(t('disabled'), 'warn')
    : key.expires && key.expires * 1000 <= Date.now()
      ? tag(t('expired'), 'bad')
      : tag(t('works'));

/** The form of a key; send(members) rejects with what is wrong. */
function keyForm(title, key, send) {
  const text = (name, label, value, more = {}) =>
    h('label', {}, label, h('input', { name, value: `${value ?? ''}`, ...more }));
  const count = (name, label, value) =>
    text(name, label, value, {
      type: 'number',
      min: '1',
      step: '1',
      placeholder: t('no_limit'),
    });
  const budget = (unit, per) => key.budgets.find((b) => b.unit === unit && b.per === per)?.limit;
  dialog(title, (close) => {
    const problem = h('p', { class: 'error', role: 'alert' });
    const form = h(
      'form',
      {},
      h(
        'div',
        { class: 'fields' },
        text('name', t('name'), key.name, { required: true, maxlength: '64' }),
        text(
          'expires',
          t('expires'),
          key.expires ? new Date(key.expires * 1000).toISOString().slice(0, 10) : '',
          { type: 'date' },
        ),
        h(
          'label',
          { class: 'wide' },
          t('allowed_models'),
          h('textarea', { name: 'models', rows: '2' }, key.models.join('\n')),
        ),
        count('requests_per_minute', t('per_minute_requests'), key.requests_per_minute),
        count('tokens_per_minute', t('per_minute_tokens'), key.tokens_per_minute),
        count('parallel_requests', t('parallel'), key.parallel_requests),
        h(
          'label',
          { class: 'inline' },
          h('input', { type: 'checkbox', name: 'disabled', checked: key.disabled }),
          t('disabled'),
        ),
        h(
          'fieldset',
          { class: 'wide' },
          h('legend', {}, t('budgets')),
          h(
            'div',
            { class: 'fields' },
            BUDGETS.map(([unit, per]) => {
              const value = budget(unit, per);
              return text(
                `${unit}_${per}`,
                t(`${unit}_${per}`),
                value && unit === 'money' ? value / 1e6 : value,
                {
                  type: 'number',
                  min: '0',
                  step: unit === 'money' ? 'any' : '1',
                  placeholder: t('no_limit'),
                },
              );
            }),
          ),
        ),
      ),
      problem,
      h(
        'div',
        { class: 'row' },
        h('button', { class: 'primary' }, t('save')),
        button(t('cancel'), close),
      ),
    );
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const said = new FormData(form);
      const whole = (name) => (said.get(name) ? Number(said.get(name)) : null);
      try {
        await send({
          name: said.get('name'),
          expires: said.get('expires')
            ? Math.floor(Date.parse(`${said.get('expires')}T23:59:59Z`) / 1000)
            : null,
          disabled: said.get('disabled') !== null,
          models: said
            .get('models')
            .split('\n')
            .map((line) => line.trim())
            .filter(Boolean),
          requests_per_minute: whole('requests_per_minute'),
          tokens_per_minute: whole('tokens_per_minute'),
          parallel_requests: whole('parallel_requests'),
          budgets: BUDGETS.filter(([unit, per]) => said.get(`${unit}_${per}`)).map(
            ([unit, per]) => ({
              unit,
              per,
              limit: Math.round(Number(said.get(`${unit}_${per}`)) * (unit === 'money' ? 1e6 : 1)),
            }),
          ),
        });
        close();
      } catch (error) {
        problem.textContent = error.message;
        if (error.param) form.elements[error.param]?.focus?.();
      }
    });
    return [form];
  });
}

const showSecret = (secret) =>
  dialog(t('secret_title'), (close) => {
    const take = button(t('copy'), () => copy(secret, take), 'primary');
    return [
      h('p', {}, t('secret_text')),
      h('pre', { class: 'secret' }, secret),
      h('div', { class: 'row' }, take, button(t('close'), close)),
    ];
  });

const noKey = { name: '', expires: null, disabled: false, models: [], budgets: [] };

export function keys(content, run) {
  const load = () =>
    run(async () => {
      const { data } = await api('GET', 'keys');
      fill(
        content,
        h('div', {}, button(t('key_new'), add, 'primary')),
        panel(
          '',
          data.length ? table(t('keys'), columns, data) : empty(t('keys_none'), t('keys_hint')),
        ),
      );
    });
  const path = (key, more = '') => `keys/${encodeURIComponent(key.id)}${more}`;
  const add = () =>
    keyForm(t('key_new'), noKey, async (members) => {
      const { secret } = await api('POST', 'keys', members);
      showSecret(secret);
      load();
    });
  const edit = (key) =>
    keyForm(t('key_edit'), key, async (members) => {
      await api('PATCH', path(key), members);
      load();
    });
  const rotate = (key) =>
    confirm(t('rotate_title'), t('rotate_text'), t('rotate'), () =>
      run(async () => {
        showSecret((await api('POST', path(key, '/rotate'))).secret);
        load();
      }),
    );
  const revoke = (key) =>
    confirm(t('revoke_title'), t('revoke_text'), t('revoke'), () =>
      run(async () => {
        await api('DELETE', path(key));
        load();
      }),
    );
  const columns = [
    {
      name: t('name'),
      of: (k) =>
        h(
          'div',
          {},
          h('strong', {}, k.name),
          h('div', { class: 'mono soft' }, `${k.id} …${k.hint}`),
        ),
    },
    { name: t('state'), of: stateOf },
    { name: t('models'), of: (k) => k.models.join(', ') || t('all') },
    { name: t('limits'), of: limitsOf },
    { name: t('expires'), of: (k) => (k.expires ? when(k.expires) : '–') },
    { name: t('last_used'), of: (k) => (k.last_used ? when(k.last_used) : '–') },
    {
      name: '',
      of: (k) =>
        k.source === 'file'
          ? tag(t('from_file'))
          : h(
              'div',
              { class: 'row' },
              button(t('edit'), () => edit(k)),
              button(t('rotate'), () => rotate(k)),
              button(t('revoke'), () => revoke(k), 'danger'),
            ),
    },
  ];
  load();
}

/* ---- usage ---- */

const day = (back) => new Date(Date.now() - back * 86_400_000).toISOString().slice(0, 10);

export function usage(content, run) {
  const asked = { from: day(29), to: day(0), by: 'day' };
  let turn = 0;
  const result = h('div', { class: 'talk' });
  const date = (name) =>
    h(
      'label',
      {},
      t(name),
      h('input', {
        type: 'date',
        value: asked[name],
        required: true,
        onchange: (e) => ((asked[name] = e.target.value), load()),
      }),
    );
  const by = h(
    'select',
    { onchange: (event) => ((asked.by = event.target.value), load()) },
    ['day', 'key', 'model', 'upstream'].map((id) =>
      h('option', { value: id, selected: id === asked.by }, t(id)),
    ),
  );
  const query = (more = '') => `${new URLSearchParams(asked)}${more}`;
  const load = () =>
    run(async () => {
      const mine = ++turn;
      const told = await api('GET', `usage?${query()}`);
      if (mine !== turn) return; // another question is out
      fill(
        result,
        told.data.length
          ? drawUsage(asked, told)
          : panel('', empty(t('usage_none'), t('usage_hint'))),
      );
    });
  const link = (format) =>
    h(
      'a',
      {
        class: 'button',
        href: '#',
        onclick: (event) => {
          event.preventDefault();
          location.assign(`/admin/api/usage/rows?${query(`&format=${format}`)}`);
        },
      },
      `${t('export_rows')}: ${format.toUpperCase()}`,
    );
  fill(
    content,
    h(
      'div',
      { class: 'row' },
      date('from'),
      date('to'),
      h('label', {}, t('by'), by),
      link('csv'),
      link('jsonl'),
    ),
    result,
  );
  load();
}

/** Those of the range without a request, too. */
function everyDay({ from, to }, data) {
  const days = [];
  const known = new Map(data.map((row) => [row.day, row]));
  for (let at = Date.parse(from); at <= Date.parse(to) && days.length < 400; at += 86_400_000) {
    const name = new Date(at).toISOString().slice(0, 10);
    days.push(known.get(name) ?? { day: name, prompt_tokens: 0, completion_tokens: 0 });
  }
  return days;
}

function drawUsage(asked, { data, total }) {
  const name = (row) => row[asked.by] || '–';
  const top = [...data].sort(
    (a, b) => b.prompt_tokens + b.completion_tokens - a.prompt_tokens - a.completion_tokens,
  );
  const rows = asked.by === 'day' ? everyDay(asked, data) : top.slice(0, 12);
  const points = rows.map((row) => ({
    label: asked.by === 'day' ? row.day.slice(5) : name(row).slice(0, 14),
    values: [row.prompt_tokens, row.completion_tokens],
  }));
  const columns = [
    { name: t(asked.by), of: name },
    { name: t('requests'), number: true, of: (r) => number(r.requests) },
    { name: t('failed'), number: true, of: (r) => number(r.failed) },
    { name: t('tokens_in'), number: true, of: (r) => number(r.prompt_tokens) },
    { name: t('cached'), number: true, of: (r) => number(r.cached_tokens) },
    { name: t('tokens_out'), number: true, of: (r) => number(r.completion_tokens) },
    {
      name: t('first_token'),
      number: true,
      of: (r) => duration(r.first_tokens ? r.first_token_ms / r.first_tokens : null),
    },
    { name: t('cost'), number: true, of: (r) => money(r.cost_micros) },
  ];
  return [
    tiles(
      tile(t('requests'), number(total.requests), `${number(total.failed)} ${t('failed')}`),
      tile(t('tokens_in'), short(total.prompt_tokens)),
      tile(t('tokens_out'), short(total.completion_tokens)),
      tile(t('cost'), money(total.cost_micros)),
    ),
    panel(
      t('tokens_by'),
      bars(t('tokens_by'), points, { wide: true }),
      legend(t('tokens_in'), [t('tokens_out'), 'calm']),
    ),
    panel('', table(t('usage'), columns, [...data, { ...total, [asked.by]: t('total') }])),
  ];
}

/* ---- settings ---- */

export function settings(content, run) {
  const level = h('div');
  run(async () => {
    const { data } = await api('GET', 'settings');
    const columns = [
      { name: t('setting'), of: (s) => h('span', { class: 'mono' }, s.name) },
      {
        name: t('value'),
        of: (s) =>
          s.value === null
            ? h('span', { class: 'soft' }, t('not_set'))
            : s.is_secret
              ? t('secret_set')
              : h('span', { class: 'mono' }, s.value),
      },
      {
        name: t('source'),
        of: (s) =>
          t(`source_${s.source.replace(' ', '_')}`).replace('source_command_line', 'command line'),
      },
      { name: '', of: (s) => (s.needs_restart ? h('small', {}, t('restart')) : '') },
    ];
    fill(
      content,
      level,
      h('p', { class: 'soft' }, t('settings_hint')),
      panel('', table(t('settings'), columns, data)),
    );
    drawLevel(level, run);
  });
}

/** A gateway of an older version has no such path. */
async function drawLevel(place, run) {
  const told = await api('GET', 'log-level').catch(() => null);
  if (!told) return;
  const pick = h(
    'select',
    { onchange: () => run(() => api('PUT', 'log-level', { level: pick.value })) },
    ['debug', 'info', 'warn', 'error', 'off'].map((id) =>
      h('option', { value: id, selected: id === told.level }, id),
    ),
  );
  fill(place, h('label', {}, t('log_level'), pick, h('small', {}, t('log_level_hint'))));
}
