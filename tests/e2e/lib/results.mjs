// SPDX-License-Identifier: Apache-2.0
// A table of what came of each client, feature and kind of upstream: printed, and kept between two
// marks in docs/clients.md, which must say what really came. UPDATE_CLIENTS=1 writes it anew.

import assert from 'node:assert/strict';
import fs from 'node:fs';

const FILE = new URL('../../../docs/clients.md', import.meta.url);

/** Its first line; how long a prompt was and the request's id are not the same each time. */
const summaryOf = (error) =>
  String(error.message ?? error)
    .split('\n')[0]
    .replace(/req_[A-Za-z0-9]+/, 'req_ID')
    .slice(0, 300)
    .replace(/\d+(?= characters)/, 'N');

export class Results {
  #rows = new Map();

  /** `section` is its place in the file; `columns` are the kinds. */
  constructor(section, columns) {
    this.section = section;
    this.columns = columns;
  }

  /** Runs `work`, notes what came, and fails as it did. It may say something of how it works. */
  async try(client, feature, column, work) {
    const key = `${client} | ${feature}`;
    const row = this.#rows.get(key) ?? {};
    this.#rows.set(key, row);
    try {
      const more = await work();
      row[column] = more ? `works, ${more}` : 'works';
    } catch (error) {
      row[column] = `fails: ${summaryOf(error)}`;
      throw error;
    }
  }

  get #lines() {
    const head = ['client', 'feature', ...this.columns];
    const rows = [...this.#rows].map(([key, row]) => [
      key,
      ...this.columns.map((column) => (row[column] ?? '-').replaceAll('|', '\\|')),
    ]);
    const all = [head, head.map(() => '---'), ...rows];
    return all.map((cells) => `| ${cells.join(' | ')} |`);
  }

  /** `work` fails as `pattern` says, which is noted; everything else is a failure here. */
  async fails(client, feature, column, pattern, work) {
    const failing = this.try(client, feature, column, work);
    await assert.rejects(failing, pattern);
  }

  /** Prints the table, and compares it with the file's, or writes that. */
  settle(t, { isKept = true } = {}) {
    for (const line of this.#lines) t.diagnostic(line);
    if (!isKept) return;
    const [begin, end] = [`<!-- ${this.section} -->\n`, `<!-- end of ${this.section} -->`];
    const text = fs.readFileSync(FILE, 'utf8');
    const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
    assert.ok(from >= begin.length && to >= from, `docs/clients.md has no ${begin.trim()}`);
    const table = `${this.#lines.join('\n')}\n`;
    if (process.env.UPDATE_CLIENTS) {
      const date = new Date().toISOString().slice(0, 10);
      const dated = table + `\nLast run: ${date}.\n`;
      fs.writeFileSync(FILE, text.slice(0, from) + dated + text.slice(to));
      return;
    }
    const kept = text.slice(from, to).split('\n\nLast run')[0].trimEnd();
    assert.equal(`${kept}\n`, table, 'docs/clients.md says otherwise; UPDATE_CLIENTS=1 writes it');
  }
}
