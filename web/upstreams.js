// SPDX-License-Identifier: Apache-2.0
// Accounts and models: how they stand, and what can be done about them.
// Each view: (content, run, say) => what ends it.

import {
  api,
  button,
  empty,
  fill,
  h,
  meter,
  number,
  own,
  panel,
  percent,
  renew,
  repeat,
  table,
  tag,
  when,
  words,
} from './lib.js';
import { t } from './i18n.js';

const accountTag = (a) =>
  tag(
    a.state === 'signed_out' ? t('signed_out_state') : t(a.state),
    a.state === 'signed_out' ? 'bad' : a.state === 'unknown' ? 'warn' : '',
  );

const quotaLine = (q) => {
  const share = 100 * (q.share ?? 0);
  return h(
    'div',
    {},
    h(
      'div',
      { class: 'row soft' },
      own(q.name),
      h('span', {}, q.used === null ? percent(share) : `${number(q.used)} / ${number(q.limit)}`),
      q.resets ? `${t('resets')} ${when(q.resets)}` : '',
    ),
    meter(share, `${t('quota')} ${q.name}`),
  );
};

export function accounts(content, run, say) {
  const list = h('div', { class: 'two' });
  const load = () =>
    run(async () => {
      const { data } = await api('GET', 'accounts');
      if (!list.isConnected) fill(content, list);
      renew(
        list,
        data.length
          ? data.map(card)
          : panel('', empty(t('accounts_none'), t('accounts_hint'))),
      );
    });
  const act = async (a, what, word) => {
    const path = ['accounts', a.upstream, a.name, what].map(encodeURIComponent).join('/');
    if ((await run(() => api('POST', path))) && (await load(), true)) say(word);
  };
  const card = (a) =>
    panel(
      own(`${a.upstream} / ${a.name}`),
      h('p', {}, accountTag(a), a.plan ? [` ${t('plan')}: `, own(a.plan)] : ''),
      a.problem ? h('p', { class: 'error' }, words(a.problem)) : null,
      a.quota.map(quotaLine),
      h(
        'p',
        { class: 'soft' },
        `${number(a.running)}${a.max_parallel ? ` / ${number(a.max_parallel)}` : ''} `,
        `${t('of_parallel')}, ${number(a.waiting)} ${t('in_line')}`,
      ),
      a.cooldowns.map((c) =>
        h(
          'p',
          {},
          tag(t('cooldowns'), 'warn'),
          ' ',
          c.model ? own(c.model) : t('all'),
          ': ',
          words(c.why),
          c.until ? ` (${t('until')} ${when(c.until)})` : '',
        ),
      ),
      h(
        'div',
        { class: 'row' },
        button(t('recheck'), () => act(a, 'check', t('checked'))),
        a.cooldowns.length ? button(t('clear'), () => act(a, 'clear', t('cleared'))) : null,
      ),
    );
  return repeat(content, load);
}

export function models(content, run) {
  const targetOf = (target) =>
    h(
      'div',
      {},
      own(`${target.upstream}: ${target.model}`),
      ' ',
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
  const columns = [
      {
        name: t('model'),
        of: (r) =>
          h(
            'div',
            {},
            h('strong', { translate: 'no' }, r.model),
            r.aliases.length
              ? h('div', { class: 'soft' }, t('aliases'), ' ', own(r.aliases.join(', ')))
              : null,
          ),
      },
      { name: t('strategy'), of: (r) => t(r.strategy) },
      { name: t('targets'), of: (r) => h('div', {}, r.targets.map(targetOf)) },
    ];
  const load = () =>
    run(async () => {
      const { data } = await api('GET', 'routes');
      renew(
        content,
        panel(
          '',
          data.length
            ? table(t('models'), columns, data)
            : empty(t('models_none'), t('models_hint')),
        ),
      );
    });
  return repeat(content, load);
}
