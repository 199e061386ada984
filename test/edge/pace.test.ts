// How many batches a file system may have at once: as many as its fsyncs are worth, and no more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Answer } from '../../src/edge/batch.ts';
import { LATE_MS, Pace } from '../../src/edge/pace.ts';

const BATCHES = 100;

/** Room behind many batches, `atOnce` of them under way together, whose fsyncs took `answers`. */
function roomAfter(answers: Answer[], diskShare = 1, atOnce = 1): number {
  const pace = new Pace();
  for (let n = 0; n < BATCHES; n++) {
    for (let each = 0; each < atOnce; each++) pace.begin();
    for (let each = 0; each < atOnce; each++) pace.end(each === 0 ? { answers, diskShare } : undefined);
  }
  return pace.room;
}

test('one at a time where an fsync is fast, or nothing is known yet', () => {
  assert.equal(new Pace().room, 1);
  assert.equal(roomAfter([0.1, 0.1, 0.1]), 1);
  const pace = new Pace();
  pace.begin();
  assert.equal(pace.room, 0);
});

test('more at once the longer an fsync takes, up to eight', () => {
  assert.equal(roomAfter([1, 1, 1]), 3);
  assert.equal(roomAfter([100, 100]), 8);
});

test('one fsync that writes what the others wait for too is no sign of a slow disk', () => {
  assert.equal(roomAfter([20, 0.1, 0.1]), 1);
  assert.equal(roomAfter([20]), 1);
});

test('nor is a thread that waits for a processor', () => {
  assert.equal(roomAfter([10, 10, 10], 0.02), 1);
});

test('more at once are not worth it where each takes longer for it', () => {
  assert.equal(roomAfter([1.2, 1.2], 1, 4), 1);
  assert.equal(roomAfter([8, 8], 1, 4), 7);
});

test('what failed tells nothing of the time', () => {
  const failed = { message: 'I/O error', code: 'EIO', errno: -5, syscall: 'fsync' };
  assert.equal(roomAfter([1, failed, failed]), 1);
});

test('where nothing comes back for long, others go on beside it', async () => {
  const pace = new Pace();
  assert.equal(pace.isSilentFor(0), false);
  pace.begin();
  await pause(2 * LATE_MS);
  assert.equal(pace.room, 7);
  assert.ok(pace.isSilentFor(LATE_MS));
  pace.end(undefined);
  assert.equal(pace.isSilentFor(0), false);
  assert.equal(pace.room, 1);
});
