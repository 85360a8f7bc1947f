// SPDX-License-Identifier: Apache-2.0
// The driver of `make bench`, which is Python: what it makes of its figures, and its page.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const bench = join(dirname(fileURLToPath(import.meta.url)), '../../bench');

test('the driver of the bench makes the right figures of what it measured', async () => {
  const { stderr } = await promisify(execFile)(
    'python3', ['-B', '-m', 'unittest', 'harness.test_harness'], { cwd: bench });
  assert.match(stderr, /^Ran [1-9]\d* tests[^]*\nOK\n$/m);
});
