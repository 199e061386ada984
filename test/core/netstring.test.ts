// Netstrings, however they are cut, and what is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NetstringReader, netstring } from '../../src/core/netstring.ts';

test('texts come back whole and in order, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), fc.array(fc.nat(20)), (texts, cuts) => {
      let stream = Buffer.concat(texts.map(netstring));
      const reader = new NetstringReader(1_000_000);
      const found: string[] = [];
      for (const cut of cuts) {
        found.push(...reader.update(stream.subarray(0, cut)));
        stream = stream.subarray(cut);
      }
      found.push(...reader.update(stream));
      // a lone surrogate is no text
      assert.deepEqual(
        found,
        texts.map((text) => Buffer.from(text).toString()),
      );
    }),
  );
});

test('what is no netstring, or is too long, is an error at once', () => {
  for (const bytes of ['x', ':', '-1:,', '3:abcd', '1000000000', '11:', ' 1:a,', '1 :a,', 'GET / HTTP/1.1'])
    assert.throws(() => new NetstringReader(10).update(Buffer.from(bytes)), Error, bytes);
});
