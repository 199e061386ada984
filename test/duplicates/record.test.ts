// Records as they are in a file, and the set of recipients in one.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  COPY_BYTES,
  decodeRecord,
  encodeRecord,
  FILE_BYTES,
  RECORD_BYTES,
  type Record,
} from '../../src/duplicates/record.ts';
import { covers, sketchOf, union } from '../../src/duplicates/sketch.ts';

const latin1 = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes) => Buffer.from(bytes).toString('latin1'));
const hashes = fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { maxLength: 6 });

function encoded(record: Record): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES, 0xff); // all of it is written
  encodeRecord(bytes, record);
  return bytes;
}

test('any record comes back from its 32 bytes', () => {
  const plain = { noNullPrototype: true };
  const record = fc.record(
    {
      kind: fc.constantFrom('begun', 'stored', 'failed'),
      copy: latin1(COPY_BYTES),
      paths: hashes.map(sketchOf),
      time: fc.nat(2 ** 32 - 1),
      process: fc.record({ pid: fc.nat(2 ** 24 - 1), start: fc.nat(255) }, plain),
      file: latin1(FILE_BYTES),
    },
    plain,
  );
  fc.assert(
    fc.property(record, (each) => {
      const bytes = encoded(each);
      assert.deepEqual(decodeRecord(bytes), each);
    }),
  );
});

test('zeros, text, a record out of step and one with another mark are no records', () => {
  const process = { pid: 7, start: 7 };
  const copy = Buffer.alloc(COPY_BYTES, 0xff).toString('latin1');
  const record = encoded({ kind: 'stored', copy, paths: 1, time: 1, process, file: 'abcde' });
  const twice = Buffer.concat([record, record]);
  for (const bytes of [
    Buffer.alloc(RECORD_BYTES),
    Buffer.alloc(RECORD_BYTES, 'sealdir\n'),
    twice.subarray(RECORD_BYTES / 2, RECORD_BYTES * 1.5),
    Buffer.from(record.map((byte, at) => (at === RECORD_BYTES - 1 ? byte ^ 1 : byte))),
    Buffer.from(record.map((byte, at) => (at === RECORD_BYTES - 2 ? 4 : byte))),
  ])
    assert.equal(decodeRecord(bytes), undefined);
});

test('a set covers each of its parts, and the union of two covers both', () => {
  fc.assert(
    fc.property(hashes, hashes, (some, others) => {
      const both = sketchOf([...some, ...others]);
      assert.equal(union(sketchOf(some), sketchOf(others)), both);
      assert.ok(covers(both, sketchOf(some)) && covers(both, sketchOf(others)) && covers(both, both));
      assert.ok(both < 2 ** 48);
    }),
  );
});

test('a set of one to three recipients takes hardly ever another for a member', () => {
  const hashOf = (n: number) => createHash('sha256').update(`${n}`).digest();
  let mistakes = 0;
  for (let n = 0; n < 30_000; n += 3)
    if (covers(sketchOf([hashOf(n), hashOf(n + 1)]), sketchOf([hashOf(n + 2)]))) mistakes++;
  assert.ok(mistakes <= 3, `${mistakes} of 10,000`);
});
