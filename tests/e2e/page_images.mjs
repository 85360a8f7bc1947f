// SPDX-License-Identifier: Apache-2.0
// Draws the pictures of the operators' page in docs/images/ anew: a gateway with two weeks of
// usage, an hour of traffic and streams that run. It needs Debian's package libfaketime; run it as
// `node tests/e2e/page_images.mjs [FOLDER]`. With a FOLDER, every section goes there in every look.

import fs from 'node:fs';
import path from 'node:path';
import { close, open } from './lib/browser.mjs';
import { Gateway, Simulator, finish, secret, tempDir, until } from './lib/harness.mjs';
import { ADMIN, SECTIONS, go, say, signIn } from './lib/page.mjs';

const IMAGES = new URL('../../docs/images/', import.meta.url).pathname;
const UPSTREAM_KEY = secret('sk-images-upstream', 'a key');
const FAKETIME = '/usr/$LIB/faketime/libfaketimeMT.so.1'; // $LIB is the linker's
const DAYS = 14;
const FASTER = 40; // so much faster the last hour goes by
const MODELS = ['GPT5', 'GPT5', 'ClaudeSonnet4_5', 'ClaudeSonnet4_5', 'ClaudeSonnet4_5', 'llama3'];
const LOOKS = {
  light: { viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  dark: { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', isMobile: true },
  'dark-phone': { viewport: { width: 390, height: 844 }, colorScheme: 'dark', isMobile: true },
};
const PICTURES = [
  ['overview', 'light'],
  ['live', 'dark'],
  ['usage', 'light'],
  ['overview', 'dark-phone'],
];
const CLIENTS = [
  { name: 'editor', requests_per_minute: 120, budgets: [budget('tokens', 'day', 400_000)] },
  { name: 'review-bot', parallel_requests: 20, budgets: [budget('money', 'month', 25_000_000)] },
  { name: 'support-desk', models: ['GPT5', 'Claude*', 'llama3'], budgets: [] },
  { name: 'intern', expires: Math.floor(Date.now() / 1000) + 40 * 86_400, budgets: [] },
];

function budget(unit, per, limit) {
  return { unit, per, limit };
}

/** The same numbers each time. */
let seed = 7;
const random = (n) => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return Math.floor((seed / 2147483648) * n);
};
const oneOf = (list) => list[random(list.length)];

const dir = tempDir();
const sim = await Simulator.start();
await sim.set({
  accounts: 2,
  api_keys: UPSTREAM_KEY,
  models: ['*'],
  token_life_s: 86_400,
  daily_limit: 1200,
  pacing: { first_ms: 12, every_ms: 1 },
});
const { accounts } = await sim.state();
const file = path.join(dir, 'gateway.yaml');
const settings = {
  upstreams: [
    {
      name: 'cto',
      provider: 'enginelabs',
      api_url: sim.url,
      clerk_url: sim.url,
      models: ['GPT5', 'ClaudeSonnet4_5'],
      accounts: ['work', 'home'].map((name, i) => ({ name, cookie: accounts[i].cookie })),
    },
    {
      name: 'local',
      provider: 'openai',
      base_url: `${sim.url}/v1`,
      api_key: UPSTREAM_KEY,
      models: ['llama3'],
    },
  ],
  prices: [
    { model: 'GPT5', input: '1.25', output: '10' },
    { model: 'ClaudeSonnet4_5', input: '3', output: '15' },
  ],
};
fs.writeFileSync(file, JSON.stringify(settings), { mode: 0o600 });

/** A gateway at another time, on the store that all of them share. */
function gatewayAt(time) {
  const env = {
    ADMIN_KEY: ADMIN,
    STORE_URL: `sqlite:${path.join(dir, 'state.db')}`,
    LD_PRELOAD: FAKETIME, // the command faketime would not pass signals on
    FAKETIME: time,
    FAKETIME_DONT_FAKE_MONOTONIC: 1, // waiting stays what it is
  };
  return Gateway.start({ env, args: ['--config', file] });
}

const keys = [];
const aPrompt = () => `${'some words '.repeat(random(400))}\n!lorem ${20 + random(160)}`;
const talk = (gw, words = aPrompt()) =>
  gw.post(
    { model: oneOf(MODELS), messages: [{ role: 'user', content: words }] },
    { headers: { authorization: `Bearer ${oneOf(keys)}` } },
  );

async function makeKeys(gw) {
  const headers = { authorization: `Bearer ${ADMIN}` };
  for (const body of CLIENTS) {
    const made = await gw.post(body, { path: '/admin/api/keys', headers });
    keys.push(secret(made.json().secret, 'a key'));
  }
  keys.push(keys[0], keys[0], keys[1]); // not all are as busy
}

async function aDay(back) {
  const gw = await gatewayAt(`-${back}d`);
  if (keys.length === 0) await makeKeys(gw);
  const isWeekend = [0, 6].includes(new Date(Date.now() - back * 86_400_000).getUTCDay());
  let n = isWeekend ? 4 + random(4) : 12 + random(12);
  while (n--) await Promise.all(Array.from({ length: 8 }, () => talk(gw)));
  await gw.idle();
  await gw.stop();
}

/** An hour of it, quickly: the faked clock ends where the real one is. */
async function anHour() {
  const seconds = 3500 / FASTER;
  const gw = await gatewayAt(`-${3500 - Math.round(seconds)}s x${FASTER}`);
  const end = Date.now() + 1000 * seconds;
  while (Date.now() < end) {
    const busy = 1 + random(3) + (random(9) === 0 ? 5 : 0);
    const all = Array.from({ length: busy }, () => talk(gw));
    if (random(14) === 0) all.push(talk(gw, '!nothing'.repeat(4000))); // too long: refused
    await Promise.all([...all, new Promise((resolve) => setTimeout(resolve, 400 + random(900)))]);
  }
  return gw;
}

async function shoot(gw, section, look, folder) {
  const page = await open(LOOKS[look]);
  await page.goto(`${gw.url}/#overview`);
  await signIn(page);
  await go(page, section);
  if (section === 'live') await page.getByRole('row', { name: /answering/ }).first().waitFor();
  if (section === 'playground') {
    await page.getByLabel('API key').fill(keys[0]);
    await page.getByLabel('API key').press('Tab');
    await page.locator('[name=model] option').first().waitFor({ state: 'attached' });
    await say(page, '!think They want to know what a tip is.\n!say "A **tip** is the last ' +
      'message that an upstream chat stands at:\\n\\n' +
      '1. it is found by its fingerprint\\n2. it moves on"');
    await page.locator('form button.primary:enabled').waitFor();
  }
  await page.locator('#content .panel, #content .tile').first().waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.mouse.move(389, 799);
  await page.screenshot({ path: path.join(folder, `page-${section}-${look}.png`) });
  await page.context().close();
}

for (let back = DAYS - 1; back > 0; back--) await aDay(back);
await sim.set({ pacing: { first_ms: 320, every_ms: 15 } });
const gw = await anHour();
const streams = [];
for (const [n, model] of MODELS.entries()) {
  const headers = { authorization: `Bearer ${keys[n % keys.length]}` };
  const messages = [{ role: 'user', content: '!frames 100000 every 40' }];
  streams.push(await gw.stream({ model, messages }, { headers }));
}
await sim.fault({ where: 'post', status: 429, retry_after: '90000', times: 1 });
await talk(gw);
const [, , folder] = process.argv;
const wanted = folder
  ? SECTIONS.flatMap((section) => Object.keys(LOOKS).map((look) => [section, look]))
  : PICTURES;
for (const [section, look] of wanted) await shoot(gw, section, look, folder ?? IMAGES);
for (const stream of streams) stream.leave();
await until(async () => (await gw.metrics()).exchanges === 0, 'all ended');
await close();
await finish();
