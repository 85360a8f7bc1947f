// SPDX-License-Identifier: Apache-2.0
// The operators' page in a real browser: every section, every action, what goes wrong, and a
// restart of the gateway. With UPDATE_IMAGES=1 the pictures in docs/images/ are made anew.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { close, expectGood, open } from './lib/browser.mjs';
import { CANARY, Gateway, KEY, Simulator, finish, secret, tempDir, until } from './lib/harness.mjs';

after(async () => {
  await close();
  await finish();
});

const ADMIN = secret('ak-page-5d1c77', 'the admin key');
const LAPTOP = secret('sk-page-laptop', 'a key');
const SECTIONS = [
  ...['overview', 'live', 'problems', 'accounts', 'models', 'keys', 'usage', 'playground'],
  'settings',
];
const IMAGES = new URL('../../docs/images/', import.meta.url).pathname;

let sim, env, gw, args;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ token_life_s: 3600, daily_limit: 50, pacing: { first_ms: 20, every_ms: 5 } });
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(file, `keys: [{name: laptop, key: ${LAPTOP}}]\n`, { mode: 0o600 });
  args = ['--config', file];
  env = { ...sim.env(), ADMIN_KEY: ADMIN, STORE_URL: 'sqlite:', STATE_DIRECTORY: tempDir() };
  gw = await Gateway.start({ env, args });
  for (let n = 0; n < 5; n++)
    await gw.post({ model: 'GPT5', messages: [{ role: 'user', content: `!lorem ${40 * n}` }] });
});

/** A gateway of its own. */
const another = (more = {}) =>
  Gateway.start({
    env: { ...env, STORE_URL: 'memory:', STATE_DIRECTORY: tempDir(), ...more },
    args,
  });

/** A page that is signed in, at a section. */
async function at(section, options) {
  const page = await open(options);
  await page.goto(`${gw.url}/#${section}`);
  await page.getByLabel('Admin key').fill(ADMIN);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('#content h1').waitFor();
  await page.getByText('Loading…').waitFor({ state: 'detached' });
  return page;
}

const heading = (page) => page.getByRole('heading', { level: 1 }).textContent();

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
    await page.goto(own.url);
    for (let n = 0; n < 6; n++) {
      await page.getByLabel('Admin key').fill(`wrong ${n}`);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.waitForFunction(() => document.querySelector('[role=alert]').textContent);
    }
    assert.match(await page.getByRole('alert').textContent(), /[Tt]oo many|try again|wait/);
    await expectGood(page, 'the sign-in');
  });

  test('a session outlives a reload, and ends with signing out', async () => {
    const page = await at('keys');
    await page.reload();
    assert.equal(await heading(page), 'Keys');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Admin key').waitFor();
    await page.reload();
    await page.getByLabel('Admin key').waitFor();
  });

  test('the first load is small: at most 10 requests, 150 KB', async () => {
    const page = await at('overview');
    [page.requests, page.started] = [[], 0];
    await page.reload();
    await page.getByText('Requests in the last hour').first().waitFor();
    await expectSmall(page, 'signed in');
    const fresh = await open();
    await fresh.goto(gw.url);
    await fresh.getByLabel('Admin key').waitFor();
    await expectSmall(fresh, 'the sign-in');
  });

  test('without ADMIN_KEY the page says how to set one', async () => {
    const own = await another({ ADMIN_KEY: '' });
    const page = await open();
    await page.goto(own.url);
    await page.getByLabel('Admin key').fill('any');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page
      .getByText(/ADMIN_KEY/)
      .nth(1)
      .waitFor();
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
      for (const section of SECTIONS) {
        await page.goto(`${gw.url}/#${section}`);
        await page.getByText('Loading…').waitFor({ state: 'detached' });
        await page.waitForFunction(
          (id) => document.querySelector(`a[href="#${id}"][aria-current]`),
          section,
        );
        await expectGood(page, `${section}, ${look}`);
        if (process.env.UPDATE_IMAGES && ['overview', 'keys', 'usage'].includes(section))
          await page.screenshot({ path: `${IMAGES}page-${section}-${look}.png` });
      }
    });

  test('in Chinese, which has a word for each word', async () => {
    const { texts } = await import('../../web/i18n.js').catch(() => importTexts());
    assert.deepEqual(Object.keys(texts.zh).sort(), Object.keys(texts.en).sort());
    for (const [name, text] of Object.entries(texts.zh)) assert.ok(text, name);
    const page = await at('overview');
    await page.getByLabel('Language').selectOption('zh');
    assert.equal(await heading(page), '概览');
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN');
    await expectGood(page, 'in Chinese');
    await page.reload();
    assert.equal(await heading(page), '概览');
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

  test('by keyboard: skip link, sections, focus', async () => {
    const page = await at('overview');
    await page.keyboard.press('Tab');
    assert.equal(
      await page.evaluate(() => document.activeElement.textContent),
      'Skip to the content',
    );
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
  });
});

/** The module reads what only browsers have. */
async function importTexts() {
  const source = fs.readFileSync(new URL('../../web/i18n.js', import.meta.url), 'utf8');
  const words = source.slice(0, source.indexOf('const stored'));
  return import(`data:text/javascript,${encodeURIComponent(words)}`);
}

test('the overview counts, and goes on counting', async () => {
  const page = await at('overview');
  const requests = () =>
    page
      .locator('dt', { hasText: /^Requests$/ })
      .locator('xpath=../dd')
      .textContent();
  const before = Number(await requests());
  assert.ok(before >= 5);
  await gw.post({ model: 'GPT5', messages: [{ role: 'user', content: 'one more' }] });
  await until(async () => Number(await requests()) > before, 'it is counted');
});

test('a running request is seen and ended', async () => {
  const page = await at('live');
  await page.getByText('Nothing is running now.').waitFor();
  const stream = await gw.stream(
    { model: 'GPT5', messages: [{ role: 'user', content: `${CANARY}\n!frames 10000 every 50` }] },
    { headers: { 'x-request-id': 'live-1' } },
  );
  const row = page.getByRole('row', { name: /live-1/ });
  await row.getByText('answering').waitFor();
  assert.match(await row.textContent(), /master.*GPT5.*cto/);
  await expectGood(page, 'a running request');
  await row.getByRole('button', { name: 'End' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End' }).click();
  await stream.whole();
  assert.equal(stream.error.code, 'canceled_by_operator');
  await page.getByText('Nothing is running now.').waitFor();
  assert.ok(!(await page.content()).includes(CANARY));
});

test('accounts: state, quota, checked anew', async () => {
  const page = await at('accounts');
  const card = page.locator('section', { hasText: 'cto / default' });
  await card.getByText('signed in').waitFor();
  await card.getByRole('button', { name: 'Check now' }).click();
  await page.getByText('Checked.').waitFor();
  const meter = card.getByRole('meter', { name: 'Quota day' });
  const [, used, limit] = /([\d,]+) \/ ([\d,]+)/.exec(await card.textContent());
  const whole = (text) => Number(text.replaceAll(',', ''));
  const share = Math.round((100 * whole(used)) / whole(limit));
  assert.ok(share > 0, `${used} of ${limit}`);
  assert.equal(await meter.getAttribute('aria-valuenow'), `${share}`);
});

test('models: names, targets and their health', async () => {
  const page = await at('models');
  const row = page.getByRole('row', { name: /^GPT5 / });
  assert.match(await row.textContent(), /in order.*cto: GPT5.*healthy/);
});

describe('keys', () => {
  test('are made, shown once, used, edited, replaced and revoked', async () => {
    const page = await at('keys');
    assert.match(await page.getByRole('row', { name: /laptop/ }).textContent(), /settings' file/);
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('phone');
    await page.getByLabel('Requests a minute').fill('7');
    await page.getByLabel('Tokens a day').fill('5000');
    await expectGood(page, 'the form of a key');
    await page.getByRole('button', { name: 'Save' }).click();
    const key = await page.locator('pre.secret').textContent();
    assert.match(key, /^sk-[0-9A-Za-z]{38}$/);
    const used = await gw.get('/v1/models', { authorization: `Bearer ${key}` });
    assert.equal(used.status, 200);
    await page.getByRole('button', { name: 'Close' }).click();
    const row = page.getByRole('row', { name: /phone/ });
    assert.match(await row.textContent(), /7 Requests a minute.*0 used of 5K \(Tokens a day\)/);
    assert.ok(!(await page.content()).includes(key));

    await row.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Name').fill('tablet');
    await page.getByLabel('Requests a minute').fill('');
    await page.getByRole('button', { name: 'Save' }).click();
    const renamed = page.getByRole('row', { name: /tablet/ });
    await renamed.waitFor();
    assert.doesNotMatch(await renamed.textContent(), /Requests a minute/);

    await renamed.getByRole('button', { name: 'Replace text' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Replace text' }).click();
    const other = await page.locator('pre.secret').textContent();
    await page.getByRole('button', { name: 'Close' }).click();
    assert.equal((await gw.get('/v1/models', { authorization: `Bearer ${key}` })).status, 403);
    assert.equal((await gw.get('/v1/models', { authorization: `Bearer ${other}` })).status, 200);

    await renamed.getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await renamed.waitFor({ state: 'detached' });
    assert.equal((await gw.get('/v1/models', { authorization: `Bearer ${other}` })).status, 403);
  });

  test('what is wrong in the form is told there', async () => {
    const page = await at('keys');
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('master');
    await page.getByRole('button', { name: 'Save' }).click();
    await page
      .getByRole('alert')
      .getByText(/API_MASTER_KEY/)
      .waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });
});

test('usage: by model, and as files', async () => {
  const page = await at('usage');
  await page.getByLabel(/^By/).selectOption('model');
  await page.getByRole('row', { name: /^GPT5/ }).waitFor();
  await page.getByRole('row', { name: /^Total/ }).waitFor();
  for (const [name, test] of [
    ['CSV', /^id,time,request_id,/],
    ['JSONL', /^\{"id":\d+,"time":/],
  ]) {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: `Single requests: ${name}` }).click(),
    ]);
    assert.match(fs.readFileSync(await download.path(), 'utf8'), test);
  }
  await page.getByLabel('From').fill('2020-01-01');
  await page.getByLabel('To', { exact: true }).fill('2020-01-02');
  await page.getByText('Nothing was used in these days.').waitFor();
});

describe('playground', () => {
  test('streams an answer, shown as text and never as HTML', async () => {
    const page = await at('playground');
    await page.getByLabel('API key').fill(KEY);
    await page.getByLabel('API key').press('Tab');
    await page.locator('[name=model] option', { hasText: /^GPT5$/ }).waitFor({ state: 'attached' });
    const words =
      '# Title\\n\\n**bold** `code`\\n\\n- one\\n- two\\n\\n<img src=x onerror=alert(1)>';
    await page.getByLabel('Message').fill(`!think hm, well\n!say "${words}"`);
    await page.getByRole('button', { name: 'Send' }).click();
    const said = page.locator('.said.assistant');
    await said.getByText('<img src=x onerror=alert(1)>').waitFor();
    assert.deepEqual(
      await said.evaluate((one) =>
        ['strong', 'code', 'li', 'img'].map((n) => one.querySelectorAll(n).length),
      ),
      [2, 1, 2, 0],
    );
    await page.getByRole('button', { name: 'Send', disabled: false }).waitFor();
    await expectGood(page, 'a talk');
    await page.getByText('curl', { exact: true }).click();
    const code = await page.locator('pre', { hasText: 'curl ' }).textContent();
    assert.ok(code.includes('/v1/chat/completions') && !code.includes(KEY));
  });

  test('an answer can be stopped, and an error is told', async () => {
    const page = await at('playground');
    await page.getByLabel('API key').fill(KEY);
    await page.getByLabel('API key').press('Tab');
    await page.locator('[name=model] option', { hasText: /^GPT5$/ }).waitFor({ state: 'attached' });
    await page.getByLabel('Message').fill('!frames 10000 every 50');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped.').waitFor();
    await page.getByLabel('API key').fill('wrong');
    await page.getByLabel('Message').fill('hello');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('The API key is wrong.').waitFor();
  });
});

test('settings tell where a value comes from, and no secret', async () => {
  const page = await at('settings');
  const row = (name) => page.getByRole('row', { name: new RegExp(`^${name} `) });
  assert.match(await row('ADMIN_KEY').textContent(), /set/);
  assert.match(await row('LISTEN').textContent(), /127\.0\.0\.1:0.*environment/);
  const text = await page.content();
  for (const one of [ADMIN, KEY, LAPTOP, sim.cookie]) assert.ok(!text.includes(one));
});

test('a restart of the gateway: it says so, and asks for the key again', async () => {
  const own = await another();
  const page = await open();
  await page.goto(`${own.url}/#overview`);
  await page.getByLabel('Admin key').fill(ADMIN);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Requests in the last hour').first().waitFor();
  await own.stop();
  await page.getByText('The gateway does not answer.').waitFor();
  await another({ LISTEN: `127.0.0.1:${own.port}` });
  await page.getByText('You were signed out').waitFor();
  await page.getByLabel('Admin key').fill(ADMIN);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Requests in the last hour').first().waitFor();
  assert.deepEqual(page.problems, []);
});

test('WEB_UI=false: no page', async () => {
  const own = await another({ WEB_UI: 'false' });
  const { headers, status } = await own.get('/', { accept: 'text/html' });
  assert.deepEqual([status, headers['content-type']], [200, 'application/json']);
  assert.equal((await own.get('/ui/app.js')).status, 404);
});
