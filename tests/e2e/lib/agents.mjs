// SPDX-License-Identifier: Apache-2.0
// Coding agents without a terminal, each in a home of its own, told to leave the network alone; a
// proxy that nobody listens on sees to it. CLAUDE_BINARY and CODEX_BINARY are others to be tried.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { KEY, Program } from './harness.mjs';

const PACKAGES = fileURLToPath(new URL('../agents/node_modules/', import.meta.url));
export const ARE_OTHERS = Boolean(process.env.CLAUDE_BINARY || process.env.CODEX_BINARY);

const PATIENCE_MS = 60_000;

const NO_NETWORK = {
  HTTP_PROXY: 'http://127.0.0.1:9',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  NO_PROXY: '127.0.0.1',
};

const versionIn = (name) =>
  JSON.parse(fs.readFileSync(path.join(PACKAGES, name, 'package.json'))).version;

async function run(name, [file, ...words], dir, env) {
  const options = { name, cwd: dir, input: '', env: { ...NO_NETWORK, ...env } };
  const program = new Program(file, words, options);
  const { code } = await program.end(PATIENCE_MS);
  const { stdout, stderr } = program;
  return { code, stdout, stderr, events: stdout.split('\n').filter(Boolean).map(parse) };
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return { text: line };
  }
}

/** An agent's answer to `prompt` in `dir`: { code, stdout, stderr, events, said }. Its `home` keeps
 *  what was said in it, and `isMore` goes on with that. */
async function claude({ url, model }, { dir, home, prompt, isMore }) {
  const cli = path.join(PACKAGES, '@anthropic-ai/claude-code/cli.js');
  const program = process.env.CLAUDE_BINARY ? [process.env.CLAUDE_BINARY] : [process.execPath, cli];
  const how = ['--output-format', 'stream-json', '--verbose', '--permission-mode', 'acceptEdits'];
  const words = ['-p', prompt, '--model', model, ...how, '--allowedTools', 'Bash(cat:*)'];
  if (isMore) words.push('--continue');
  const result = await run('claude', [...program, ...words], dir, {
    HOME: home,
    CLAUDE_CONFIG_DIR: path.join(home, '.claude'),
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: KEY,
    ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: 1,
    DISABLE_AUTOUPDATER: 1,
    DISABLE_ERROR_REPORTING: 1,
    DISABLE_TELEMETRY: 1,
    CLAUDE_CODE_MAX_RETRIES: 0,
  });
  return { ...result, said: result.events.find((event) => event.type === 'result')?.result };
}

async function codex({ url, model }, { dir, home, prompt, isMore }) {
  const where = 'codex-linux-x64/vendor/x86_64-unknown-linux-musl/codex/codex';
  const provider = `{name="gw",base_url="${url}/v1",env_key="GATEWAY_KEY",wire_api="responses"}`;
  const settings = [
    'model_provider="gw"',
    `model_providers.gw=${provider}`,
    'analytics.enabled=false',
    'check_for_update_on_startup=false',
  ];
  const words = ['exec', '--json', '--skip-git-repo-check', '-s', 'danger-full-access'];
  for (const setting of settings) words.push('-c', setting);
  const program = process.env.CODEX_BINARY ?? path.join(PACKAGES, where);
  words.push('-m', model, ...(isMore ? ['resume', '--last'] : []), prompt);
  const result = await run('codex', [program, ...words], dir, {
    HOME: home,
    CODEX_HOME: home,
    GATEWAY_KEY: KEY,
  });
  const messages = result.events.filter((event) => event.item?.type === 'agent_message');
  return { ...result, said: messages.at(-1)?.item.text };
}

/** What codex says of an error: mostly the answer as it came. */
function codexError({ events, stderr }) {
  const { message } = events.find((event) => event.type === 'turn.failed')?.error ?? {};
  return message ? (parse(message).error?.message ?? message) : stderr;
}

/**
 * What they are called with their versions, how they run, how a script has them read `file` and
 * the next part of the script, and then change `from` into `to` in it, what they say of an error,
 * and how they change it with the tool that they have for models they know.
 */
export const AGENTS = {
  'claude-code': {
    version: process.env.CLAUDE_BINARY ?? versionIn('@anthropic-ai/claude-code'),
    run: claude,
    errorOf: ({ said, stderr }) => said ?? stderr,
    read: (file, next) => ['Read', { file_path: file }, 'Bash', bash(`cat ${next}`)],
    edit: (file, from, to, next) => [
      'Edit',
      { file_path: file, old_string: from, new_string: to },
      'Bash',
      bash(`cat ${next}`),
    ],
  },
  codex: {
    version: process.env.CODEX_BINARY ?? versionIn('codex-linux-x64').replace(/-linux.*/, ''),
    run: codex,
    errorOf: codexError,
    read: (file, next) => ['exec_command', { cmd: `cat ${file} ${next}` }],
    edit: (file, from, to, next) => [
      'exec_command',
      { cmd: `sed -i 's/${from}/${to}/' ${file} && cat ${next}` },
    ],
    editKnown: (file, from, to, next) => [
      'apply_patch',
      { input: patchOf(file, from, to) },
      'exec_command',
      { cmd: `cat ${next}` },
    ],
  },
};

const patchOf = (file, from, to) =>
  `*** Begin Patch\n*** Update File: ${path.basename(file)}\n@@\n-${from}\n+${to}\n*** End Patch\n`;

const bash = (command) => ({ command, description: 'Shows a file' });
