// SPDX-License-Identifier: Apache-2.0
// A real browser on the page: what it complains about fails the test, accessibility included.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../browser/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** A name that leads here without being this machine's: to browsers it is not a safe place. */
export const ELSEWHERE = 'gateway.test';

let browser;
const pages = [];

/** A page in a context of its own, or in that of `beside`. What the browser complains about fails
 *  the test, unless `page.expected` (patterns) has it: a refusal is told by the browser, too. */
export async function open({ beside, ...options } = {}) {
  browser ??= await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      `--host-resolver-rules=MAP ${ELSEWHERE} 127.0.0.1`,
    ],
  });
  const context =
    beside?.context() ?? (await browser.newContext({ acceptDownloads: true, ...options }));
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  Object.assign(page, { problems: [], expected: [], requests: [], started: 0 });
  const complain = (text) => page.problems.push(text);
  page.on('request', () => page.started++); // those that go on, too
  page.on('requestfinished', (request) => page.requests.push(request));
  page.on('pageerror', (error) => complain(error.stack ?? error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complain(`${message.text()} ${message.location().url}`);
  });
  await page.exposeFunction('complainOfPolicy', complain);
  await page.addInitScript(() =>
    addEventListener('securitypolicyviolation', (event) =>
      globalThis.complainOfPolicy(`policy: ${event.effectiveDirective} ${event.blockedURI}`),
    ),
  );
  pages.push(page);
  return page;
}

/** What the browser complained about and nobody expected. */
const complaints = (page) =>
  page.problems.filter((text) => !page.expected.some((pattern) => pattern.test(text)));

/** After each test: its pages end, and none had anything to complain about. */
export async function settle() {
  const all = pages.splice(0);
  const found = all.flatMap(complaints);
  for (const context of new Set(all.map((page) => page.context()))) await context.close();
  assert.deepEqual(found, [], 'complaints of the browser');
}

/** Before the gateways are looked at: a browser keeps connections. */
export const close = () => browser?.close();

/** Nobody is kept out (WCAG, as axe-core checks it), and nothing is wider than the window. */
export async function expectGood(page, what) {
  const wrong = await page.evaluate(async (source) => {
    if (!globalThis.axe) (0, eval)(source);
    const { violations } = await globalThis.axe.run(document);
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
  }, AXE);
  assert.deepEqual(wrong, [], what);
  const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.ok(!isWide, `${what} is wider than the window`);
}
