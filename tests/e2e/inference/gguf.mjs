// SPDX-License-Identifier: Apache-2.0
// The smallest language model that llama.cpp loads: a chain of words. Attention and feed-forward
// are zero, so that each token leads to the one its own place in the embedding points at. Whatever
// the prompt, the answer is all the words in their order, and then the end.

import fs from 'node:fs';

export const WORDS = 'the quick brown fox jumps over a lazy dog and then sleeps'.split(' ');

const WIDTH = 64;
const UNKNOWN = 0;
const BEGIN = 1;
const END = 2;

const TYPE = { u32: 4, f32: 6, i32: 5, string: 8, array: 9 };
const TOKEN = { normal: 1, unknown: 2, control: 3, byte: 6 };

const u32 = (n) => Buffer.from(Uint32Array.of(n).buffer);
const u64 = (n) => Buffer.from(BigUint64Array.of(BigInt(n)).buffer);
const f32 = (n) => Buffer.from(Float32Array.of(n).buffer);
const string = (text) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);
const ENCODE = { u32, f32, i32: u32, string };

const one = (type, value) => Buffer.concat([u32(TYPE[type]), ENCODE[type](value)]);
const list = (type, values) =>
  Buffer.concat([
    ...[TYPE.array, TYPE[type]].map(u32),
    u64(values.length),
    ...values.map(ENCODE[type]),
  ]);

function vocabulary(words) {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase());
  const pieces = words.map((word) => `\u2581${word}`);
  return {
    tokens: ['<unk>', '<s>', '</s>', ...bytes.map((b) => `<0x${b.padStart(2, '0')}>`), ...pieces],
    types: [TOKEN.unknown, TOKEN.control, TOKEN.control]
      .concat(bytes.map(() => TOKEN.byte))
      .concat(pieces.map(() => TOKEN.normal)),
  };
}

/** Rows of WIDTH numbers, each with `weight` at place(row), where that is a place. */
function rows(n, place, weight = 1) {
  const numbers = new Float32Array(n * WIDTH);
  for (let row = 0; row < n; row++) if (place(row) >= 0) numbers[row * WIDTH + place(row)] = weight;
  return { shape: [WIDTH, n], numbers };
}

const zeros = () => rows(WIDTH, () => -1);
const ones = () => ({ shape: [WIDTH], numbers: new Float32Array(WIDTH).fill(1) });

function tensors(nWords, nTokens, ends) {
  const first = nTokens - nWords;
  // Whatever is no word leads to the first, and each word to the next.
  const place = (token) => {
    const next = Math.max(0, token - first + 1);
    return ends ? next : next % nWords;
  };
  const block = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
  return {
    'token_embd.weight': rows(nTokens, place),
    // Large enough that no temperature picks another.
    'output.weight': rows(nTokens, (token) => (token === END ? nWords : token - first), 9),
    'output_norm.weight': ones(),
    'blk.0.attn_norm.weight': ones(),
    'blk.0.ffn_norm.weight': ones(),
    ...Object.fromEntries(block.map((name) => [`blk.0.${name}.weight`, zeros()])),
  };
}

const facts = ({ tokens, types }) => ({
  'general.architecture': one('string', 'llama'),
  'general.name': one('string', 'chain'),
  'llama.context_length': one('u32', 4096),
  'llama.embedding_length': one('u32', WIDTH),
  'llama.block_count': one('u32', 1),
  'llama.feed_forward_length': one('u32', WIDTH),
  'llama.attention.head_count': one('u32', 2),
  'llama.attention.layer_norm_rms_epsilon': one('f32', 1e-5),
  'llama.rope.dimension_count': one('u32', WIDTH / 2),
  'llama.vocab_size': one('u32', tokens.length),
  'tokenizer.ggml.model': one('string', 'llama'),
  'tokenizer.ggml.tokens': list('string', tokens),
  'tokenizer.ggml.scores': list(
    'f32',
    tokens.map(() => 0),
  ),
  'tokenizer.ggml.token_type': list('i32', types),
  'tokenizer.ggml.unknown_token_id': one('u32', UNKNOWN),
  'tokenizer.ggml.bos_token_id': one('u32', BEGIN),
  'tokenizer.ggml.eos_token_id': one('u32', END),
});

/** Writes the model that says `words` (fewer than 64, none with a blank), once or for ever. */
export function writeModel(file, words, ends) {
  const known = vocabulary(words);
  const weights = Object.entries(tensors(words.length, known.tokens.length, ends));
  const pairs = Object.entries(facts(known));
  let at = 0;
  const infos = weights.map(([name, { shape, numbers }]) => {
    const dimensions = [u32(shape.length), ...shape.map(u64)];
    const info = Buffer.concat([string(name), ...dimensions, u32(0), u64(at)]);
    at += numbers.byteLength;
    return info;
  });
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(weights.length),
    u64(pairs.length),
    ...pairs.map(([name, value]) => Buffer.concat([string(name), value])),
    ...infos,
  ]);
  const padding = Buffer.alloc((32 - (head.length % 32)) % 32);
  fs.writeFileSync(
    file,
    Buffer.concat([head, padding, ...weights.map(([, one]) => Buffer.from(one.numbers.buffer))]),
  );
}
