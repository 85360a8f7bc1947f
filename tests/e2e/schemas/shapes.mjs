// SPDX-License-Identifier: Apache-2.0
// The shapes of what the vendors' APIs answer, made of the types of their clients: nothing may be
// missing, of another type, or there that they do not name.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv';

const require = createRequire(import.meta.url);
const { createGenerator } = require('ts-json-schema-generator');
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const generator = createGenerator({
  path: here('types.ts'),
  tsconfig: here('tsconfig.json'),
  topRef: false,
  jsDoc: 'none',
  skipTypeCheck: true,
  additionalProperties: false,
});
const ajv = new Ajv({ strict: false, allErrors: true });
const checks = new Map();

/** What the client's types have that the client adds itself, and no API sends. */
function leaveOutTheClient(schema) {
  for (const definition of [schema, ...Object.values(schema.definitions ?? {})])
    for (const name of ['output_text', '_request_id']) {
      if (!definition.properties?.[name] || definition.properties.object?.const !== 'response')
        continue;
      delete definition.properties[name];
      definition.required = definition.required.filter((required) => required !== name);
    }
  return schema;
}

/** Anthropic's API says nothing of citations where there are none, as its documentation shows; its
 *  client declares null, which Vercel's client does not take. */
function letCitationsBeLeftOut(schema) {
  for (const definition of [schema, ...Object.values(schema.definitions ?? {})])
    if (definition.properties?.type?.const === 'text' && definition.properties.citations)
      definition.required = definition.required.filter((required) => required !== 'citations');
  return schema;
}

/** OpenAI's client declares the status of a custom call where items are listed, and not where they
 *  are answered. */
function letCustomCallsHaveAStatus(schema) {
  for (const definition of [schema, ...Object.values(schema.definitions ?? {})])
    if (definition.properties?.type?.const === 'custom_tool_call')
      definition.properties.status ??= { enum: ['in_progress', 'completed', 'incomplete'] };
  return schema;
}

/** Of a union the one alternative that `type` names, so that what is wrong is said of that one. */
function alternative(schema, type) {
  const nameOf = ({ $ref }) => decodeURIComponent($ref.replace('#/definitions/', ''));
  const found = schema.anyOf?.find(
    (one) => one.$ref && schema.definitions[nameOf(one)].properties?.type?.const === type,
  );
  return found ? { ...found, definitions: schema.definitions } : schema;
}

function checkOf(name, type) {
  const key = `${name} ${type}`;
  if (!checks.has(key)) {
    const declared = leaveOutTheClient(generator.createSchema(name));
    const schema = letCustomCallsHaveAStatus(letCitationsBeLeftOut(declared));
    checks.set(key, ajv.compile(alternative(schema, type)));
  }
  return checks.get(key);
}

/** What this gateway says beyond the vendors' formats, as docs/internals/dialects.md tells; and
 *  what OpenAI's API says and its client does not declare. */
const EXTRA = ['x_estimated', 'reasoning_content', 'store'];

/** What OpenAI's API says null of where its client declares it as not there. */
const MAY_BE_NULL = ['system_fingerprint', 'usage'];

const without = (value) =>
  JSON.parse(JSON.stringify(value), (key, inner) =>
    EXTRA.includes(key) || (MAY_BE_NULL.includes(key) && inner === null) ? undefined : inner,
  );

/** `value` has the shape `name` of types.ts. */
export function assertShape(name, value) {
  const check = checkOf(name, value.type);
  if (check(without(value))) return;
  const problems = check.errors.map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
  assert.fail(`no ${name}: ${JSON.stringify(value)}\n${problems.slice(0, 12).join('\n')}`);
}
