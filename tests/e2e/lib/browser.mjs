// SPDX-License-Identifier: Apache-2.0
// A real browser on the page: what it complains about fails the test, accessibility included.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../browser/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

let browser;

/** A page in a context of its own; `problems` are what the browser complained about. */
export async function open(options = {}) {
  if (!browser) {
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
  }
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.problems = [];
  page.requests = [];
  page.started = 0; // those that go on, too
  page.on('request', () => page.started++);
  page.on('pageerror', (error) => page.problems.push(error.message));
  page.on('console', (message) => {
    // A refusal of the gateway is told by the browser too, as it should be.
    const isStatus = /Failed to load resource|net::ERR_/.test(message.text());
    if (message.type() === 'error' && !isStatus) page.problems.push(message.text());
  });
  page.on('requestfinished', (request) => page.requests.push(request));
  return page;
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
  assert.deepEqual(page.problems, [], what);
}
