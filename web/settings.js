// SPDX-License-Identifier: Apache-2.0
// The settings in effect, and the log level.
// Each view: (content, run, say) => what ends it.

import { api, fill, h, mono, panel, table } from './lib.js';
import { t } from './i18n.js';

function valueOf(setting) {
  if (setting.value === null) return h('span', { class: 'soft' }, t('not_set'));
  return setting.is_secret ? t('secret_set') : mono(setting.value);
}

export function settings(content, run, say) {
  run(async () => {
    const [{ data }, { level }] = await Promise.all([
      api('GET', 'settings'),
      api('GET', 'log-level'),
    ]);
    const columns = [
      { name: t('setting'), of: (s) => mono(s.name) },
      { name: t('value'), of: valueOf },
      { name: t('source'), of: (s) => t(`source_${s.source.replace(' ', '_')}`) },
      { name: t('change'), of: (s) => h('small', {}, t(s.needs_restart ? 'restart' : 'reload')) },
    ];
    fill(
      content,
      logLevel(level, run, say),
      h('p', { class: 'soft' }, t('settings_hint')),
      panel('', table(t('settings'), columns, data)),
    );
  });
}

function logLevel(level, run, say) {
  const pick = h(
    'select',
    { name: 'log-level', translate: 'no', onchange: change },
    ['debug', 'info', 'warn', 'error', 'off'].map((id) =>
      h('option', { value: id, selected: id === level }, id),
    ),
  );
  let now = level;
  async function change() {
    const wanted = pick.value;
    const isDone = await run(() => api('PUT', 'log-level', { level: wanted }));
    if (isDone) say(t('saved'));
    now = isDone ? wanted : now;
    pick.value = now;
  }
  return h('label', {}, t('log_level'), pick, h('small', {}, t('log_level_hint')));
}
