// SPDX-License-Identifier: Apache-2.0
// Clients' keys: made, changed, replaced and revoked.
// Each view: (content, run, say) => what ends it.

import {
  ApiError,
  api,
  button,
  confirm,
  copyButton,
  dialog,
  empty,
  fill,
  h,
  meter,
  money,
  mono,
  number,
  own,
  panel,
  repeat,
  short,
  table,
  tag,
  when,
  words,
} from './lib.js';
import { t } from './i18n.js';

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
        `${amount(b.unit, b.used ?? 0)} ${t('used_of')} ${amount(b.unit, b.limit)} `,
        `(${t(`${b.unit}_${b.per}`)})`,
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

/** The last day of a key (UTC), as a form has it; until that ends it works. */
const lastDayOf = ({ expires }) =>
  expires ? new Date((expires - 1) * 1000).toISOString().slice(0, 10) : '';

/** What the form of a key says. */
function membersOf(said) {
  const whole = (name) => (said.get(name) ? Number(said.get(name)) : null);
  const day = said.get('expires');
  const budgets = BUDGETS.filter(([unit, per]) => said.get(`${unit}_${per}`));
  return {
    name: said.get('name'),
    expires: day ? Date.parse(day) / 1000 + 86_400 : null,
    disabled: said.get('disabled') !== null,
    models: said
      .get('models')
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean),
    requests_per_minute: whole('requests_per_minute'),
    tokens_per_minute: whole('tokens_per_minute'),
    parallel_requests: whole('parallel_requests'),
    budgets: budgets.map(([unit, per]) => ({
      unit,
      per,
      limit: Math.round(whole(`${unit}_${per}`) * (unit === 'money' ? 1e6 : 1)),
    })),
  };
}

/** Of `members` those that are not as the form showed them: what others changed meanwhile stays,
 *  and so does a moment that is no end of a day. */
function changesOf(members, key) {
  const shown = { ...key, expires: lastDayOf(key) };
  const said = { ...members, expires: lastDayOf(members) };
  const text = (name, value) =>
    name === 'budgets'
      ? `${value.map(({ unit, per, limit }) => `${unit} ${per} ${limit}`).sort()}`
      : JSON.stringify(value);
  const isNew = ([name]) => text(name, said[name]) !== text(name, shown[name]);
  return Object.fromEntries(Object.entries(members).filter(isNew));
}

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
    const save = h('button', { class: 'primary' }, t('save'));
    const form = h(
      'form',
      {},
      h(
        'div',
        { class: 'fields' },
        text('name', t('name'), key.name, { required: true, maxlength: '64' }),
        text('expires', t('last_day'), lastDayOf(key), { type: 'date' }),
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
        save,
        button(t('cancel'), close),
      ),
    );
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (save.disabled) return; // it is on its way
      save.disabled = true;
      try {
        await send(membersOf(new FormData(form)));
        close();
      } catch (error) {
        save.disabled = false;
        if (!(error instanceof ApiError)) throw error;
        fill(problem, error.status ? words(error.message) : error.message);
        form.elements[error.param]?.focus?.();
      }
    });
    return [form];
  });
}

const showSecret = (secret) =>
  dialog(t('secret_title'), (close) => [
    h('p', {}, t('secret_text')),
    h('pre', { class: 'secret', translate: 'no', tabIndex: 0 }, secret),
    h('div', { class: 'row' }, copyButton(() => secret, 'primary'), button(t('close'), close)),
  ]);

const named = (key) => [h('strong', { translate: 'no' }, key.name), ': '];

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
      await api('PATCH', path(key), changesOf(members, key));
      load();
    });
  const rotate = (key) =>
    confirm(t('rotate_title'), [named(key), t('rotate_text')], t('rotate'), () =>
      run(async () => {
        showSecret((await api('POST', path(key, '/rotate'))).secret);
        load();
      }),
    );
  const revoke = (key) =>
    confirm(t('revoke_title'), [named(key), t('revoke_text')], t('revoke'), () =>
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
          h('strong', { translate: 'no' }, k.name),
          h('div', { class: 'soft' }, mono(`${k.id} \u2026${k.hint}`)),
        ),
    },
    { name: t('state'), of: stateOf },
    { name: t('models'), of: (k) => (k.models.length ? own(k.models.join(', ')) : t('all')) },
    { name: t('limits'), of: limitsOf },
    { name: t('expires'), of: (k) => (k.expires ? when(k.expires) : '\u2013') },
    { name: t('last_used'), of: (k) => (k.last_used ? when(k.last_used) : '\u2013') },
    {
      name: '',
      acts: true,
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
  return repeat(content, load);
}
