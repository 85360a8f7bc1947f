// SPDX-License-Identifier: Apache-2.0
// Clients that mean harm, or whose network does: what they send, byte by byte, and what a gateway
// holds that should hold nothing any more.

import assert from 'node:assert/strict';
import { until } from './harness.mjs';
import { descriptorsOf } from './hostile.mjs';
import { get } from './operator.mjs';
import { requestText } from './raw.mjs';

export const user = (content) => [{ role: 'user', content }];

/** A POST of `body` as text, and where its body begins. */
export function chatBytes(gw, body, headers = {}) {
  const text = JSON.stringify(body);
  const all = {
    Host: 'localhost',
    Authorization: `Bearer ${gw.key}`,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  };
  const bytes = requestText('POST', '/v1/chat/completions', all, text);
  return { bytes, head: bytes.length - text.length };
}

export const getText = (gw, path) =>
  requestText('GET', path, { Host: 'localhost', Authorization: `Bearer ${gw.key}` });

/** What is open in the gateway for clients who are gone, by all that counts it. */
export async function assertNothingLeft(gw, baseline) {
  await until(async () => {
    const m = await gw.metrics();
    const used = m.upstream_connections - m.upstream_idle_connections;
    const held = [m.exchanges, m.enginelabs_waiting, m.upstream_websockets, used];
    assert.deepEqual(held, [0, 0, 0, 0], 'exchanges, in line, sockets, connections upstream');
    assert.equal(m.http_server_connections, 1, 'connections of clients');
    assert.equal(m.enginelabs_leases, 0, 'leases');
    const descriptors = descriptorsOf(gw.program.pid) - m.upstream_idle_connections;
    assert.ok(descriptors <= baseline, `${descriptors} descriptors, ${baseline} at the start`);
    return true;
  }, 'nothing is left');
  assert.deepEqual((await get(gw, '/live')).data, [], 'nothing is shown to run');
}

/** Descriptors of an idle gateway, without connections that are kept to upstreams. */
export async function baselineOf(gw) {
  await gw.idle();
  const { upstream_idle_connections: idle } = await gw.metrics();
  return descriptorsOf(gw.program.pid) - idle + 2; // one who asks; the store may open a file
}
