// SPDX-License-Identifier: Apache-2.0
// The failures of protocol `project` where its way differs from `classic`: a project is made,
// offers are asked for and the team's model is set before a prompt goes out; and the prompt and the
// answer over again, since that way is another one.

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
  matrixTests,
  moves,
  protocol,
  quota,
  resumed,
  retried,
  status,
  timeout,
  tooLong,
} from './lib/matrix.mjs';

after(finish);

const REPLAYS = { replay: 'always' };
const FORGETS = { replay: 'none' };

/** Steps before a prompt goes out; `noJson`: what an answer without words does. */
const before = (noJson) => ({
  '401': [status(401), moves('', authFailed, { once: [WHOLE, 'A200'] })],
  '403': [status(403), moves('', quota)],
  '429': [status(429), moves('', quota)],
  '500': [status(500), retried('')],
  '503': [status(503), retried('')],
  reset: [kind('reset'), retried('')],
  close: [kind('close'), retried('')],
  'browser check': [kind('challenge'), final('', challenge)],
  'no JSON': [kind('invalid_json'), noJson],
  hang: [kind('hang'), final('', timeout), SHORT],
});

const answer = {
  reset: [kind('reset'), resumed, {}, REPLAYS],
  'reset, no replay': [kind('reset'), final('A200', interrupted), {}, FORGETS],
  silence: [kind('silence'), final('A200', timeout), SHORT],
  cancelled: [kind('cancelled'), final('A200', interrupted)],
};

matrixTests({
  model: 'gpt_5',
  upstream: { protocol: 'project', models: ['gpt_5'] },
  matrix: {
    // Its id is needed; of the two others only that they were taken.
    'a project is made': { where: 'project', rows: before(final('', protocol)) },
    'the model is set': { where: 'preferred_model', rows: before(resumed) },
    'offers are asked for': { where: 'offers', rows: before(resumed) },
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
        '413': [status(413), final('A413', tooLong)],
        '429': [status(429), moves('A429', quota)],
        '500': [status(500), retried('A500')],
        'browser check': [kind('challenge'), final('A403', challenge)],
        'reset without an answer': [kind('reset'), retried('A0')],
        'no HTTP': [kind('garbage'), final('A0', protocol)],
        'taken, answer lost': [kind('lost'), final('A0', WHOLE)],
      },
    },
    'after accept': { where: 'frames', at: 0, rows: answer },
    'after the first token': { where: 'frames', at: 1, rows: answer },
    'in the middle': { where: 'frames', at: PIECES / 2, rows: answer },
  },
});
