// What is put into a message comes out again, wherever it is cut, and whatever the sender wrote.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Insertion, literalNameOf, MOST_INSERTIONS, withInsertions } from '../../src/mime/insertions.ts';
import { cut, someCut } from '../support/chunks.ts';
import { originalOf } from '../support/original.ts';

const some: fc.Arbitrary<{ message: Buffer; insertions: Insertion[] }> = fc
  .tuple(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(fc.tuple(fc.nat(300), fc.uint8Array({ minLength: 1, maxLength: 60 })), {
      maxLength: MOST_INSERTIONS,
    }),
  )
  .map(([bytes, places]) => ({
    message: Buffer.from(bytes),
    insertions: places
      .map(([at, added]) => ({ at: Math.min(at, bytes.length), bytes: Buffer.from(added) }))
      .sort((one, other) => one.at - other.at),
  }));

test('a message without what was put into it is the message, wherever both are cut', () => {
  fc.assert(
    fc.property(some, someCut, ({ message, insertions }, lengths) => {
      const held = Buffer.concat([...withInsertions(message, insertions)]);
      const added = insertions.reduce((sum, { bytes }) => sum + bytes.length, 0);
      assert.equal(held.length, message.length + added);
      const left = originalOf(cut(held, lengths), literalNameOf(insertions));
      assert.deepEqual(left && Buffer.concat(left), message);
    }),
    { numRuns: 1000 },
  );
});

test('a message that nothing was put into has no name, and its pieces are handed on as they are', () => {
  const message = Buffer.from('Subject: x\r\n\r\nsealdir-added:0+5\r\n');
  assert.equal(literalNameOf([]), '');
  assert.deepEqual([...withInsertions(message, [])], [message]);
  for (const name of ['', 'msg.txt', '_CONSOLE', 'sealdir', 'x sealdir-added:0+5'])
    assert.deepEqual(originalOf([message], name), [message], name);
});

test('the longest name fits into a literal packet', () => {
  const bytes = Buffer.alloc(9_999_999);
  const insertions = Array.from({ length: MOST_INSERTIONS }, () => ({ at: 2 ** 21, bytes }));
  assert.ok(literalNameOf(insertions).length <= 255);
});

test('a name that is not of the message tells no original', () => {
  const pieces = [Buffer.from('0123'), Buffer.from('456789')];
  for (const ranges of ['', '5', '0+11', '11+1', '4+2,5+1', '-1+2', '1+2,', '0x1+2', '1+2 ', '1e1+1', '9+2'])
    assert.equal(originalOf(pieces, `sealdir-added:${ranges}`), undefined, ranges);
  const left = originalOf(pieces, 'sealdir-added:0+1,3+2,9+1');
  assert.equal(left && Buffer.concat(left).toString(), '125678');
});
