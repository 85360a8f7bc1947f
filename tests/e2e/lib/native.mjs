// SPDX-License-Identifier: Apache-2.0
// A gateway whose upstream speaks OpenAI's chat completions: the simulator, which calls tools
// there.

import { Simulator, secret } from './harness.mjs';
import { Home } from './home.mjs';

const FILE = 'credentials.json';

export const NATIVE_MODEL = 'gpt-5';

export async function nativeWorld(env = {}) {
  const sim = await Simulator.start();
  await sim.set({ pacing: { first_ms: 1, every_ms: 1 } });
  const { accounts } = await sim.state();
  const refreshToken = secret(accounts[0].refresh_token, 'a refresh token');
  const home = new Home({
    ENGINELABS_API_URL: sim.url,
    ENGINELABS_PROTOCOL: 'native',
    ENGINELABS_CREDENTIALS_FILE: FILE,
    KNOWN_MODELS: NATIVE_MODEL,
    DEFAULT_MODEL: NATIVE_MODEL,
    ...env,
  });
  home.write(FILE, JSON.stringify({ accessToken: 'none', refreshToken, expiresAt: 1 }));
  return { sim, gw: await home.start() };
}
