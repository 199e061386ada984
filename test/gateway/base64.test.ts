// Base64 as Node reads it, and nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOfBase64 } from '../../src/gateway/base64.ts';

test('what Node writes as base64 is read, and anything else is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const written = Buffer.from(Buffer.from(bytes).toString('base64'));
      assert.deepEqual(bytesOfBase64(written), Buffer.from(bytes));
    }),
  );
  for (const text of ['*', 'AA=A', 'A A', 'AAA=====', 'Ä'])
    assert.equal(bytesOfBase64(Buffer.from(text)), undefined, text);
});
