// SPDX-License-Identifier: Apache-2.0
// An operator of the gateway: the API below /admin/api/ with ADMIN_KEY, and its description as a
// judge of the answers.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import { fetchWhole } from './http.mjs';
import { secret } from './registry.mjs';

export const ADMIN_KEY = secret('adm-e2e-77c1d0b2', 'the admin key');

const file = path.resolve(import.meta.dirname, '../../../src/admin/openapi.json');
export const openapi = JSON.parse(fs.readFileSync(file, 'utf8'));

const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema(openapi, 'openapi');

const pointer = (parts) =>
  `openapi#/${parts.map((p) => p.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;

/** The operation that describes a path, with something in place of {names}. */
function describedPath(pathname) {
  const parts = pathname.split('/');
  return Object.keys(openapi.paths).find((pattern) => {
    const want = pattern.split('/');
    return (
      want.length === parts.length && want.every((w, i) => w.startsWith('{') || w === parts[i])
    );
  });
}

/** Where openapi.json has what is at `parts`, though it is told elsewhere. */
function resolved(parts) {
  const { $ref } = parts.reduce((value, part) => value[part], openapi);
  if (!$ref) return parts;
  assert.ok($ref.startsWith('#/'), $ref);
  const names = $ref.slice(2).split('/');
  return resolved(names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~')));
}

/** Fails unless the answer is one that openapi.json describes. */
export function assertDescribed(method, target, answer) {
  const pattern = describedPath(target.split('?')[0]);
  const operation = openapi.paths[pattern]?.[method.toLowerCase()];
  assert.ok(operation, `openapi.json describes ${method} ${target}`);
  const isKnown = String(answer.status) in operation.responses;
  const type = answer.headers['content-type'];
  if (!isKnown) assert.ok(answer.status >= 400, `${method} ${target}: ${answer.status}`);
  const parts = resolved([
    ...['paths', pattern, method.toLowerCase(), 'responses'],
    isKnown ? `${answer.status}` : 'default',
  ]);
  const described = parts.reduce((value, part) => value[part], openapi);
  if (!described.content) {
    assert.equal(answer.text, '', `${method} ${target} has no body`);
    return;
  }
  assert.ok(described.content[type], `${method} ${target}: ${type} is described`);
  if (type !== 'application/json') return;
  const check = ajv.getSchema(pointer([...parts, 'content', type, 'schema']));
  assert.ok(check(answer.json()), `${method} ${target}: ${ajv.errorsText(check.errors)}`);
}

/** Asks `gateway` for a path below /admin/api; every answer is held against openapi.json. */
export async function ask(gateway, method, target, { body, headers, key = ADMIN_KEY } = {}) {
  const answer = await fetchWhole(gateway.port, {
    method,
    path: `/admin/api${target}`,
    headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...headers },
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  });
  assert.equal(answer.headers['cache-control'], 'no-store', `${method} ${target}`);
  assertDescribed(method, target, answer);
  return answer;
}

/** The same for an answer that must be 200. */
export async function get(gateway, target, options) {
  const answer = await ask(gateway, 'GET', target, options);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}
