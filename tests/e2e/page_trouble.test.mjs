// SPDX-License-Identifier: Apache-2.0
// The operators' page when something is wrong: the gateway gone, the session over, no room, no
// clipboard, a refusal. It says so in words, and goes on by itself where it can.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import { ELSEWHERE, close, open, settle } from './lib/browser.mjs';
import { Simulator, finish, onEnd, until } from './lib/harness.mjs';
import { fetchWhole, open as openRequest } from './lib/http.mjs';
import { get } from './lib/operator.mjs';
import * as pages from './lib/page.mjs';
import { ADMIN, GONE, STATUS, gatewayWith, go, heading, signIn } from './lib/page.mjs';

afterEach(settle);
after(async () => {
  await close();
  await finish();
});

let sim, gw;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ token_life_s: 3600, daily_limit: 1e6, pacing: { first_ms: 1, every_ms: 1 } });
  gw = await gatewayWith(sim);
});

const at = (section, options) => pages.at(gw, section, options);

describe('the gateway is gone', () => {
  test('after a restart it asks for the key again', async () => {
    const own = await gatewayWith(sim);
    const page = await pages.at(own, 'overview');
    page.expected = [GONE, STATUS(401)];
    await page.getByText('Requests in the last hour').first().waitFor();
    await own.stop();
    await page.getByText('The gateway does not answer.').waitFor();
    await gatewayWith(sim, { LISTEN: `127.0.0.1:${own.port}` });
    await page.getByText('The sign-in is over').waitFor();
    await signIn(page);
    await page.getByText('Requests in the last hour').first().waitFor();
  });

  test('a section that was not there yet comes when it is back', async () => {
    const own = await gatewayWith(sim);
    const page = await pages.at(own, 'settings');
    page.expected = [GONE, STATUS(401)];
    await own.stop();
    await page.locator('nav a[href="#keys"]').click();
    await page.getByText('The gateway does not answer.').waitFor();
    await gatewayWith(sim, { LISTEN: `127.0.0.1:${own.port}` });
    await page.getByText('The sign-in is over').waitFor();
    await signIn(page);
    await page.getByRole('button', { name: 'New key' }).waitFor();
  });

  test('a change is not made twice by itself; the form keeps what was written', async () => {
    const own = await gatewayWith(sim);
    const page = await pages.at(own, 'keys');
    page.expected = [GONE];
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('lost');
    await own.stop();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('alert').getByText('it is not known whether this was done').waitFor();
    assert.equal(await page.getByLabel('Name').inputValue(), 'lost');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('the gateway could not be told').waitFor();
  });

  test('a proxy that says so in words of its own is no answer', async () => {
    let isUp = true;
    const proxy = http.createServer((request, response) => {
      if (!isUp) {
        response.writeHead(502, { 'content-type': 'text/html' });
        response.end('<h1>Bad Gateway</h1>');
        return;
      }
      const { method, url: target, headers } = request;
      const on = http.request({ port: gw.port, method, path: target, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
      });
      on.on('error', () => response.destroy());
      response.on('close', () => on.destroy());
      request.pipe(on);
    });
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    onEnd(() => proxy.close().closeAllConnections());
    const page = await at('models', { origin: `http://127.0.0.1:${proxy.address().port}` });
    page.expected = [STATUS(502)];
    isUp = false;
    await page.locator('nav a[href="#accounts"]').click();
    await page.getByText('The gateway does not answer.').waitFor();
    isUp = true;
    await page.getByRole('button', { name: 'Check now' }).waitFor();
    await page.getByText('The gateway does not answer.').waitFor({ state: 'detached' });
  });
});

describe('the session', () => {
  const makeSession = () =>
    fetchWhole(gw.port, {
      method: 'POST',
      path: '/admin/api/session',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key: ADMIN }),
    });

  test('that ends is told, and the section goes on after the next sign-in', async () => {
    const page = await at('live');
    page.expected = [STATUS(401)];
    await page.getByText('Nothing is running now.').waitFor();
    // The oldest makes room, to the second.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    for (let n = 0; n < 64; n++) await makeSession();
    await page.getByText('The sign-in is over').waitFor();
    await signIn(page);
    assert.equal(await heading(page), 'Live');
    const stream = await gw.stream({
      messages: [{ role: 'user', content: '!frames 10000 every 50' }],
    });
    await page.getByRole('row', { name: /answering/ }).waitFor();
    stream.leave();
    await page.getByText('Nothing is running now.').waitFor();
  });

  test('that began anew in another tab serves this one, too', async () => {
    const page = await at('keys');
    page.expected = [STATUS(403)];
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('first');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Close' }).click();
    const tab = await open({ beside: page });
    await tab.goto(`${gw.url}/#settings`);
    await tab.getByRole('button', { name: 'Sign out' }).click();
    await signIn(tab);
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('second');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.locator('pre.secret').waitFor();
    const { data } = await get(gw, '/keys', { key: ADMIN });
    assert.deepEqual(data.map((one) => one.name).sort(), ['first', 'second']);
  });
});

test('without room to listen it says so, waits as it is told, and goes on', async () => {
  const own = await gatewayWith(sim);
  const all = [];
  for (let n = 0; n < 16; n++) {
    const headers = { authorization: `Bearer ${ADMIN}`, accept: 'text/event-stream' };
    all.push(await openRequest(own.port, { path: '/admin/api/live', headers }));
  }
  const page = await open();
  page.expected = [STATUS(429)];
  let tries = 0;
  page.on('request', (one) => (tries += one.url().endsWith('/live') ? 1 : 0));
  await page.goto(`${own.url}/#live`);
  await signIn(page);
  await page.getByText('16 others listen to what runs already').waitFor();
  await new Promise((resolve) => setTimeout(resolve, 4000));
  assert.equal(tries, 1, 'Retry-After was 10 s');
  for (const { request } of all) request.destroy();
  await page.getByText('Nothing is running now.').waitFor();
  await page.getByText('16 others listen').waitFor({ state: 'detached' });
});

describe('a refusal', () => {
  test('of an export is told where one is', async () => {
    const page = await at('usage'); // its store keeps no single requests
    page.expected = [STATUS(404)];
    for (const format of ['CSV', 'JSONL']) {
      await page.getByRole('button', { name: `Single requests: ${format}` }).click();
      await page.getByText('Single requests are kept with STORE_URL=sqlite: only').waitFor();
      await go(page, 'models');
      await go(page, 'usage');
    }
    assert.equal(page.url(), `${gw.url}/#usage`);
    await page.getByLabel('From').fill('2026-02-02');
    await page.getByLabel('To', { exact: true }).fill('2026-02-01');
    page.expected.push(STATUS(400));
    await page.getByRole('status').getByText(/from/).waitFor();
    await page.getByLabel('To', { exact: true }).fill('2026-02-03');
    await page.getByText('Nothing was used in these days.').waitFor();
  });

  test('of what is shown can be tried again', async () => {
    const page = await at('overview');
    page.expected = [STATUS(503)];
    const error = { message: 'The store does not tell; try again in a moment.' };
    await page.route('**/admin/api/keys', (route) =>
      route.fulfill({ status: 503, contentType: 'application/json', json: { error } }),
    );
    await page.locator('nav a[href="#keys"]').click();
    await page.getByText(error.message).waitFor();
    assert.equal(await page.getByText('Loading…').count(), 0);
    await page.unroute('**/admin/api/keys');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('button', { name: 'New key' }).waitFor();
    await page.getByText(error.message).waitFor({ state: 'detached' });
  });

  test('of a request that ended meanwhile', async () => {
    const page = await at('live');
    page.expected = [STATUS(404)];
    const stream = await gw.stream(
      { messages: [{ role: 'user', content: '!frames 10000 every 50' }] },
      { headers: { 'x-request-id': 'meanwhile' } },
    );
    await page.getByRole('row', { name: /meanwhile/ }).getByRole('button').click();
    stream.leave();
    await page.getByText('Nothing is running now.').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'End' }).click();
    await page.getByText('No request meanwhile runs; it may be over by now.').waitFor();
  });
});

describe('copying', () => {
  /** A key that was just made, its dialog open. */
  async function withSecret(name, options) {
    const page = await at('keys', options);
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill(name);
    await page.getByRole('button', { name: 'Save' }).click();
    const key = await page.locator('pre.secret').textContent();
    return { page, key };
  }
  const copyButton = (page) => page.getByRole('button', { name: /^(Copy|Copied|Not allowed)/ });

  const elsewhere = () => `http://${ELSEWHERE}:${gw.port}`;
  /** What Chromium says of one of the page's headers there. */
  const UNTRUSTED = [/Cross-Origin-Opener-Policy header has been ignored/];

  /** What a person would paste. */
  async function pasted(page) {
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').press('Control+v');
    return page.getByLabel('Name').inputValue();
  }

  test('on this machine: a key, and a snippet; the button can be pressed again', async () => {
    const { page, key } = await withSecret('here');
    const permissions = ['clipboard-read', 'clipboard-write'];
    await page.context().grantPermissions(permissions, { origin: gw.url });
    await copyButton(page).dblclick();
    await page.getByText('Copied', { exact: true }).waitFor();
    const held = () => page.evaluate(() => navigator.clipboard.readText());
    assert.equal(await held(), key);
    await page.getByText('Copy', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    page.expected = [STATUS(401)];
    await go(page, 'playground');
    await page.getByText('curl', { exact: true }).click();
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByText('Copied', { exact: true }).waitFor();
    assert.equal(await held(), await page.locator('pre', { hasText: 'curl ' }).textContent());
  });

  test('without TLS and not on this machine, where browsers have no clipboard', async () => {
    const { page, key } = await withSecret('there', { origin: elsewhere() });
    page.expected = UNTRUSTED;
    assert.equal(await page.evaluate(() => isSecureContext || 'clipboard' in navigator), false);
    await copyButton(page).click();
    await page.getByText('Copied', { exact: true }).waitFor();
    assert.ok(await copyButton(page).evaluate((one) => one === document.activeElement));
    assert.equal(await pasted(page), key);
  });

  test('where nothing may be copied it says so', async () => {
    const { page } = await withSecret('nowhere', { origin: elsewhere() });
    page.expected = UNTRUSTED;
    await page.evaluate(() => (document.execCommand = () => false));
    await copyButton(page).click();
    await page.getByText('Not allowed here: select the text').waitFor();
  });
});
