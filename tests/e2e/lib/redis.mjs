// SPDX-License-Identifier: Apache-2.0
// Debian's Redis on a port and in a directory of its own, that can be stopped, killed and started
// again with what it had.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { freePort } from './certs.mjs';
import { Program, tempDir } from './process.mjs';
import { onEnd } from './registry.mjs';
import { until } from './until.mjs';

export class Redis {
  static async start({ appendonly = 'yes', password } = {}) {
    const redis = new Redis();
    Object.assign(redis, { dir: tempDir(), appendonly, password });
    // Another program may take the port before Redis does.
    await until(async () => {
      redis.port = await freePort();
      return redis.again();
    }, 'a port for Redis');
    onEnd(() => redis.isPaused && redis.resume());
    return redis;
  }

  get url() {
    return this.urlWith(this.password);
  }

  urlWith(password) {
    return `redis://${password ? `:${password}@` : ''}127.0.0.1:${this.port}`;
  }

  /** Starts it where it was; false when it ended instead of listening. */
  async again() {
    const words = [
      ...['--port', this.port, '--bind', '127.0.0.1', '--dir', this.dir, '--save', ''],
      ...['--appendonly', this.appendonly, '--appendfsync', 'always', '--loglevel', 'warning'],
      ...(this.password ? ['--requirepass', this.password] : []),
    ];
    this.program = new Program('redis-server', words.map(String), { name: 'redis' });
    return until(async () => {
      if (!this.program.isRunning) return 'ended';
      return /PONG|NOAUTH/.test(await this.say('PING')) && 'up';
    }, 'Redis answers').then((state) => state === 'up');
  }

  /** The reply to a command, as it comes. */
  async say(command) {
    const socket = net.connect(this.port, '127.0.0.1');
    try {
      socket.write(`${command}\r\n`);
      const [bytes] = await once(socket, 'data');
      return bytes.toString();
    } finally {
      socket.destroy();
    }
  }

  /** The texts in the reply to a command of these words, which may hold anything. */
  async all(...words) {
    const text = await new Promise((resolve, reject) => {
      const args = ['-p', this.port, '--no-auth-warning', '--json', ...words];
      const done = (error, out) => (error ? reject(error) : resolve(out));
      execFile('redis-cli', args.map(String), done);
    });
    return [JSON.parse(text)].flat();
  }

  pause() {
    this.isPaused = true;
    this.program.signal('SIGSTOP');
  }

  resume() {
    this.isPaused = false;
    this.program.signal('SIGCONT');
  }

  async stop(signal = 'SIGTERM') {
    this.program.signal(signal);
    await this.program.end();
  }
}
