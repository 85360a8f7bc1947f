// SPDX-License-Identifier: Apache-2.0
// The failures of protocol `native`: tokens of a credentials file are renewed, and a prompt is one
// POST whose answer is a stream or one JSON text. Nothing of it can be resumed, and what may have
// been taken is not sent again (docs/internals/openai.md).

import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { after } from 'node:test';
import { letter, settingsFile } from './lib/accounts.mjs';
import { Gateway, finish, secret, tempDir } from './lib/harness.mjs';
import {
  PIECES,
  SHORT,
  WAYS,
  WHOLE,
  asItIs,
  authFailed,
  challenge,
  final,
  interrupted,
  kind,
  limited,
  matrixTests,
  moves,
  protocol,
  quota,
  retried,
  status,
  timeout,
  unavailable,
} from './lib/matrix.mjs';

after(finish);

const MODEL = 'gpt-5';

/** As its owner's sign-in left it a while ago: the first prompt renews it. */
function credentialsFile(name, { refresh_token: refreshToken }) {
  const file = path.join(tempDir(), `${name}.json`);
  secret(refreshToken, 'a refresh token');
  const text = JSON.stringify({ accessToken: 'none', refreshToken, expiresAt: 1 });
  fs.writeFileSync(file, text, { mode: 0o600 });
  return file;
}

/** A gateway with the files of the first `n` accounts. */
async function open(sim, n, { env, upstream }) {
  const { accounts: all } = await sim.state();
  const accounts = all.slice(0, n).map((account, i) => {
    const name = letter(i);
    return { name, credentials_file: credentialsFile(name, account) };
  });
  return Gateway.start({ env, args: ['--config', settingsFile(sim, accounts, upstream)] });
}

/** All of one conversation, so that none is sent twice. */
async function prompts(sim) {
  const entries = await sim.log('completion');
  return entries.map(({ account, status: answer }) => ({ account, status: answer, chat: 'it' }));
}

async function closedUrl() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

const HASTY = { ...SHORT, API_REQUEST_TIMEOUT: 1 };
const nobody = final('', unavailable);

/** A POST: renewal or prompt, both ways to ask. */
const MATRIX = {
  connection: {
    where: 'accept',
    rows: {
      refused: [null, nobody, {}, {}, async () => ({ api_url: await closedUrl() })],
      'no such name': [
        null,
        nobody,
        // a name server may take its time: a question that is lost costs 5 s
        { UPSTREAM_CONNECT_TIMEOUT: 20, STREAM_COMMIT_AFTER: 20 },
        {},
        () => ({ api_url: 'http://no-such-host.invalid' }),
      ],
      'no TLS': [
        null,
        nobody,
        {},
        {},
        (sim) => ({ api_url: sim.url.replace('http:', 'https:') }),
      ],
      'reset at once': [kind('reset'), nobody],
      'closed at once': [kind('close'), nobody],
      'hangs at once': [kind('hang'), { once: [timeout, ''] }, SHORT],
    },
  },
  'a token is renewed': {
    where: 'oauth',
    rows: {
      '400': [status(400), moves('', authFailed)],
      '401': [status(401), moves('', authFailed)],
      '429': [status(429), moves('', limited)],
      '429, Retry-After': [status(429, { retry_after: '7' }), moves('', limited, { after: 7 })],
      '500': [status(500), retried('')],
      '503': [status(503), retried('')],
      reset: [kind('reset'), moves('', unavailable)],
      close: [kind('close'), moves('', unavailable)],
      'lost answer': [kind('lost'), moves('', unavailable)],
      'browser check': [kind('challenge'), final('', challenge)],
      'browser check, 503': [kind('challenge', { status: 503 }), final('', challenge)],
      redirect: [kind('redirect'), moves('', protocol)],
      'no HTTP': [kind('garbage'), moves('', protocol)],
      'no JSON': [kind('invalid_json'), moves('', protocol)],
      hang: [kind('hang'), moves('', timeout), SHORT],
    },
  },
  prompt: {
    where: 'completions',
    rows: {
      '400': [status(400), final('A400', asItIs(400))],
      '401': [
        status(401),
        {
          once: [WHOLE, 'A401 A200'],
          always: [authFailed, 'A401 A401'],
          two: [WHOLE, 'A401 A401 B200'],
        },
      ],
      '402': [status(402), moves('A402', quota)],
      '403': [status(403), moves('A403', authFailed)],
      '413': [status(413), final('A413', asItIs(413))],
      '429': [status(429), moves('A429', asItIs(429))],
      '429, Retry-After': [
        status(429, { retry_after: '7' }),
        moves('A429', asItIs(429), { after: 7 }),
      ],
      '500': [status(500), final('A500', unavailable)],
      '503': [status(503), final('A503', unavailable)],
      'browser check': [kind('challenge'), final('A403', challenge)],
      'browser check, 503': [kind('challenge', { status: 503 }), final('A503', challenge)],
      redirect: [kind('redirect'), final('A307', protocol)],
      'reset without an answer': [kind('reset'), final('A0', unavailable)],
      'close without an answer': [kind('close'), final('A0', unavailable)],
      'taken, answer lost': [kind('lost'), final('A0', unavailable)],
      'no HTTP': [kind('garbage'), final('A0', protocol)],
      'hang without an answer': [kind('hang'), final('A0', timeout), HASTY],
    },
  },
  'a whole answer': {
    where: 'completions',
    ways: [WAYS.whole],
    rows: {
      'no JSON': [kind('invalid_json'), final('A200', protocol)],
      HTML: [kind('wrong_type'), final('A200', protocol)],
      'cut short': [kind('truncated'), final('A0', interrupted)],
      empty: [kind('no_body'), final('A200', protocol)],
    },
  },
};

/** Handed on as it is, which looks as ours do. */
const BROKEN = JSON.stringify({
  error: {
    message: 'The model broke down',
    type: 'upstream_error',
    param: null,
    code: 'upstream_interrupted',
  },
});

/** A stream; once text is out, what happens does so in an event. */
const STREAM = {
  reset: [kind('reset'), final('A200', interrupted)],
  'end of file': [kind('cut'), final('A200', interrupted)],
  'ends early': [kind('close'), final('A200', interrupted)],
  silence: [kind('silence'), final('A200', timeout), SHORT],
  'an error': [kind('error', { body: BROKEN }), final('A200', interrupted)],
  'no JSON': [kind('not_json'), final('A200', protocol)],
  'cut character': [kind('cut_utf8'), final('A200', protocol)],
  'a line that is none': [kind('garbage_line'), final('A200', WHOLE)],
};
const stream = (at, rows) => ({ where: 'chunks', at, ways: [WAYS.stream], rows });
MATRIX['after accept'] = stream(0, STREAM);
MATRIX['after the first token'] = stream(1, STREAM);
MATRIX['in the middle'] = stream(PIECES / 2, STREAM);
MATRIX['at the end'] = stream(3 * PIECES, {
  'no [DONE]': [kind('no_done'), final('A200', WHOLE)],
  'two [DONE]': [kind('double_done'), final('A200', WHOLE)],
});

matrixTests({
  model: MODEL,
  upstream: { protocol: 'native', models: [MODEL] },
  matrix: MATRIX,
  open,
  prompts,
  isQuiet: ({ tasks }) => tasks === 0,
});
