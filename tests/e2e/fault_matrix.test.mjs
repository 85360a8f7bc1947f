// SPDX-License-Identifier: Apache-2.0
// Every failure of the upstream, at every step of an answer, with one account and with two: what
// the client gets, and what the upstream saw of it. The whole table is printed at the end.

import net from 'node:net';
import { once } from 'node:events';
import { after } from 'node:test';
import { finish } from './lib/harness.mjs';
import {
  PIECES,
  SHORT,
  WHOLE,
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
  resumed,
  retried,
  status,
  timeout,
  tooLong,
  unavailable,
} from './lib/matrix.mjs';

after(finish);

/** Nobody listens there. */
async function closedUrl(scheme = 'http') {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `${scheme}://127.0.0.1:${port}`;
}

const REPLAYS = { replay: 'always' };
const FORGETS = { replay: 'none' };

// ---- the failures; `where` of a fault is the position's ----

/** The same for all accounts: the address is wrong, or the network is. */
const nobody = () => final('', unavailable);
const unlucky = (want) => ({ once: [WHOLE, 'A200'], ...final('', want) });

const MATRIX = {
  connection: {
    where: 'accept',
    rows: {
      refused: [null, nobody(), {}, {}, async () => ({ api_url: await closedUrl() })],
      'refused, sign-in': [null, nobody(), {}, {}, async () => ({ clerk_url: await closedUrl() })],
      'no such name': [
        null,
        nobody(),
        // a name server may take its time: a question that is lost costs 5 s
        { UPSTREAM_CONNECT_TIMEOUT: 20, STREAM_COMMIT_AFTER: 20 },
        {},
        () => ({ api_url: 'http://no-such-host.invalid' }),
      ],
      'no TLS': [
        null,
        nobody(),
        {},
        {},
        (sim) => ({ api_url: sim.url.replace('http:', 'https:') }),
      ],
      'reset at once': [kind('reset'), unlucky(unavailable)],
      'closed at once': [kind('close'), unlucky(unavailable)],
      'the second one reset': [kind('reset', { after: 1 }), unlucky(unavailable)],
      'hangs at once': [kind('hang'), { once: [timeout, ''] }, SHORT],
    },
  },
  'sign-in': {
    where: 'token',
    rows: {
      '401 signed out': [kind('signed_out'), moves('', authFailed)],
      '429': [status(429), moves('', limited)],
      '429, Retry-After': [status(429, { retry_after: '7' }), moves('', limited, { after: 7 })],
      '500': [status(500), retried('')],
      '503': [status(503), retried('')],
      reset: [kind('reset'), retried('')],
      close: [kind('close'), retried('')],
      'lost answer': [kind('lost'), retried('')],
      'browser check': [kind('challenge'), final('', challenge)],
      'no JSON': [kind('invalid_json'), final('', protocol)],
      hang: [kind('hang'), final('', timeout), SHORT],
    },
  },
  handshake: {
    where: 'ws',
    rows: {
      '401': [status(401), moves('', authFailed, { once: [WHOLE, 'A200'] })],
      '402': [status(402), moves('', quota)],
      '403': [status(403), moves('', quota)],
      '429': [status(429), moves('', quota)],
      '429, Retry-After': [status(429, { retry_after: '7' }), moves('', quota, { after: 7 })],
      '500': [status(500), retried('')],
      '502': [status(502), retried('')],
      '503': [status(503), retried('')],
      reset: [kind('reset'), retried('')],
      close: [kind('close'), retried('')],
      'browser check': [kind('challenge'), final('', challenge)],
      'wrong accept key': [kind('wrong_accept'), final('', protocol)],
      'no HTTP': [kind('garbage'), final('', protocol)],
      hang: [kind('hang'), final('', timeout), SHORT],
      'silent socket': [kind('open_silent'), final('A200', timeout), SHORT],
    },
  },
  prompt: {
    where: 'post',
    rows: {
      '401': [
        status(401),
        {
          once: [WHOLE, 'A401 A200'],
          always: [authFailed, 'A401 A401'],
          two: [WHOLE, 'A401 A401 B200'],
        },
      ],
      '402': [status(402), moves('A402', quota)],
      '403': [status(403), moves('A403', quota)],
      '413': [status(413), final('A413', tooLong)],
      '429': [status(429), moves('A429', quota)],
      '429, Retry-After': [status(429, { retry_after: '7' }), moves('A429', quota, { after: 7 })],
      '500': [status(500), retried('A500')],
      '502': [status(502), retried('A502')],
      '503': [status(503), retried('A503')],
      'schema error': [kind('schema'), retried('A500')],
      'browser check': [kind('challenge'), final('A403', challenge)],
      'browser check, 503': [kind('challenge', { status: 503 }), final('A503', challenge)],
      redirect: [kind('redirect'), final('A307', protocol)],
      'reset without an answer': [kind('reset'), retried('A0')],
      'close without an answer': [kind('close'), retried('A0')],
      'no HTTP': [kind('garbage'), final('A0', protocol)],
      'hang without an answer': [kind('hang'), final('A0', timeout), SHORT],
      'taken, answer lost': [kind('lost'), final('A0', WHOLE)],
      'taken, no JSON': [kind('invalid_json'), resumed],
      'taken, empty': [kind('no_body'), resumed],
      'taken, answered late': [kind('late', { delay_ms: 400 }), resumed],
    },
  },
  'after accept': {
    where: 'frames',
    at: 0,
    rows: {
      reset: [kind('reset'), resumed, {}, REPLAYS],
      'end of file': [kind('cut'), resumed, {}, REPLAYS],
      'close 1011': [kind('close'), resumed, {}, REPLAYS],
      'reset, no replay': [kind('reset'), final('A200', interrupted), {}, FORGETS],
      silence: [kind('silence'), final('A200', timeout), SHORT],
      cancelled: [kind('cancelled'), final('A200', interrupted)],
      'no text': [kind('empty'), final('A200', interrupted)],
      'invalid UTF-8': [kind('bad_utf8'), final('A200', protocol)],
      'endless frame': [kind('endless'), final('A200', protocol)],
      'unknown frame': [kind('unknown'), resumed],
    },
  },
};

/** Once text is out, what happens does so in an event. */
const STARTED = {
  reset: [kind('reset'), resumed, {}, REPLAYS],
  'end of file': [kind('cut'), resumed, {}, REPLAYS],
  'close 1011': [kind('close'), resumed, {}, REPLAYS],
  'reset, no replay': [kind('reset'), final('A200', interrupted), {}, FORGETS],
  'close, no replay': [kind('close'), final('A200', interrupted), {}, FORGETS],
  silence: [kind('silence'), final('A200', timeout), SHORT],
  cancelled: [kind('cancelled'), final('A200', interrupted)],
  'invalid UTF-8': [kind('bad_utf8'), final('A200', protocol), {}, FORGETS],
  'no JSON': [kind('not_json'), resumed],
};
MATRIX['after the first token'] = { where: 'frames', at: 1, rows: STARTED };
MATRIX['in the middle'] = { where: 'frames', at: PIECES / 2, rows: STARTED };

matrixTests({ model: 'GPT5', matrix: MATRIX });
