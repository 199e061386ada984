// The frames between a server and a writer: whole, in pieces, byte by byte, and what is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FrameReader, frame } from '../../src/owners/frames.ts';

const FRAMES = [
  { head: { id: 1, call: 'stat', path: '/home/ü' }, bytes: Buffer.alloc(0) },
  { head: { id: 2 }, bytes: Buffer.alloc(100_000, 7) },
  { head: null, bytes: Buffer.from([0]) },
];
const STREAM = Buffer.concat(FRAMES.flatMap(({ head, bytes }) => frame(head, [bytes])));

for (const size of [1, 7, 8, 9, 4096, STREAM.length]) {
  test(`frames come out as they went in, in pieces of ${size} bytes`, () => {
    const reader = new FrameReader(1_000_000);
    const found = [];
    for (let at = 0; at < STREAM.length; at += size)
      found.push(...reader.update(STREAM.subarray(at, at + size)));
    assert.deepEqual(found, FRAMES);
  });
}

test('what is no frame is an error: too long, a head longer than the whole, a head that is no JSON', () => {
  const prefixed = (length: number, head: number, rest = '') => {
    const prefix = Buffer.alloc(8);
    prefix.writeUInt32BE(length, 0);
    prefix.writeUInt32BE(head, 4);
    return Buffer.concat([prefix, Buffer.from(rest)]);
  };
  for (const bytes of [
    prefixed(1001, 1),
    prefixed(10, 11),
    prefixed(3, 3, '{{{'),
    prefixed(0, 0),
    Buffer.alloc(8, 255),
  ])
    assert.throws(() => new FrameReader(1000).update(bytes));
});

test('a frame that comes byte by byte takes no more memory than the frame', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const reader = new FrameReader(1_000_000);
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32BE(1_000_000, 0);
  const used = () => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  reader.update(prefix);
  for (let n = 0; n < 100_000; n++) reader.update(Buffer.from(new ArrayBuffer(1)));
  assert.ok(used() - before < 3_000_000, `${used() - before} bytes`);
  assert.deepEqual(reader.update(Buffer.alloc(10)), []);
});
