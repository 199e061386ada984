import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Outbox } from '../../src/lmtp/replybatch.ts';

test('what is to be sent goes out once, in its order, when the work at hand is done', async () => {
  const outbox = new Outbox();
  const sent: string[] = [];
  outbox.add(() => sent.push('a'));
  outbox.add(() => {
    sent.push('b');
    outbox.add(() => sent.push('d')); // in the next turn
  });
  await Promise.resolve().then(() => outbox.add(() => sent.push('c')));
  assert.deepEqual(sent, []);
  await setImmediate();
  assert.deepEqual(sent, ['a', 'b', 'c']);
  await setImmediate();
  assert.deepEqual(sent, ['a', 'b', 'c', 'd']);
});
