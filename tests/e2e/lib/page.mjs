// SPDX-License-Identifier: Apache-2.0
// The operators' page as its tests meet it: a gateway with an ADMIN_KEY, and who signs in there.

import { open } from './browser.mjs';
import { Gateway, secret, tempDir } from './harness.mjs';

export const ADMIN = secret('ak-page-5d1c77', 'the admin key');

export const SECTIONS = [
  ...['overview', 'live', 'problems', 'accounts', 'models', 'keys', 'usage', 'playground'],
  'settings',
];

/** A gateway of its own, in front of `sim` if there is one. */
export const gatewayWith = (sim, more = {}, args = []) =>
  Gateway.start({
    env: {
      ...sim?.env(),
      ADMIN_KEY: ADMIN,
      STORE_URL: 'memory:',
      STATE_DIRECTORY: tempDir(),
      ...more,
    },
    args,
  });

/** What this page says by its own, in either language. */
const SIGN_IN = /^(Sign in|登录)$/;

export async function signIn(page) {
  await page.locator('[name=key]').fill(ADMIN);
  await page.getByRole('button', { name: SIGN_IN }).click();
  await page.locator('#content h1').waitFor();
}

/** The view has drawn what it loads. */
export const loaded = (page) =>
  page.getByText(/^(Loading…|正在加载……)$/).waitFor({ state: 'detached' });

/** A page that is signed in, at a section. */
export async function at(gw, section, options = {}) {
  const page = await open(options);
  await page.goto(`${options.origin ?? gw.url}/#${section}`);
  await signIn(page);
  await loaded(page);
  return page;
}

export async function go(page, section) {
  await page.locator(`nav a[href="#${section}"]`).click();
  await page.locator(`nav a[href="#${section}"][aria-current]`).waitFor();
  await loaded(page);
}

export const heading = (page) => page.getByRole('heading', { level: 1 }).textContent();

/** The playground with a key that works, and its models there. */
export async function playground(gw, options) {
  const page = await at(gw, 'playground', options);
  await useKey(page, gw.key);
  return page;
}

export async function useKey(page, key) {
  await page.getByLabel('API key').fill(key);
  await page.getByLabel('API key').press('Tab');
  await page.locator('[name=model] option', { hasText: /^GPT5$/ }).waitFor({ state: 'attached' });
  await page.locator('[name=model]').selectOption('GPT5');
}

export async function say(page, words) {
  await page.getByLabel('Message').fill(words);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** What the browser says where the gateway refuses something, or is gone. */
export const STATUS = (status) => new RegExp(`the server responded with a status of ${status} `);
export const GONE = /net::ERR_|Failed to fetch/;
