// SPDX-License-Identifier: Apache-2.0
// A gateway with several accounts of one simulator, which are called A, B, ... in the order of the
// simulator's numbers.

import fs from 'node:fs';
import path from 'node:path';
import { Gateway, Simulator, secret, tempDir } from './harness.mjs';

export const letter = (account) => String.fromCharCode(65 + account);

const CALM = { pacing: { first_ms: 1, every_ms: 1 }, token_life_s: 3600 };

/** The cookies that the simulator's accounts have now. */
export async function cookies(sim) {
  const { accounts } = await sim.state();
  return accounts.map(({ cookie }, i) => {
    secret(cookie.replace('__client=', ''), `the bare cookie of account ${letter(i)}`);
    return secret(cookie, `the cookie of account ${letter(i)}`);
  });
}

/** Writes a settings file with an upstream of these accounts, { name, cookie, ... } each; `more`
 *  are other settings of the upstream. JSON is YAML. */
export function settingsFile(sim, accounts, more = {}) {
  const file = path.join(tempDir(), 'accounts.yaml');
  const upstream = { name: 'cto', provider: 'enginelabs', api_url: sim.url, clerk_url: sim.url };
  fs.writeFileSync(file, JSON.stringify({ upstreams: [{ ...upstream, ...more, accounts }] }));
  return file;
}

/** A simulator that plays so many accounts. */
export async function service(n, settings = {}) {
  const sim = await Simulator.start();
  await sim.set({ ...CALM, accounts: n, ...settings });
  return sim;
}

/** A gateway that uses the first `n` accounts of a simulator; `account` are settings of each,
 *  `upstream` of the upstream. */
export async function gatewayOf(sim, n, { env = {}, account = {}, upstream, ...options } = {}) {
  const all = (await cookies(sim)).slice(0, n);
  const accounts = all.map((cookie, i) => ({ name: letter(i), cookie, ...account }));
  const args = ['--config', settingsFile(sim, accounts, upstream)];
  return Gateway.start({ env, args, ...options });
}

/** The number of the account that answered each accepted prompt, in order. */
export async function answeredBy(sim) {
  return (await sim.posts()).filter(({ status }) => status === 200).map((post) => post.account);
}
