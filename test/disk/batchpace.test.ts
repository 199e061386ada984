// How many batches a file system may have at once: as many as its fsyncs are worth, and no more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Answer } from '../../src/disk/batch.ts';
import { LATE_MS, Pace } from '../../src/disk/batchpace.ts';

const BATCHES = 100;

/** Room behind many batches, `atOnce` of them under way together, whose fsyncs took `answers` each. */
function roomAfter(answers: Answer[], diskShare = 1, atOnce = 1): number {
  const pace = new Pace();
  for (let n = 0; n < BATCHES; n++) {
    const together = Array.from({ length: atOnce }, () => pace.begin());
    for (const batch of together) pace.end(batch, { answers, diskShare });
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

test('batches that wait for each other do not bring more of them', () => {
  for (const alone of [0.2, 1, 2]) {
    const room = roomAfter([alone, alone]);
    for (const atOnce of [2, 4, 8])
      assert.ok(roomAfter([alone * atOnce, alone * atOnce], 1, atOnce) <= room + 1);
  }
});

test('a rename has no fsync, and tells nothing of its time', () => {
  assert.equal(roomAfter([0, 1, 1, 0, 0, 1]), 3);
});

test('nor does anything that is no number', () => {
  assert.equal(roomAfter([1, 1, 1], Number.NaN), 1);
});

test('what failed tells nothing of the time', () => {
  const failed = { message: 'I/O error', code: 'EIO', errno: -5, syscall: 'fsync' };
  assert.equal(roomAfter([1, failed, failed]), 1);
});

test('beside a batch that hangs others go on, one behind the other', async () => {
  const pace = new Pace();
  assert.equal(pace.isSilentFor(0), false);
  const hung = pace.begin();
  await pause(2 * LATE_MS);
  assert.ok(pace.isSilentFor(LATE_MS));
  for (let n = 0; n < 3; n++) {
    assert.equal(pace.room, 1);
    const other = pace.begin();
    assert.equal(pace.room, 0);
    pace.end(other, undefined);
    assert.equal(pace.isSilentFor(LATE_MS), false);
  }
  pace.end(hung, undefined);
  assert.equal(pace.isSilentFor(0), false);
});

test('eight at the most, whatever hangs', async () => {
  const pace = new Pace();
  for (let n = 0; n < 8; n++) pace.begin();
  await pause(2 * LATE_MS);
  assert.equal(pace.room, 0);
});
