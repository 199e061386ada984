import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { releaseMemory } from '../../src/core/releasememory.ts';

test('a discarded buffer has no bytes, and its memory is no longer counted as in use', () => {
  const cipher = createCipheriv('aes-256-cfb', randomBytes(32), randomBytes(16));
  const plain = Buffer.alloc(2 ** 20);
  const before = process.memoryUsage().arrayBuffers;
  for (let turn = 0; turn < 100; turn++) {
    const sealed = cipher.update(plain);
    const part = sealed.subarray(0, 10);
    releaseMemory(part);
    assert.equal(sealed.length, 0);
    assert.equal(part.length, 0);
  }
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 10 * 2 ** 20, `${grown} bytes more than before`);
});

test('a small buffer, which may share its memory with others, is left alone', () => {
  const small = Buffer.from('a part of the pool');
  const other = Buffer.from('another part of it');
  releaseMemory(small);
  assert.equal(small.toString(), 'a part of the pool');
  assert.equal(other.toString(), 'another part of it');
});
