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

test('buffers that share the memory of a pool are left alone, whatever its size', () => {
  const lengths = [3, 4000, 9000, 20_000, 31_000].filter((length) => length < Buffer.poolSize / 2);
  const pooled = lengths.flatMap((length) => [
    Buffer.allocUnsafe(length).fill(1),
    Buffer.from('1'.repeat(length)),
  ]);
  for (const buffer of pooled) {
    const { length } = buffer;
    releaseMemory(buffer);
    assert.equal(buffer.length, length);
  }
  assert.equal(Buffer.from('the pool still gives').toString(), 'the pool still gives');
});

test('a buffer of the size of a pool, or a little less, is released if it is not small', () => {
  for (const length of [16_384, 32_768, 50_000, 65_535, 65_536, 65_537]) {
    const buffer = Buffer.allocUnsafeSlow(length);
    releaseMemory(buffer);
    assert.equal(buffer.length, 0, `${length} bytes`);
  }
});
