// SPDX-License-Identifier: Apache-2.0
// The operators' page in a real browser: every section, every action, what goes wrong, and a
// restart of the gateway. With UPDATE_IMAGES=1 the pictures in docs/images/ are made anew.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { close, expectGood, open, settle } from './lib/browser.mjs';
import { KEY, Simulator, finish, secret, tempDir, until } from './lib/harness.mjs';
import * as pages from './lib/page.mjs';
import { ADMIN, SECTIONS, STATUS, gatewayWith, go, heading, loaded, signIn } from './lib/page.mjs';

afterEach(settle);
after(async () => {
  await close();
  await finish();
});

const LAPTOP = secret('sk-page-laptop', 'a key');

let sim, gw, args;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ token_life_s: 3600, daily_limit: 50, pacing: { first_ms: 20, every_ms: 5 } });
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(file, `keys: [{name: laptop, key: ${LAPTOP}}]\n`, { mode: 0o600 });
  args = ['--config', file];
  gw = await gatewayWith(sim, { STORE_URL: 'sqlite:' }, args);
  for (let n = 0; n < 5; n++)
    await gw.post({ model: 'GPT5', messages: [{ role: 'user', content: `!lorem ${40 * n}` }] });
});

const another = (more) => gatewayWith(sim, more, args);
const at = (section, options) => pages.at(gw, section, options);

/** A load is at most 10 requests and 150 KB, as they are sent. */
async function expectSmall(page, what) {
  const sizes = await Promise.all(page.requests.map((one) => one.sizes()));
  const total = sizes.reduce((sum, one) => sum + one.responseBodySize, 0);
  assert.ok(page.started > 0 && page.started <= 10, `${what}: ${page.started} requests`);
  assert.ok(total > 0 && total < 150_000, `${what}: ${total} bytes`);
}

describe('signing in', () => {
  test('a wrong key is told, and the sixth in a minute has to wait', async () => {
    const own = await another();
    const page = await open();
    page.expected = [STATUS(403), STATUS(429)];
    await page.goto(own.url);
    for (let n = 0; n < 6; n++) {
      await page.getByLabel('Admin key').fill(`wrong ${n}`);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.waitForFunction(() => document.querySelector('[role=alert]').textContent);
    }
    await page.getByRole('alert').getByText('Too many wrong keys').waitFor();
    await expectGood(page, 'the sign-in');
  });

  test('a session outlives a reload, and ends with signing out, in all tabs', async () => {
    const page = await at('keys');
    await page.reload();
    assert.equal(await heading(page), 'Keys');
    const tab = await open({ beside: page });
    tab.expected = [STATUS(401)];
    await tab.goto(`${gw.url}/#live`);
    await tab.getByText('Nothing is running now.').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Admin key').waitFor();
    await tab.getByText('The sign-in is over').waitFor();
    await page.reload();
    await page.getByLabel('Admin key').waitFor();
  });

  test('every first load is small: at most 10 requests, 150 KB', async () => {
    const fresh = await open();
    await fresh.goto(gw.url);
    await fresh.getByLabel('Admin key').waitFor();
    await expectSmall(fresh, 'the sign-in');
    const page = await at('settings');
    page.expected = [STATUS(401)]; // the playground without a key
    for (const section of SECTIONS) {
      await go(page, section);
      [page.requests, page.started] = [[], 0];
      await page.reload();
      await loaded(page);
      await page.locator('#content .panel, #content .tile').first().waitFor();
      await expectSmall(page, section);
    }
  });

  test('without ADMIN_KEY the page says how to set one', async () => {
    const own = await another({ ADMIN_KEY: '' });
    const page = await open();
    page.expected = [STATUS(403)];
    await page.goto(own.url);
    await page.getByLabel('Admin key').fill('any');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('has no ADMIN_KEY. Set one').waitFor();
  });
});

const looks = {
  light: { viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  dark: { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', isMobile: true },
  'dark-phone': { viewport: { width: 390, height: 844 }, colorScheme: 'dark', isMobile: true },
};

describe('every section is accessible and fits', () => {
  for (const [look, options] of Object.entries(looks))
    test(look, async () => {
      const page = await at('overview', options);
      page.expected = [STATUS(401)]; // the playground without a key
      for (const section of SECTIONS) {
        await go(page, section);
        await expectGood(page, `${section}, ${look}`);
      }
    });

  test('a theme that is chosen stays', async () => {
    const page = await at('overview', looks.light);
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.getByLabel('Theme').selectOption('dark');
    assert.notEqual(await paper(), light);
    await page.reload();
    assert.notEqual(await paper(), light);
  });
});

/** What is read aloud or seen in Latin letters and is neither a name nor the gateway's words. */
const strayWords = (page) =>
  page.evaluate(() => {
    const isStray = (text) => /[A-Za-z]{3}/.test(text) && !/[\u4e00-\u9fff]/.test(text);
    const isMarked = (element) => element.closest('body [translate=no], body [lang=en]');
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { data, parentElement } = walker.currentNode;
      if (isStray(data) && !isMarked(parentElement)) found.push(data);
    }
    for (const element of document.querySelectorAll('[aria-label], [placeholder], [title]'))
      for (const name of ['aria-label', 'placeholder', 'title']) {
        const text = element.getAttribute(name) ?? '';
        if (isStray(text) && !isMarked(element)) found.push(`${name}: ${text}`);
      }
    return found;
  });

describe('in Chinese', () => {
  test('there is a word for each word, and none that nobody says', async () => {
    const read = (name) => fs.readFileSync(new URL(`../../web/${name}`, import.meta.url), 'utf8');
    const source = read('i18n.js');
    // The rest of the module reads what only browsers have.
    const plain = encodeURIComponent(source.slice(0, source.indexOf('const stored')));
    const { texts } = await import(`data:text/javascript,${plain}`);
    assert.deepEqual(Object.keys(texts.zh), Object.keys(texts.en));
    for (const [name, text] of Object.entries(texts.zh)) {
      assert.ok(text, name);
      if (/[a-z]/i.test(texts.en[name])) assert.match(text, /[\u4e00-\u9fff]/, name);
    }
    const files = fs.readdirSync(new URL('../../web/', import.meta.url));
    const code = files.filter((f) => /\.js$/.test(f) && f !== 'i18n.js').map(read).join('');
    const asked = [...code.matchAll(/\bt\(\s*'(\w+)'/g)].map(([, name]) => name);
    assert.ok(asked.length > 100, `${asked.length} words`);
    for (const name of asked) assert.ok(name in texts.en, `t('${name}')`);
    const begins = [...code.matchAll(/\bt\(`(\w*)\$/g)].map(([, begin]) => begin);
    const ends = ['ever', 'day', 'month'];
    for (const name of Object.keys(texts.en)) {
      const isMade = begins.some((begin) => begin && name.startsWith(begin));
      const isBudget = ends.some((end) => name.endsWith(`_${end}`));
      const isSaid = new RegExp(`['"\`\\b]${name}['"\`]|^  ${name}:`, 'm').test(code);
      assert.ok(isMade || isBudget || isSaid || STATES.includes(name), `${name} is used`);
    }
  });

  test('no view has a word of English', async () => {
    const page = await at('overview');
    page.expected = [STATUS(401)];
    assert.ok((await strayWords(page)).length > 5, 'they are seen');
    await page.getByLabel('Language').selectOption('zh');
    assert.equal(await heading(page), '概览');
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
    const stream = await gw.stream({
      model: 'GPT5',
      messages: [{ role: 'user', content: '!frames 10000 every 50' }],
    });
    for (const section of SECTIONS) {
      await go(page, section);
      if (section === 'live') await page.getByRole('row', { name: /GPT5/ }).waitFor();
      if (section === 'usage') await page.getByRole('row', { name: /合计/ }).waitFor();
      assert.deepEqual(await strayWords(page), [], section);
      await expectGood(page, `${section} in Chinese`);
    }
    stream.leave();
    await go(page, 'keys');
    await page.getByRole('button', { name: '新密钥' }).click();
    assert.deepEqual(await strayWords(page), [], 'the form of a key');
    await page.reload();
    assert.equal(await heading(page), '密钥');
    await page.getByRole('button', { name: '退出' }).click();
    await page.getByRole('button', { name: '登录' }).waitFor();
    assert.deepEqual(await strayWords(page), [], 'the sign-in');
  });
});

/** Words for what the API says in a word of its own. */
const STATES = [
  ...['waiting', 'queued', 'connecting', 'sent', 'answering', 'settling', 'signed_in'],
  ...['unknown', 'fallback', 'weighted', 'good', 'open', 'half_open', 'slow_start'],
];

test('settings tell where a value comes from, and no secret; the log level changes', async () => {
  const page = await at('settings');
  const row = (name) => page.getByRole('row', { name: new RegExp(`^${name} `) });
  assert.match(await row('ADMIN_KEY').textContent(), /set/);
  assert.match(await row('LISTEN').textContent(), /127\.0\.0\.1:0.*environment/);
  const text = await page.content();
  for (const one of [ADMIN, KEY, LAPTOP, sim.cookie]) assert.ok(!text.includes(one));
  await page.getByLabel('Log level').selectOption('warn');
  await page.getByText('Saved.').waitFor();
  await page.reload();
  await loaded(page);
  assert.equal(await page.getByLabel('Log level').inputValue(), 'warn');
  await page.getByLabel('Log level').selectOption('debug');
  await page.getByText('Saved.').waitFor();
});

test('WEB_UI=false: no page', async () => {
  const own = await another({ WEB_UI: 'false' });
  const { headers, status } = await own.get('/', { accept: 'text/html' });
  assert.deepEqual([status, headers['content-type']], [200, 'application/json']);
  assert.equal((await own.get('/ui/app.js')).status, 404);
});

test('what the policy forbids is seen by these tests', async () => {
  const page = await at('overview');
  await page.evaluate(() => document.body.append(document.createElement('style')));
  await page.evaluate(() => (document.querySelector('style').textContent = 'body { margin: 1px }'));
  await until(() => page.problems.some((text) => text.startsWith('policy: style-src')), 'it is');
  page.problems = [];
});
