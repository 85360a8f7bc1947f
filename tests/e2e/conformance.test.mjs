// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 byte by byte (RFC 9110, RFC 9112): what the gateway makes of each request, beside what
// llhttp and nginx make of it. Every difference is known and has its reason; behind nginx the two
// never see another number of requests or another body.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DIFFERENCES } from './conformance/differences.mjs';
import { Echo, gatewayTo, nginxTo, verdict } from './conformance/judges.mjs';
import { GROUPS } from './conformance/requests.mjs';
import { finish, until } from './lib/harness.mjs';

const ROWS = Object.values(GROUPS).flat();

/** By judge: the verdicts that differ, by case. */
const differing = Object.fromEntries(
  Object.entries(DIFFERENCES).map(([judge, groups]) => [
    judge,
    Object.assign({}, ...groups.map(([, rows]) => rows)),
  ]),
);

let ports, nginx, behind;

before(async () => {
  const echo = await Echo.start();
  behind = await Echo.start();
  const gw = await gatewayTo(behind);
  const front = await nginxTo(echo.port, gw.port);
  nginx = front.nginx;
  ports = { gateway: gw.port, node: echo.port, nginx: front.ports[0], behind: front.ports[1] };
});
after(async () => {
  await nginx.kill(); // it keeps connections to the gateway
  await finish();
});

/** How a judge reads a case, as the data say. */
function wanted(judge, name, want) {
  if (judge === 'gateway') return want;
  const base = judge === 'behind' ? wanted('nginx', name, want) : want;
  return differing[judge][name] ?? base;
}

const judged = (judge, [name, , bytes, want]) => {
  const words = wanted(judge, name, want).split(' ');
  return verdict(ports[judge], bytes, words.at(-1) === 'waits' ? words.length - 1 : undefined);
};

test('there are cases enough, each by a name of its own, and all differences are theirs', () => {
  const names = new Set(ROWS.map(([name]) => name));
  assert.equal(names.size, ROWS.length);
  assert.ok(names.size >= 150);
  for (const [judge, rows] of Object.entries(differing))
    for (const name of Object.keys(rows)) assert.ok(names.has(name), `${judge}: ${name}`);
});

for (const [group, rows] of Object.entries(GROUPS))
  describe(group, () => {
    for (const judge of ['gateway', 'node', 'nginx'])
      test(`as ${judge} reads it`, async () => {
        const found = await Promise.all(rows.map((row) => judged(judge, row)));
        const told = rows.map(([name], i) => `${name}: ${found[i]}`);
        const want = rows.map(([name, , , words]) => `${name}: ${wanted(judge, name, words)}`);
        assert.deepEqual(told, want);
      });
  });

test('behind nginx nothing is seen in two ways', async () => {
  const before = behind.count;
  const found = await Promise.all(ROWS.map((row) => judged('behind', row)));
  const told = ROWS.map(([name], i) => `${name}: ${found[i]}`);
  const want = ROWS.map(([name, , , words]) => `${name}: ${wanted('behind', name, words)}`);
  assert.deepEqual(told, want);

  // Whatever reached the upstream was answered to somebody: none was seen by the gateway alone.
  const words = found.flatMap((text) => text.match(/\([^]*?\)|\S+/g) ?? []);
  const answered = words.filter((text) => !/^(\d+|waits|headless)$/.test(text)).length;
  await until(() => behind.count - before >= answered, 'all are counted');
  assert.equal(behind.count - before, answered);

  // A difference behind nginx is a refusal in place of an answer, never one more or one less.
  for (const [name, seen] of Object.entries(differing.behind)) {
    if (seen === 'headless') continue;
    const alone = wanted('nginx', name, ROWS.find(([row]) => row === name)[3]);
    assert.equal(seen.split(' ').length, alone.split(' ').length, name);
    assert.match(seen, /^4\d\d /, name);
  }
});
