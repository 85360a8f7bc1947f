// SPDX-License-Identifier: Apache-2.0
// What operators see and do in each section of the page, by pointer and by keyboard alone.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { service } from './lib/accounts.mjs';
import { close, expectGood, open, settle } from './lib/browser.mjs';
import { CANARY, KEY, Simulator, finish, secret, tempDir, until } from './lib/harness.mjs';
import { ask, get } from './lib/operator.mjs';
import * as pages from './lib/page.mjs';
import { ADMIN, STATUS, gatewayWith, go, loaded } from './lib/page.mjs';

afterEach(settle);
after(async () => {
  await close();
  await finish();
});

const LAPTOP = secret('sk-views-laptop', 'a key');
const ENDLESS = '!frames 100000 every 50';

let sim, gw;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ token_life_s: 3600, daily_limit: 500, pacing: { first_ms: 20, every_ms: 5 } });
  const file = path.join(tempDir(), 'gateway.yaml');
  fs.writeFileSync(file, `keys: [{name: laptop, key: ${LAPTOP}}]\n`, { mode: 0o600 });
  gw = await gatewayWith(sim, { STORE_URL: 'sqlite:' }, ['--config', file]);
  for (let n = 0; n < 5; n++) await talk(`!lorem ${40 * n}`);
});

const at = (section, options) => pages.at(gw, section, options);
const asked = (content) => ({ model: 'GPT5', messages: [{ role: 'user', content }] });
const talk = (content, of = gw) => of.post(asked(content));
const stream = (id) => gw.stream(asked(ENDLESS), { headers: { 'x-request-id': id } });
const tile = (page, name) =>
  page.locator('dt', { hasText: new RegExp(`^${name}$`) }).locator('xpath=../dd');

describe('overview', () => {
  test('counts, and goes on counting', async () => {
    const page = await at('overview');
    const requests = async () => Number(await tile(page, 'Requests').textContent());
    const before = await requests();
    assert.ok(before >= 5);
    await talk('one more');
    await until(async () => (await requests()) > before, 'it is counted');
  });

  test('says which gateway it is', async () => {
    const page = await at('overview');
    const { host, process } = await get(gw, '/overview', { key: ADMIN });
    assert.equal(process, gw.program.child.pid);
    assert.ok((await tile(page, 'Up for').textContent()).includes(`${host} (${process})`));
  });
});

describe('live', () => {
  test('a running request is seen and ended', async () => {
    const page = await at('live');
    await page.getByText('Nothing is running now.').waitFor();
    const running = await gw.stream(asked(`${CANARY}\n${ENDLESS}`), {
      headers: { 'x-request-id': 'live-1' },
    });
    const row = page.getByRole('row', { name: /live-1/ });
    await row.getByText('answering').waitFor();
    assert.match(await row.textContent(), /master.*GPT5.*cto/);
    await expectGood(page, 'a running request');
    await row.getByRole('button', { name: 'End' }).click();
    await page.getByRole('dialog').getByText('live-1').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'End' }).click();
    await running.whole();
    assert.equal(running.error.code, 'canceled_by_operator');
    await page.getByText('Nothing is running now.').waitFor();
    assert.ok(!(await page.content()).includes(CANARY));
  });

  test('a row stays where it is while it counts: pressed, focused, scrolled', async () => {
    const page = await at('live', { viewport: { width: 390, height: 844 } });
    const all = [await stream('stays-1'), await stream('stays-2')];
    const end = page.getByRole('row', { name: /stays-2/ }).getByRole('button', { name: 'End' });
    const tokens = () => page.locator('tbody tr').first().locator('td').nth(6).textContent();
    const counted = async () => {
      const before = await tokens();
      await until(async () => (await tokens()) !== before, 'it counts');
    };
    const scroll = page.locator('.scroll');
    const place = () => scroll.evaluate((one) => one.scrollLeft);
    const { x, width } = await end.boundingBox();
    assert.ok(x + width <= 390, 'the button is in sight, though the table is wider');
    await scroll.evaluate((one) => (one.scrollLeft = 150));
    await end.focus();
    const before = await place();
    assert.ok(before > 50, 'the table is scrolled');
    await counted();
    assert.ok(Math.abs((await place()) - before) < 20, 'but for the width of a number');
    assert.ok(await end.evaluate((one) => one === document.activeElement), 'it has the focus');
    await end.hover();
    await page.mouse.down();
    await counted();
    await page.mouse.up();
    await page.getByRole('dialog').getByText('stays-2').waitFor();
    await page.keyboard.press('Escape');
    // Those that end and come move no other.
    await end.focus();
    all[0].leave();
    await page.getByText('stays-1').waitFor({ state: 'detached' });
    assert.ok(await end.evaluate((one) => one === document.activeElement), 'it has the focus');
    all[1].leave();
    await page.getByText('Nothing is running now.').waitFor();
  });

  test('of very many the hundred oldest are shown, and how many more run', async () => {
    const page = await at('live');
    const all = [];
    for (let n = 0; n < 104; n++) all.push(await stream(`many-${String(n).padStart(3, '0')}`));
    await page.getByText('4 newer ones are not shown.').waitFor();
    assert.equal(await page.locator('tbody tr').count(), 100);
    all.forEach((one) => one.leave());
    await page.getByText('Nothing is running now.').waitFor();
  });

  test('two of one name are two rows, which end together', async () => {
    const page = await at('live');
    const two = [await stream('twin'), await stream('twin')];
    const rows = page.getByRole('row', { name: /twin/ });
    await until(async () => (await rows.count()) === 2, 'both are shown');
    await rows.first().getByRole('button', { name: 'End' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End' }).click();
    for (const one of two) await one.whole();
    await page.getByText('Nothing is running now.').waitFor();
  });

  test('who looks on costs less than 1 % of a processor', async () => {
    const page = await at('live');
    await page.getByText('Nothing is running now.').waitFor();
    const used = async () => (await get(gw, '/overview', { key: ADMIN })).cpu_ms;
    const [before, began] = [await used(), Date.now()];
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const share = ((await used()) - before) / (Date.now() - began);
    assert.ok(share < 0.01, `${(100 * share).toFixed(2)} %`);
  });
});

describe('accounts and problems', () => {
  test('state and quota, checked anew', async () => {
    const page = await at('accounts');
    const card = page.locator('section', { hasText: 'cto / default' });
    await card.getByText('signed in').waitFor();
    await card.getByRole('button', { name: 'Check now' }).click();
    await page.getByText('Checked.').waitFor();
    const [, used, limit] = /([\d,]+) \/ ([\d,]+)/.exec(await card.textContent());
    const whole = (text) => Number(text.replaceAll(',', ''));
    const share = Math.round((100 * whole(used)) / whole(limit));
    assert.ok(share > 0, `${used} of ${limit}`);
    const meter = card.getByRole('meter', { name: 'Quota day' });
    assert.equal(await meter.getAttribute('aria-valuenow'), `${share}`);
  });

  test('an account that rests says why, and works again when that is ended', async () => {
    const own = await service(1);
    const gate = await gatewayWith(own);
    await own.fault({ where: 'post', status: 429, retry_after: '300', times: 1 });
    assert.equal((await talk('!echo no', gate)).status, 429);
    const page = await pages.at(gate, 'problems');
    const problem = page.locator('section', { hasText: 'account cto/default' });
    await problem.getByText(/It rests for GPT5, \d+ s more/).waitFor();
    await problem.getByText('What to do: Wait, or end the rest here').waitFor();
    await problem.getByText('warning', { exact: true }).waitFor();
    await expectGood(page, 'a warning');
    await go(page, 'accounts');
    await page.getByText(/^Rests/).waitFor();
    await expectGood(page, 'an account that rests');
    await page.getByRole('button', { name: 'End rests' }).click();
    await page.getByText('Rests ended.').waitFor();
    await page.getByText(/^Rests$/).waitFor({ state: 'detached' });
    assert.equal((await talk('!echo yes', gate)).status, 200);
    await go(page, 'problems');
    await page.getByText('No problems.').waitFor();
  });

  test('an account that is signed out is a problem, until it is checked again', async () => {
    const own = await service(1);
    const gate = await gatewayWith(own);
    await own.fault({ where: 'token', kind: 'signed_out', times: -1 });
    const page = await pages.at(gate, 'accounts');
    await page.getByRole('button', { name: 'Check now' }).click();
    await page.getByText('signed out', { exact: true }).waitFor();
    await go(page, 'problems');
    await page.getByText('Sign in at cto.new, put the new cookie into the settings').waitFor();
    await page.getByText('error', { exact: true }).first().waitFor();
    const told = (await get(gate, '/problems', { key: ADMIN })).data.length;
    assert.equal(await page.locator('nav .count').textContent(), `${told}`);
    await expectGood(page, 'an error');
    await own.clearFaults();
    await go(page, 'accounts');
    await page.getByRole('button', { name: 'Check now' }).click();
    await page.getByText('signed in', { exact: true }).waitFor();
    await go(page, 'problems');
    await page.getByText('No problems.').waitFor();
    assert.ok(await page.locator('nav .count').isHidden());
  });
});

test('problems are told in Chinese, too, with what to do', async () => {
  const own = await service(1);
  const gate = await gatewayWith(own, { ADMIN_KEY: ADMIN, API_MASTER_KEY: ADMIN });
  await own.fault({ where: 'token', kind: 'signed_out', times: -1 });
  assert.equal((await talk('!echo no', gate)).status, 502);
  const { data } = await get(gate, '/problems', { key: ADMIN });
  assert.deepEqual(data.map(({ code }) => code).sort(), ['same_key', 'signed_out', 'upstream']);
  const page = await pages.at(gate, 'problems');
  for (const { problem, remedy } of data) {
    await page.getByText(problem, { exact: true }).first().waitFor();
    await page.getByText(`What to do: ${remedy}`, { exact: true }).waitFor();
  }
  await page.getByLabel('Language').selectOption('zh');
  await page.getByText('ADMIN_KEY 与 API_MASTER_KEY 相同').waitFor();
  await page.getByText('账号已退出登录').waitFor();
  await page.getByText('请在 cto.new 登录').waitFor();
  await page.getByText('上游无法回答').waitFor();
  assert.equal(await page.getByText('each client can operate').count(), 0);
  assert.equal(await page.getByText('Sign in at cto.new').count(), 0);
  await expectGood(page, 'problems in Chinese');
});

test('models: names, targets and their health', async () => {
  const page = await at('models');
  const row = page.getByRole('row', { name: /^GPT5 / });
  assert.match(await row.textContent(), /in order.*cto: GPT5.*healthy/);
});

describe('keys', () => {
  const save = (page) => page.getByRole('button', { name: 'Save' }).click();
  const works = async (key) =>
    (await gw.get('/v1/models', { authorization: `Bearer ${key}` })).status;
  async function takeSecret(page) {
    const key = await page.locator('pre.secret').textContent();
    await page.getByRole('button', { name: 'Close' }).click();
    return key;
  }

  test('are made, shown once, used, edited, replaced and revoked', async () => {
    const page = await at('keys');
    assert.match(await page.getByRole('row', { name: /laptop/ }).textContent(), /settings' file/);
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('phone');
    await page.getByLabel('Requests a minute').fill('7');
    await page.getByLabel('Tokens a day').fill('5000');
    await expectGood(page, 'the form of a key');
    await save(page);
    const key = await takeSecret(page);
    assert.match(key, /^sk-[0-9A-Za-z]{38}$/);
    assert.equal(await works(key), 200);
    const row = page.getByRole('row', { name: /phone/ });
    assert.match(await row.textContent(), /7 Requests a minute.*0 used of 5K \(Tokens a day\)/);
    assert.ok(!(await page.content()).includes(key));

    await row.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Name').fill('tablet');
    await page.getByLabel('Requests a minute').fill('');
    await save(page);
    const renamed = page.getByRole('row', { name: /tablet/ });
    await renamed.waitFor();
    assert.doesNotMatch(await renamed.textContent(), /Requests a minute/);

    await renamed.getByRole('button', { name: 'Replace' }).click();
    await page.getByRole('dialog').getByText('tablet').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Replace' }).click();
    const other = await takeSecret(page);
    assert.deepEqual([await works(key), await works(other)], [403, 200]);

    await renamed.getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('dialog').getByText('tablet').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await renamed.waitFor({ state: 'detached' });
    assert.equal(await works(other), 403);
  });

  test('have budgets of money, by day, month and ever', async () => {
    const page = await at('keys');
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('buyer');
    await page.getByLabel('Money a day').fill('1.5');
    await page.getByLabel('Money a month').fill('20');
    await page.getByLabel('Money ever').fill('0.000001');
    await save(page);
    await takeSecret(page);
    const row = page.getByRole('row', { name: /buyer/ });
    assert.match(await row.textContent(), /0\.00 used of 1\.50 \(Money a day\)/);
    const budgets = async () => {
      const { data } = await get(gw, '/keys', { key: ADMIN });
      const { budgets } = data.find((one) => one.name === 'buyer');
      return budgets.map(({ unit, per, limit }) => [unit, per, limit]);
    };
    assert.deepEqual(await budgets(), [
      ['money', 'day', 1_500_000],
      ['money', 'month', 20_000_000],
      ['money', 'ever', 1],
    ]);
    await row.getByRole('button', { name: 'Edit' }).click();
    assert.equal(await page.locator('[name=money_day]').inputValue(), '1.5');
    await page.locator('[name=money_day]').fill('');
    await save(page);
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.deepEqual(await budgets(), [
      ['money', 'month', 20_000_000],
      ['money', 'ever', 1],
    ]);
  });

  test('what was not touched in the form stays, also what others changed meanwhile', async () => {
    const change = async (method, path, body) =>
      (await ask(gw, method, path, { body, key: ADMIN })).json();
    const { data } = await get(gw, '/keys', { key: ADMIN });
    assert.ok(data.every(({ name }) => name !== 'shared'));
    const noon = Date.UTC(2031, 4, 6, 12) / 1000;
    const end = Date.UTC(2032, 0, 1) / 1000; // as `keys edit expires=2031-12-31` says it
    const { key, secret: text } = await change('POST', '/keys', { name: 'shared', expires: noon });
    secret(text, 'a key that was made');
    const page = await at('keys');
    const row = page.getByRole('row', { name: /shared/ });
    const edit = () => row.getByRole('button', { name: 'Edit' }).click();
    const day = page.getByLabel('Last day');
    const saved = async () => {
      await save(page);
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      return get(gw, `/keys/${key.id}`, { key: ADMIN });
    };

    await edit();
    assert.equal(await day.inputValue(), '2031-05-06');
    const budgets = [{ unit: 'tokens', per: 'day', limit: 70 }];
    await change('PATCH', `/keys/${key.id}`, { parallel_requests: 3, budgets });
    await page.getByLabel('Requests a minute').fill('7');
    const { expires, ...rest } = await saved();
    assert.deepEqual(
      [expires, rest.requests_per_minute, rest.parallel_requests, rest.budgets[0]?.limit],
      [noon, 7, 3, 70],
    );
    await edit();
    await day.fill('2031-12-31');
    assert.equal((await saved()).expires, end);
    await edit();
    assert.equal(await day.inputValue(), '2031-12-31');
    await page.getByLabel('Name').fill('shared by two');
    assert.equal((await saved()).expires, end);
    await edit();
    await day.fill('');
    assert.equal((await saved()).expires, null);
    await change('PATCH', `/keys/${key.id}`, { expires: 253_402_300_800 });
    await page.reload();
    await edit();
    assert.equal(await day.inputValue(), '9999-12-31');
  });

  test('what is wrong in the form is told there', async () => {
    const page = await at('keys');
    page.expected = [STATUS(400), STATUS(409)];
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('master');
    await save(page);
    await page.getByRole('alert').getByText(/API_MASTER_KEY/).waitFor();
    await page.getByLabel('Name').fill('another');
    await save(page);
    await takeSecret(page);
  });

  test('a form that is sent twice makes one key', async () => {
    const page = await at('keys');
    const posts = [];
    page.on('request', (one) => one.method() === 'POST' && posts.push(one.url()));
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('twice');
    await page.locator('dialog form').evaluate((form) => {
      form.requestSubmit();
      form.requestSubmit();
    });
    await takeSecret(page);
    const { data } = await get(gw, '/keys', { key: ADMIN });
    assert.equal(data.filter((one) => one.name === 'twice').length, 1);
    assert.equal(posts.length, 1);
  });
});

test('usage: by model, and as files', async () => {
  const page = await at('usage');
  await page.getByLabel(/^By/).selectOption('model');
  await page.getByRole('row', { name: /^GPT5/ }).waitFor();
  await page.getByRole('row', { name: /^Total/ }).waitFor();
  for (const [name, test] of [
    ['Single requests: CSV', /^id,time,request_id,/],
    ['Single requests: JSONL', /^\{"id":\d+,"time":/],
    ['These sums: CSV', /^model,requests,failed,.*\r\nGPT5,\d+,\d+,/],
  ]) {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name }).click(),
    ]);
    assert.match(fs.readFileSync(await download.path(), 'utf8'), test, name);
  }
  await page.getByLabel('From').fill('2020-01-01');
  await page.getByLabel('To', { exact: true }).fill('2020-01-02');
  await page.getByText('Nothing was used in these days.').waitFor();
});

test('usage: no name in a file of sums is a formula', async () => {
  const file = path.join(tempDir(), 'gateway.yaml');
  const names = ['=1+1', '@SUM(A1)', 'a,"b"'];
  const route = (name) => ({ name, targets: [{ upstream: 'cto', model: 'GPT5' }] });
  fs.writeFileSync(file, JSON.stringify({ models: names.map(route) }));
  const gate = await gatewayWith(sim, { STORE_URL: 'sqlite:' }, ['--config', file]);
  for (const model of names) assert.equal((await gate.post({ ...asked('x'), model })).status, 200);
  const page = await pages.at(gate, 'usage');
  await page.getByLabel(/^By/).selectOption('model');
  await page.getByRole('row', { name: /^=1\+1/ }).waitFor();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'These sums: CSV' }).click(),
  ]);
  const lines = fs.readFileSync(await download.path(), 'utf8').split('\r\n').slice(1, -1);
  assert.deepEqual(
    lines.map((line) => line.replace(/(,\d+)+$/, '')).sort(),
    ['"a,""b"""', "'=1+1", "'@SUM(A1)"],
  );
});

/** Goes on by Tab until what has the focus is it. */
async function tabTo(page, what) {
  for (let n = 0; n < 80; n++) {
    await page.keyboard.press('Tab');
    if (await what.evaluateAll((all) => all.includes(document.activeElement))) return;
  }
  assert.fail(`Tab does not lead to ${what}`);
}

async function press(page, what, key = 'Enter') {
  await tabTo(page, what);
  await page.keyboard.press(key);
}

/** To a section by its link; its content has the focus then, not the links again. */
async function walk(page, section) {
  await press(page, page.locator(`nav a[href="#${section}"]`));
  await loaded(page);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
}

const named = (page, name, role = 'button') => page.getByRole(role, { name });

describe('by keyboard alone', () => {
  async function enter(section) {
    const page = await open();
    await page.goto(gw.url);
    await page.locator('[name=key]').waitFor();
    await page.keyboard.type(ADMIN);
    await page.keyboard.press('Enter');
    await page.locator('#content h1').waitFor();
    await walk(page, section);
    return page;
  }

  test('the first stop skips to the content; a language that is chosen has its place', async () => {
    const page = await at('overview');
    await page.keyboard.press('Tab');
    const { textContent } = await page.evaluate(() => ({
      textContent: document.activeElement.textContent,
    }));
    assert.equal(textContent, 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
    await tabTo(page, page.locator('[name=language]'));
    await page.keyboard.press('ArrowDown');
    await page.getByRole('heading', { name: '概览' }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.name), 'language');
  });

  test('live: a request is ended', async () => {
    const page = await enter('live');
    const running = await stream('by-keyboard');
    await page.getByRole('row', { name: /by-keyboard/ }).waitFor();
    await press(page, page.getByRole('row', { name: /by-keyboard/ }).getByRole('button'));
    await page.getByRole('dialog').waitFor();
    if (!(await page.locator('dialog .danger').evaluate((one) => one === document.activeElement)))
      await tabTo(page, page.locator('dialog .danger'));
    await page.keyboard.press('Enter');
    await running.whole();
    assert.equal(running.error.code, 'canceled_by_operator');
    await page.getByText('Nothing is running now.').waitFor();
  });

  test('accounts: one is checked, and the focus stays there', async () => {
    const page = await enter('accounts');
    await press(page, named(page, 'Check now'));
    await page.getByText('Checked.').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Check now');
  });

  test('keys: one is made and revoked', async () => {
    const page = await enter('keys');
    await press(page, named(page, 'New key'));
    await page.getByRole('dialog').waitFor();
    await page.locator('[name=name]').evaluate((one) => one.focus());
    await page.keyboard.type('typed');
    await page.keyboard.press('Enter');
    await page.locator('pre.secret').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('row', { name: /typed/ }).waitFor();
    await press(page, page.getByRole('row', { name: /typed/ }).getByText('Revoke'));
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Enter'); // the first button
    await page.getByRole('row', { name: /typed/ }).waitFor({ state: 'detached' });
  });

  test('usage: by another name, and a file', async () => {
    const page = await enter('usage');
    await press(page, page.getByLabel(/^By/), 'ArrowDown');
    await page.getByRole('row', { name: /^laptop|^master/ }).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      press(page, named(page, 'Single requests: JSONL')),
    ]);
    assert.equal(download.suggestedFilename(), 'usage.jsonl');
  });

  test('playground: a talk, and its snippet', async () => {
    const page = await enter('playground');
    page.expected = [STATUS(401)];
    await tabTo(page, page.getByLabel('API key'));
    await page.keyboard.type(KEY);
    await tabTo(page, page.locator('[name=message]'));
    await page.locator('option', { hasText: /^GPT5$/ }).waitFor({ state: 'attached' });
    await page.keyboard.type('!echo typed');
    await page.keyboard.press('Control+Enter');
    await page.locator('.said.assistant').getByText('typed').waitFor();
    await press(page, page.getByText('curl', { exact: true }), 'Space');
    await page.locator('pre', { hasText: 'curl ' }).waitFor();
  });

  test('models, problems, settings: a wide table scrolls, the log level changes', async () => {
    const page = await enter('models');
    await tabTo(page, named(page, 'Models', 'region'));
    await page.keyboard.press('Shift+Tab');
    await page.locator('nav a[href="#problems"]').focus();
    await page.keyboard.press('Enter');
    await page.getByText('No problems.').waitFor();
    await page.locator('nav a[href="#settings"]').focus();
    await page.keyboard.press('Enter');
    await press(page, page.getByLabel('Log level'), 'ArrowDown');
    await page.getByText('Saved.').waitFor();
    const { level } = await get(gw, '/log-level', { key: ADMIN });
    assert.equal(level, 'info');
    await ask(gw, 'PUT', '/log-level', { body: { level: 'debug' }, key: ADMIN });
  });
});
