// SPDX-License-Identifier: Apache-2.0
// A second upstream, written against the protocol page alone on node:http and npm `ws`, so that a
// mistake that the simulator and the gateway share cannot cancel out. It is strict: whatever
// the service was never seen to get is noted in `violations`, and exact bytes are kept in `seen`.

import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { onEnd, secret } from './registry.mjs';
import { until } from './until.mjs';

const ORIGIN = 'https://cto.new';
const VERSION = '__clerk_api_version=2025-04-10';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const BODY_MAX = 32768;

/** How long a token may still be on its way after its end. */
const LATE_MS = 5000;

const id = (prefix) => `${prefix}_${randomBytes(20).toString('base64url').replace(/[-_]/g, '0')}`;
const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export class Upstream {
  constructor() {
    this.client = id('client');
    this.session = id('sess');
    this.user = id('user');
    this.organization = id('org');
    const rotating = base64({ rotating_token: id('rt') });
    this.cookie = `${base64({ alg: 'RS256' })}.${rotating}.${id('sig')}`;
    this.tokenLife = 60;
    this.tokens = new Map(); // token -> performance.now() at its end
    this.chats = new Map(); // id -> { prompts, sockets }
    this.seen = []; // { kind, method, url, headers, body, ... } in order
    this.violations = [];
    /** Answers of one's own: (entry) => { status, headers, body }, { raw(socket, key) } that writes
     *  its bytes itself, or undefined for the usual. */
    this.on = { client: null, token: null, post: null, stream: null, billing: null };
    /** What is said: (prompt, chat) => steps; see play(). */
    this.answer = (prompt) => deltas(`You said: ${prompt}`);
    /** Sent to each socket that connects. */
    this.greeting = () => [{ type: 'state', state: { inProgress: false } }];
  }

  static async start() {
    const upstream = new Upstream();
    const server = http.createServer((request, response) => upstream.#serve(request, response));
    upstream.server = server;
    upstream.sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    server.on('upgrade', (request, socket, head) => upstream.#upgrade(request, socket, head));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    upstream.port = server.address().port;
    upstream.url = `http://127.0.0.1:${upstream.port}`;
    secret(upstream.cookie, "the second upstream's cookie");
    onEnd(() => upstream.stop());
    return upstream;
  }

  async stop() {
    for (const ws of this.sockets.clients) ws.terminate();
    this.server.closeAllConnections();
    this.server.close();
  }

  env() {
    return {
      ENGINELABS_API_URL: this.url,
      CLERK_URL: this.url,
      CLERK_COOKIE: `__client=${this.cookie}`,
    };
  }

  of(kind) {
    return this.seen.filter((entry) => entry.kind === kind);
  }

  get posts() {
    return this.of('post');
  }

  /** Sockets that are open now. */
  get open() {
    return [...this.sockets.clients].filter((ws) => ws.readyState === ws.OPEN).length;
  }

  #wrong(entry, what) {
    this.violations.push(`${entry.method} ${entry.url}: ${what}`);
  }

  #expect(entry, name, wanted) {
    const value = entry.headers[name];
    const good = wanted instanceof RegExp ? wanted.test(value ?? '') : value === wanted;
    if (!good) this.#wrong(entry, `${name} is ${value}, not ${wanted}`);
    return good;
  }

  // ---- requests ----

  async #serve(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const entry = this.#entry(request, Buffer.concat(pieces).toString('utf8'));
    const given = (await this.on[entry.kind]?.(entry)) ?? this.usual(entry);
    if (given.hang) return;
    if (given.raw) return void given.raw(request.socket);
    if (given.destroy) {
      request.socket.destroy();
      return;
    }
    const text = typeof given.body === 'string' ? given.body : JSON.stringify(given.body ?? {});
    const headers = { 'content-type': 'application/json', ...given.headers };
    response.writeHead(given.status ?? 200, headers).end(text);
    given.then?.();
  }

  #entry(request, body) {
    const path = request.url.split('?')[0];
    const entry = { method: request.method, url: request.url, headers: request.headers, body };
    entry.kind = kindOf(request.method, path);
    this.seen.push(entry);
    if (entry.kind === 'other') this.#wrong(entry, 'no such route');
    this.#expect(entry, 'host', `127.0.0.1:${this.port}`);
    if (entry.kind !== 'stream') this.#expect(entry, 'accept-encoding', 'identity');
    return entry;
  }

  /** What the service would answer. */
  usual(entry) {
    switch (entry.kind) {
      case 'client':
      case 'memberships':
        return this.#client(entry);
      case 'token':
        return this.#token(entry);
      case 'post':
        return this.#post(entry);
      case 'billing':
        return this.#authorized(entry, { tier: 0, dailyUsage: 0, dailyLimit: 300 });
      case 'adapters':
        return this.#authorized(entry, { chatAdapters: ['ClaudeSonnet4_5', 'GPT5'].map(adapter) });
      default:
        return { status: 404, body: { message: 'not found' } };
    }
  }

  #cookieIsGood(entry) {
    const pairs = (entry.headers.cookie ?? '').split('; ');
    const good = pairs.includes(`__client=${this.cookie}`);
    if (!good) this.#wrong(entry, 'the cookie is not ours');
    return good;
  }

  #client(entry) {
    this.#expect(entry, 'origin', ORIGIN);
    if (!entry.url.endsWith(`?${VERSION}`)) this.#wrong(entry, 'not the version we speak');
    if (!this.#cookieIsGood(entry)) return { body: { response: null } };
    const session = {
      id: this.session,
      status: 'active',
      expire_at: Date.now() + 86_400_000,
      last_active_organization_id: this.organization,
      user: { id: this.user },
    };
    const { client, session: last } = this;
    return {
      body: { response: { id: client, last_active_session_id: last, sessions: [session] } },
    };
  }

  #token(entry) {
    this.#expect(entry, 'origin', ORIGIN);
    this.#expect(entry, 'referer', `${ORIGIN}/`);
    this.#expect(entry, 'content-type', 'application/x-www-form-urlencoded');
    if (entry.url !== `/v1/client/sessions/${this.session}/tokens?${VERSION}`)
      this.#wrong(entry, 'another session or version');
    if (entry.body !== `organization_id=${this.organization}`)
      this.#wrong(entry, `the body is ${entry.body}`);
    if (!this.#cookieIsGood(entry))
      return { status: 401, body: { errors: [{ code: 'signed_out', message: 'Signed out' }] } };
    return { body: { object: 'token', jwt: this.#newToken() } };
  }

  #newToken() {
    const iat = Math.floor(Date.now() / 1000);
    const claims = { sub: this.user, sid: this.session, iat, exp: iat + this.tokenLife };
    const payload = base64({ ...claims, o: { id: this.organization }, jti: id('j') });
    const token = `${base64({ alg: 'RS256', typ: 'JWT' })}.${payload}.${id('sig')}`;
    this.tokens.set(secret(token, 'a token'), performance.now() + this.tokenLife * 1000);
    return token;
  }

  #tokenIsGood(entry) {
    const token = /^Bearer (\S+)$/.exec(entry.headers.authorization ?? '')?.[1];
    const late_ms = performance.now() - this.tokens.get(token);
    entry.isExpired = late_ms >= 0;
    if (!this.tokens.has(token)) this.#wrong(entry, 'the token is not ours');
    else if (late_ms > LATE_MS) this.#wrong(entry, `the token ended ${late_ms} ms ago`);
    return late_ms < 0;
  }

  #authorized(entry, body) {
    return this.#tokenIsGood(entry) ? { body } : { status: 401, body: { message: 'Unauthorized' } };
  }

  #post(entry) {
    if (!this.#tokenIsGood(entry)) return { status: 401, body: { message: 'Unauthorized' } };
    if (Buffer.byteLength(entry.body) > BODY_MAX) {
      this.#wrong(entry, 'the message is too large');
      return { status: 413, body: { message: 'Message too large' } };
    }
    const value = JSON.parse(entry.body);
    const names = Object.keys(value).sort().join();
    if (names !== 'adapterName,chatHistoryId,prompt') this.#wrong(entry, `members are ${names}`);
    if (typeof value.prompt !== 'string') this.#wrong(entry, 'the prompt is no string');
    if (!UUID.test(value.chatHistoryId)) this.#wrong(entry, 'the chat is no UUID');
    if (!['ClaudeSonnet4_5', 'GPT5'].includes(value.adapterName))
      this.#wrong(entry, `unknown adapter ${value.adapterName}`);
    this.#expect(entry, 'origin', ORIGIN);
    this.#expect(entry, 'referer', `${ORIGIN}/${value.chatHistoryId}`);
    this.#expect(entry, 'content-type', 'application/json');
    Object.assign(entry, value);
    const chat = this.#chat(value.chatHistoryId);
    if (chat.sockets.size === 0) this.#wrong(entry, 'nobody listens to this chat yet');
    if (chat.running) this.#wrong(entry, 'a task is running in this chat');
    chat.prompts.push(value.prompt);
    chat.running = true;
    const then = () => this.#play(chat, value.prompt).finally(() => (chat.running = false));
    return { status: 200, body: '', then };
  }

  // ---- the stream ----

  #chat(chatId) {
    if (!this.chats.has(chatId)) this.chats.set(chatId, { prompts: [], sockets: new Set() });
    return this.chats.get(chatId);
  }

  async #upgrade(request, socket, head) {
    const entry = this.#entry(request, '');
    const match = /^\/engine-agent\/chat-histories\/([^/?]+)\/buffer\/stream\?token=(.*)$/;
    const [, chatId, token] = match.exec(request.url) ?? [];
    entry.chatHistoryId = chatId;
    this.#expect(entry, 'origin', ORIGIN);
    // A rotation may be on its way just now, so any cookie that was ever good is taken here.
    if (!entry.headers.cookie?.includes(`__client=${this.cookie.split('.rotated')[0]}`))
      this.#wrong(entry, 'the cookie is not ours');
    if (!UUID.test(chatId ?? '')) this.#wrong(entry, 'the chat is no UUID');
    if (token !== this.user) this.#wrong(entry, 'the token is not the user id');
    const given = await this.on.stream?.(entry);
    socket.on('error', () => {});
    if (given?.hang) return;
    if (given?.raw) return void given.raw(socket, request.headers['sec-websocket-key']);
    if (given) {
      socket.end(`HTTP/1.1 ${given.status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
      return;
    }
    socket.cork(); // the greeting is there as soon as the socket is open
    this.sockets.handleUpgrade(request, socket, head, (ws) => this.#connected(ws, chatId));
    socket.uncork();
  }

  #connected(ws, chatId) {
    const chat = this.#chat(chatId);
    chat.sockets.add(ws);
    ws.on('close', () => chat.sockets.delete(ws));
    ws.on('error', () => {});
    ws.on('message', (data, isBinary) => {
      if (!isBinary && data.toString() === 'ping') ws.send('pong');
      else this.violations.push(`the socket got ${data}`);
    });
    for (const message of this.greeting(chat)) ws.send(JSON.stringify(message));
  }

  /** Steps: an object is sent as JSON; functions get the socket; numbers are pauses in ms; a
   *  promise is waited for (see gate()). */
  async #play(chat, prompt) {
    for await (const step of this.answer(prompt, chat)) {
      if (typeof step === 'number') await pause(step, null, { ref: false });
      else if (step === undefined) continue; // what was waited for
      else for (const ws of chat.sockets) await perform(ws, step);
    }
  }

  /** Until every socket was closed. */
  async quiet() {
    await until(() => this.open === 0, 'the sockets are closed');
  }
}

async function perform(ws, step) {
  if (typeof step === 'function') await step(ws);
  else ws.send(typeof step === 'string' ? step : JSON.stringify(step));
}

function kindOf(method, path) {
  if (method === 'GET' && path === '/v1/client') return 'client';
  if (method === 'GET' && path === '/v1/me/organization_memberships') return 'memberships';
  if (method === 'POST' && /^\/v1\/client\/sessions\/[^/]+\/tokens$/.test(path)) return 'token';
  if (method === 'POST' && path === '/engine-agent/chat') return 'post';
  if (method === 'GET' && path === '/billing') return 'billing';
  if (method === 'GET' && path === '/chat/adapters') return 'adapters';
  if (method === 'GET' && path.endsWith('/buffer/stream')) return 'stream';
  return 'other';
}

function adapter(engineAgentKey) {
  return { key: engineAgentKey.toLowerCase(), engineAgentKey, enabled: true, minimumTier: 0 };
}

// ---- frames ----

export const running = { type: 'state', state: { inProgress: true } };
export const finished = { type: 'state', state: { inProgress: false } };

let messages = 0;
export const messageId = () => `msg_${++messages}`;

/** One piece of answer text. */
export function piece(content, msg = 'msg_1', type = 'chat') {
  const inner = JSON.stringify({ id: msg, type, chat: { content } });
  return { type: 'update', buffer: inner };
}

/** A whole answer in deltas of a few characters each. */
export function deltas(text, size = 7) {
  const msg = messageId();
  const points = [...text];
  const steps = [running];
  for (let at = 0; at < points.length; at += size)
    steps.push(piece(points.slice(at, at + size).join(''), msg));
  return [...steps, finished];
}

export { randomUUID };
