/** What lists show of messages, each with the key of its message, as bytes that are read without a copy. */
import type { Metadata } from './shown.ts';

/** Lengths of the key and of four texts, and the size of the message, in 32 bits each; then the texts. */
const NUMBERS = 6;
const HEAD_BYTES = 4 * NUMBERS;

export function entryOf(key: string, metadata: Metadata): Buffer {
  const { size, envelope, bodyStructure, body, header } = metadata;
  const texts = [Buffer.from(key), envelope, bodyStructure, body, header];
  const head = Buffer.alloc(HEAD_BYTES);
  for (const [n, { length }] of texts.entries()) head.writeUInt32LE(length, 4 * n);
  head.writeUInt32LE(size, HEAD_BYTES - 4);
  return Buffer.concat([head, ...texts]);
}

/** Yields the entries of which bytes are made, as slices of these. */
export function* entriesIn(bytes: Buffer): Generator<readonly [key: string, metadata: Metadata]> {
  for (let at = 0; at < bytes.length; ) {
    const head = at;
    at += HEAD_BYTES;
    const text = (n: number) => {
      const start = at;
      at += bytes.readUInt32LE(head + 4 * n);
      return bytes.subarray(start, at);
    };
    const key = text(0).toString();
    const size = bytes.readUInt32LE(head + HEAD_BYTES - 4);
    yield [key, { size, envelope: text(1), bodyStructure: text(2), body: text(3), header: text(4) }];
  }
}
