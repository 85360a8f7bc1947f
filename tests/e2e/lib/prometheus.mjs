// SPDX-License-Identifier: Apache-2.0
// Debian's Prometheus on a port and in a directory of its own, scraping one gateway; and promtool.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './certs.mjs';
import { fetchWhole } from './http.mjs';
import { Program, tempDir } from './process.mjs';
import { until } from './until.mjs';

export const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));

/** What promtool says of its input, and whether it is content. */
export function promtool(args, input) {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

export class Prometheus {
  /** With the rules of deploy/prometheus, which go by the job's name. */
  static async start(target) {
    const prometheus = new Prometheus();
    const dir = tempDir();
    const rules = 'enginelabs-2api.rules.yml';
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [rules],
      scrape_configs: [{ job_name: 'enginelabs-2api', static_configs: [{ targets: [target] }] }],
    };

    fs.copyFileSync(path.join(DEPLOY, 'prometheus', rules), path.join(dir, rules));
    fs.writeFileSync(path.join(dir, 'prometheus.yml'), JSON.stringify(config));
    prometheus.port = await freePort();
    prometheus.program = new Program(
      'prometheus',
      [
        `--config.file=${path.join(dir, 'prometheus.yml')}`,
        `--storage.tsdb.path=${path.join(dir, 'data')}`,
        `--web.listen-address=127.0.0.1:${prometheus.port}`,
      ],
      { name: 'prometheus' },
    );
    await until(
      async () => (await fetchWhole(prometheus.port, { path: '/-/ready' })).status === 200,
      'Prometheus is ready',
    );
    return prometheus;
  }

  async #api(what) {
    const answer = (await fetchWhole(this.port, { path: `/api/v1/${what}` })).json();
    assert.equal(answer.status, 'success', `${decodeURIComponent(what)}: ${answer.error}`);
    return answer.data;
  }

  /** The samples of an expression now: [{ metric, value }]. */
  async query(expr) {
    const { result } = await this.#api(`query?query=${encodeURIComponent(expr)}`);
    return result;
  }

  /** Scrapes that failed say why in lastError. */
  async target() {
    return (await this.#api('targets')).activeTargets[0];
  }

  async rules() {
    return (await this.#api('rules')).groups.flatMap((group) => group.rules);
  }
}
