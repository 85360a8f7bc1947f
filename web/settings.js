// SPDX-License-Identifier: Apache-2.0
// The settings in effect, and the log level.
// Each view: (content, run, say) => what ends it.

import { api, fill, h, panel, table } from './lib.js';
import { t } from './i18n.js';

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
