// SPDX-License-Identifier: Apache-2.0
// What was used, by day, key, model and upstream, and as files.
// Each view: (content, run, say) => what ends it.

import {
  api,
  bars,
  button,
  call,
  download,
  duration,
  empty,
  fill,
  h,
  legend,
  money,
  number,
  own,
  panel,
  short,
  table,
  tile,
  tiles,
} from './lib.js';
import { t } from './i18n.js';

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
      const told = await api('GET', `usage?${query()}`).catch((error) => {
        if (mine === turn) throw error;
      });
      if (mine !== turn) return; // another question is out
      fill(
        result,
        told.data.length
          ? drawUsage(asked, told)
          : panel('', empty(t('usage_none'), t('usage_hint'))),
      );
    });
  /** Asked for none first: a refusal is told here, while a download only fails. */
  const saveRows = (format) =>
    run(async () => {
      const path = `usage/rows?${query(`&format=${format}`)}`;
      await call('GET', `${path}&limit=0`);
      download(`usage.${format}`, `/admin/api/${path}`);
    });
  const saveSums = () =>
    run(async () => {
      const told = await api('GET', `usage?${query()}`);
      const file = new Blob([csvOf(told)], { type: 'text/csv' });
      const url = URL.createObjectURL(file);
      download(`usage-by-${asked.by}.csv`, url);
      URL.revokeObjectURL(url);
    });
  fill(
    content,
    h(
      'div',
      { class: 'row' },
      date('from'),
      date('to'),
      h('label', {}, t('by'), by),
      button(`${t('export_sums')}: CSV`, saveSums),
      button(`${t('export_rows')}: CSV`, () => saveRows('csv')),
      button(`${t('export_rows')}: JSONL`, () => saveRows('jsonl')),
    ),
    result,
  );
  load();
}

/** Sums as RFC 4180 has it; no name is a formula to a spreadsheet (OWASP, "CSV Injection"). */
function csvOf({ by, data, total }) {
  const names = [...by, ...Object.keys(total)];
  const cell = (said) => {
    const value = /^[=+\-@\t\r]/.test(said) ? `'${said}` : said;
    return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  const rows = data.map((row) => names.map((name) => cell(`${row[name] ?? ''}`)));
  return [names, ...rows].map((cells) => `${cells.join(',')}\r\n`).join('');
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
  const name = (row) => row[asked.by] || '\u2013';
  const sum = { ...total };
  const top = [...data].sort(
    (a, b) => b.prompt_tokens + b.completion_tokens - a.prompt_tokens - a.completion_tokens,
  );
  const rows = asked.by === 'day' ? everyDay(asked, data) : top.slice(0, 12);
  const points = rows.map((row) => ({
    label: asked.by === 'day' ? row.day.slice(5) : name(row).slice(0, 14),
    values: [row.prompt_tokens, row.completion_tokens],
  }));
  const columns = [
    { name: t(asked.by), of: (r) => (r === sum ? t('total') : own(name(r))) },
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
    panel('', table(t('usage'), columns, [...data, sum])),
  ];
}
