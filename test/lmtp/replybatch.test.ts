import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ReplyBatch } from '../../src/lmtp/replybatch.ts';

test('replies go out once, in their order, at the end of the turn', async () => {
  const batch = new ReplyBatch();
  const sent: string[] = [];
  batch.add(() => sent.push('a'));
  batch.add(() => {
    sent.push('b');
    batch.add(() => sent.push('d')); // in the next turn
  });
  await Promise.resolve().then(() => batch.add(() => sent.push('c')));
  assert.deepEqual(sent, []);
  await setImmediate();
  assert.deepEqual(sent, ['a', 'b', 'c']);
  await setImmediate();
  assert.deepEqual(sent, ['a', 'b', 'c', 'd']);
});
