// SPDX-License-Identifier: Apache-2.0
// A name server that answers every A question with 127.0.0.1 until it is told to be silent, and a
// way to run a program that asks it alone (its own mount of /etc/resolv.conf; needs root).

import dgram from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { tempDir } from './process.mjs';
import { onEnd } from './registry.mjs';

const HEADER = 12;
const TYPE_A = 1;

export class Resolver {
  static async start() {
    const resolver = new Resolver();
    resolver.isSilent = false;
    resolver.asked = [];
    resolver.address = `127.${1 + (process.pid % 250)}.${1 + ((process.pid >> 8) % 250)}.53`;
    const socket = dgram.createSocket('udp4');
    socket.on('message', (question, from) => {
      const answer = resolver.#answer(question);
      if (answer) socket.send(answer, from.port, from.address);
    });
    socket.bind(53, resolver.address);
    await once(socket, 'listening');
    onEnd(() => socket.close());
    return resolver;
  }

  #answer(question) {
    const labels = [];
    let at = HEADER;
    for (; question[at] > 0; at += question[at] + 1)
      labels.push(question.subarray(at + 1, at + 1 + question[at]).toString());
    const type = question.readUInt16BE(at + 1);
    this.asked.push(labels.join('.'));
    if (this.isSilent) return undefined;
    const asked = question.subarray(HEADER, at + 5);
    const head = Buffer.from([...question.subarray(0, 2), 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    if (type !== TYPE_A) return Buffer.concat([head, asked]);
    head[7] = 1;
    const record = Buffer.from([0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    return Buffer.concat([head, asked, record]);
  }

  /** Words to put before a command. */
  get wrap() {
    const file = path.join(tempDir(), 'resolv.conf');
    fs.writeFileSync(file, `nameserver ${this.address}\noptions timeout:30 attempts:1\n`);
    const script = `mount --bind ${file} /etc/resolv.conf && exec "$@"`;
    return ['unshare', '--mount', 'sh', '-c', script, 'sh'];
  }
}
