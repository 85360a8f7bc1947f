// SPDX-License-Identifier: Apache-2.0
// The playground of the operators' page: talks, what may go wrong with them, and the snippets,
// which are run.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { close, expectGood, open, settle } from './lib/browser.mjs';
import { KEY, Program, Simulator, finish, gate, secret, tempDir, until } from './lib/harness.mjs';
import { GONE, STATUS, gatewayWith, go, playground, say, signIn, useKey } from './lib/page.mjs';
import { PlainUpstream, read } from './lib/plain.mjs';

afterEach(settle);
after(async () => {
  await close();
  await finish();
});

const UPSTREAM_KEY = secret('sk-page-upstream-71', 'a key');
const MODULES = fileURLToPath(new URL('./node_modules', import.meta.url));

let sim, plain, gw;

before(async () => {
  sim = await Simulator.start();
  await sim.set({ token_life_s: 3600, daily_limit: 1e6, pacing: { first_ms: 1, every_ms: 1 } });
  plain = await PlainUpstream.start();
  gw = await start();
});

/** In front of the simulator, and of an upstream that does as a test says. */
function start() {
  const file = path.join(tempDir(), 'gateway.yaml');
  const upstreams = [
    {
      name: 'cto',
      provider: 'enginelabs',
      api_url: sim.url,
      clerk_url: sim.url,
      accounts: [{ name: 'main', cookie: sim.cookie }],
    },
    {
      name: 'plain',
      provider: 'openai',
      base_url: plain.url,
      api_key: UPSTREAM_KEY,
      models: ['big'],
    },
  ];
  fs.writeFileSync(file, JSON.stringify({ upstreams }), { mode: 0o600 });
  return gatewayWith(null, {}, ['--config', file]);
}

/** An upstream that sends these pieces of text, then calls `end`. */
const answering = (pieces, end) => async (request, response, seen) => {
  await read(seen);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = (delta, finish_reason = null) =>
    response.write(
      `data: ${JSON.stringify({
        id: 'c',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'big',
        choices: [{ index: 0, delta, finish_reason }],
      })}\n\n`,
    );
  for (const piece of pieces) {
    chunk(typeof piece === 'string' ? { content: piece } : piece);
    await new Promise(setImmediate);
  }
  await end?.();
  chunk({}, 'stop');
  response.end('data: [DONE]\n\n');
};

const answer = (page) => page.locator('.said.assistant').last();
/** (By its class: to ask for roles is slow in a long talk.) */
const isOver = (page) => page.locator('form button.primary:enabled').waitFor();

async function askBig(page, pieces, end) {
  plain.handle = answering(pieces, end);
  await page.locator('[name=model]').selectOption('big');
  await say(page, 'hello');
}

/** Opened by someone whose key comes later: the models are refused until then. */
async function opened(options) {
  const page = await playground(gw, options);
  page.expected = [STATUS(401)];
  return page;
}

/** Has an answer drawn, on a page of its own: the longest time between two turns of the browser in
 *  ms, nodes that were added in all, and those that are there. */
async function drawBig(text) {
  const page = await opened();
  await page.evaluate(() => {
    globalThis.gaps = { longest: 0, added: 0 };
    let last = performance.now();
    setInterval(() => {
      gaps.longest = Math.max(gaps.longest, performance.now() - last);
      last = performance.now();
    }, 10);
    const seen = (all) => all.forEach((one) => (gaps.added += one.addedNodes.length));
    const options = { childList: true, subtree: true };
    new MutationObserver(seen).observe(document.querySelector('.talk'), options);
  });
  await askBig(page, [...text.match(/[^]{1,500}/g), '\n\nthe end']);
  // Asked seldom, and of little: to look for a text in all of it would hold the page up, too.
  const isDrawn = () => {
    const last = document.querySelector('.assistant > div > div:last-child > :last-child');
    return last?.textContent.includes('the end');
  };
  await page.waitForFunction(isDrawn, null, { polling: 500, timeout: 120_000 });
  const nodes = await answer(page).evaluate((one) => {
    const walker = document.createTreeWalker(one);
    let n = 0;
    while (walker.nextNode()) n++;
    return n;
  });
  return { nodes, ...(await page.evaluate(() => gaps)) };
}

describe('an answer', () => {
  test('is streamed, and shown as text, never as HTML', async () => {
    const page = await opened();
    const words =
      '# Title\\n\\n**bold** `code`\\n\\n- one\\n- two\\n\\n<img src=x onerror=alert(1)>';
    await say(page, `!think hm, well\n!say "${words}"`);
    await answer(page).getByText('<img src=x onerror=alert(1)>').waitFor();
    assert.deepEqual(await count(page, ['strong', 'code', 'li', 'img']), [2, 1, 2, 0]);
    await isOver(page);
    await expectGood(page, 'a talk');
  });

  test('has every kind of block, however it is cut', async () => {
    const text = [
      '# One\n\ntext *with* **marks** and `code`,\nnext line\n\n- a\n- b\n\n1. first\n\n2. second',
      '\n> said\n> again\n\n```js\nlet a = "# no";\n\nb();\n```',
      '[a link](https://example.com/x) [no link](javascript:alert(1))\n',
    ].join('\n');
    const page = await opened();
    let first;
    for (const size of [1, 7, 1000]) {
      await askBig(page, text.match(new RegExp(`[^]{1,${size}}`, 'g')));
      await isOver(page);
      // What came last may be drawn a moment after the answer is over.
      await answer(page).getByText('[no link](javascript:alert(1))').waitFor();
      const html = await answer(page).locator('> div > div').innerHTML();
      first ??= html;
      assert.equal(html, first, `in pieces of ${size}`);
    }
    assert.match(first, /<pre[^>]*>let a = "# no";\n\nb\(\);\n<\/pre>/);
    assert.match(first, /<ol start="1"><li>first<\/li><\/ol><ol start="2"><li>second<\/li><\/ol>/);
    assert.match(first, /<em>with<\/em> <strong>marks<\/strong> and <code>code<\/code>,<br>next/);
    assert.match(first, /<ul><li>a<\/li><li>b<\/li><\/ul>/);
    assert.match(first, /<blockquote>said again <\/blockquote>/);
    assert.equal(await answer(page).locator('a').count(), 1);
  });

  test('goes on while its reasoning is read', async () => {
    const page = await opened();
    const more = gate();
    await askBig(page, [{ reasoning_content: 'because' }, 'so'], () => more.opened);
    await answer(page).getByText('Reasoning').click();
    await answer(page).getByText('because').waitFor();
    plain.last.response.write(
      'data: {"choices":[{"index":0,"delta":{"content":" it is"},"finish_reason":null}]}\n\n',
    );
    await answer(page).getByText('so it is').waitFor();
    assert.ok(await answer(page).getByText('because').isVisible(), 'it stays open');
    more.open();
    await isOver(page);
  });

  for (const [what, piece] of Object.entries({
    'opened brackets': '[',
    'addresses without an end': '[a](http://x',
    'marks on marks': '*a*`b`**c**',
    'a line without an end': 'word ',
    'lists of nothing': '- \n',
    'code without an end': '```\n\tx\n\n',
  }))
    test(`of 200 KB does not hold the page up: ${what}`, async () => {
      const text = piece.repeat(Math.ceil(200_000 / piece.length));
      let drawn = await drawBig(text);
      // What draws too much at once does so each time; a machine that stood still does not.
      if (drawn.longest >= 2000) drawn = await drawBig(text);
      const { longest, added, nodes } = drawn;
      assert.ok(longest < 2000, `${longest} ms without a turn, and before`);
      // Nothing is drawn twice but the last line: at most 2000 characters of it each time.
      assert.ok(added < 3 * nodes + 100_000, `${added} nodes were added for ${nodes}`);
    });

  test('of more than a million characters ends', async () => {
    const page = await opened();
    await askBig(page, Array(110).fill('ten thousand characters of code\n'.padEnd(10_000, 'x')));
    await answer(page).getByText('Stopped: this page shows no answers of more').waitFor();
    await isOver(page);
    await until(() => plain.last.isGone, 'the upstream is left');
  });

  test('can be stopped, and an error is told', async () => {
    const page = await opened();
    page.expected.push(STATUS(403), /net::ERR_ABORTED/);
    await say(page, '!frames 10000 every 50');
    await answer(page).getByText('frame1').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped.').waitFor();
    await page.getByLabel('API key').fill('wrong');
    await page.getByLabel('API key').press('Tab');
    await page.getByRole('status').getByText('The API key is wrong.').waitFor();
    await say(page, 'hello');
    await page.getByRole('alert').getByText('The API key is wrong.').waitFor();
  });

  test('that breaks off does not look like a whole one', async () => {
    const page = await opened();
    page.expected.push(GONE);
    await askBig(page, ['half of it'], () => plain.last.request.socket.destroy());
    await answer(page).getByText('half of it').waitFor();
    await answer(page).getByRole('alert').waitFor();
    const own = await start();
    const other = await playground(own);
    other.expected = [STATUS(401), GONE];
    await say(other, '!frames 10000 every 50');
    await answer(other).getByText('frame1').waitFor();
    own.disown();
    own.program.signal('SIGKILL');
    await answer(other).getByText('The answer broke off').waitFor();
  });

  test('is asked for once at a time', async () => {
    const page = await opened();
    await say(page, '!frames 10000 every 50');
    await answer(page).getByText('frame1').waitFor();
    await page.getByLabel('Message').fill('and another');
    await page.getByLabel('Message').press('Control+Enter');
    await answer(page).getByText('frame5').waitFor();
    assert.equal(await page.locator('.said').count(), 2);
    assert.equal(await page.getByLabel('Message').inputValue(), 'and another');
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByText('Say something to a model.').waitFor();
    await until(async () => (await gw.metrics()).exchanges === 0, 'it ended with the talk');
  });
});

const count = (page, names) =>
  answer(page).evaluate((one, all) => all.map((n) => one.querySelectorAll(n).length), names);

test('a talk outlives other sections, and neither it nor its key the session', async () => {
  const page = await opened();
  await say(page, '!echo remember the milk');
  await answer(page).getByText('remember the milk').waitFor();
  await isOver(page);
  await go(page, 'models');
  await go(page, 'playground');
  await answer(page).getByText('remember the milk').waitFor();
  assert.equal(await page.getByLabel('API key').inputValue(), KEY);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Admin key').waitFor();
  await signIn(page);
  await page.getByText('Say something to a model.').waitFor();
  assert.equal(await page.getByLabel('API key').inputValue(), '');
  assert.equal(await page.locator('.said').count(), 0);
  assert.ok(!(await page.content()).includes('remember the milk'));
});

/** A stand-in for OpenAI's client for Python, which Debian 12 has none of. */
const OPENAI_PY = `
import json, urllib.request
from types import SimpleNamespace as Plain

class OpenAI:
    def __init__(self, base_url, api_key):
        self.base_url, self.api_key = base_url, api_key
        self.chat = Plain(completions=self)

    def create(self, **body):
        headers = {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}
        url = f"{self.base_url}/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer, object_hook=lambda members: Plain(**members))
`;

describe('the same call', () => {
  const HOSTILE = `it's "quoted", $HOME \`id\` \\n \\ !x 'y' é 中文 😀`;

  for (const kind of ['curl', 'Python', 'JavaScript'])
    test(`as ${kind} works as it is written`, async () => {
      const page = await opened();
      await say(page, `!echo said\n${HOSTILE}`);
      await answer(page).getByText('said').waitFor();
      await isOver(page);
      await page.getByRole('button', { name: 'Clear' }).click();
      await page.getByLabel('System prompt').fill(HOSTILE);
      await page.getByLabel('System prompt').press('Tab');
      await page.getByText(kind, { exact: true }).click();
      const place = page.locator('details', { hasText: kind }).locator('pre');
      const code = await place.textContent();
      assert.ok(!code.includes(KEY), 'the key is not shown');
      const cwd = tempDir();
      fs.symlinkSync(MODULES, path.join(cwd, 'node_modules'));
      fs.writeFileSync(path.join(cwd, 'openai.py'), OPENAI_PY);
      const [file, args] = {
        curl: ['bash', ['--norc', '-euo', 'pipefail', '-c', code]],
        Python: ['/usr/bin/python3', ['-c', code]],
        JavaScript: [process.execPath, ['--input-type=module', '-e', code]],
      }[kind];
      const since = (await sim.log()).at(-1).n;
      const env = { API_KEY: KEY, PYTHONPATH: cwd, PYTHONIOENCODING: 'utf-8' };
      const program = new Program(file, args, { cwd, env, name: kind });
      const { code: end } = await program.end();
      assert.equal(end, 0, program.stderr);
      assert.ok(program.stdout.length > 0, 'it prints the answer');
      const [post] = await sim.posts(since);
      const wanted = JSON.stringify(HOSTILE).slice(1, -1);
      assert.ok(JSON.stringify(post).includes(wanted), 'to the letter');
    });
});

test('a key that is typed is of use at once, in the phone too', async () => {
  const page = await open({ viewport: { width: 390, height: 844 }, isMobile: true });
  page.expected = [STATUS(401)];
  await page.goto(`${gw.url}/#playground`);
  await signIn(page);
  await useKey(page, KEY);
  await say(page, '!echo on the phone');
  await answer(page).getByText('on the phone').waitFor();
  await expectGood(page, 'a talk on the phone');
});
