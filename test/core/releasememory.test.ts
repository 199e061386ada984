import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { releaseMemory } from '../../src/core/releasememory.ts';

test('a released buffer has no bytes, and its memory goes back at once, whatever the version of Node', () => {
  const cipher = createCipheriv('aes-256-cfb', randomBytes(32), randomBytes(16));
  const plain = Buffer.alloc(2 ** 20);
  releaseMemory(cipher.update(plain));
  const before = process.memoryUsage();
  for (let turn = 0; turn < 400; turn++) {
    const sealed = cipher.update(plain);
    const part = sealed.subarray(0, 10);
    releaseMemory(part);
    assert.equal(sealed.length, 0);
    assert.equal(part.length, 0);
    const { arrayBuffers, rss } = process.memoryUsage();
    assert.ok(
      arrayBuffers - before.arrayBuffers < 4 * 2 ** 20,
      `${arrayBuffers} bytes counted in turn ${turn}`,
    );
    assert.ok(rss - before.rss < 16 * 2 ** 20, `${rss - before.rss} bytes resident in turn ${turn}`);
  }
});

test('a small buffer, which may share its memory with others, is left alone', () => {
  const small = Buffer.from('a part of the pool');
  const other = Buffer.from('another part of it');
  releaseMemory(small);
  assert.equal(small.toString(), 'a part of the pool');
  assert.equal(other.toString(), 'another part of it');
});
