// How many batches a file system may have at once: as many as its fsyncs are worth, and no more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/disk/batch.ts';
import { BatchPace, HUNG_BATCHES, LATE_MS } from '../../src/disk/batchpace.ts';
import { Liveness } from '../../src/disk/liveness.ts';
import { stillClock } from '../support/clock.ts';

const BATCHES = 100;
const HUNG_MS = 1000;

function openPace() {
  const clock = stillClock();
  return { clock, pace: new BatchPace(clock, new Liveness(clock, HUNG_MS)) };
}

/**
 * Returns the room after many batches, `atOnce` of them under way together, whose fsyncs took `answers` each.
 */
function roomAfter(answers: Answer[], diskShare = 1, atOnce = 1): number {
  const { pace } = openPace();
  for (let n = 0; n < BATCHES; n++) {
    const together = Array.from({ length: atOnce }, () => pace.begin());
    for (const batch of together) pace.end(batch, { answers, diskShare });
  }
  return pace.room;
}

test('one batch at a time where an fsync is fast, or nothing is known yet', () => {
  assert.equal(openPace().pace.room, 1);
  assert.equal(roomAfter([0.1, 0.1, 0.1]), 1);
  const { pace } = openPace();
  pace.begin();
  assert.equal(pace.room, 0);
});

test('the longer an fsync takes the more batches go at once, up to eight', () => {
  assert.equal(roomAfter([1, 1, 1]), 3);
  assert.equal(roomAfter([100, 100]), 8);
});

test('one fsync that writes what the others wait for too is no sign of a slow disk', () => {
  assert.equal(roomAfter([20, 0.1, 0.1]), 1);
  assert.equal(roomAfter([20]), 1);
});

test('a thread that waits for a processor is no sign of a slow disk', () => {
  assert.equal(roomAfter([10, 10, 10], 0.02), 1);
});

test('batches that wait for each other do not bring more of them', () => {
  for (const alone of [0.2, 1, 2]) {
    const room = roomAfter([alone, alone]);
    for (const atOnce of [2, 4, 8])
      assert.ok(roomAfter([alone * atOnce, alone * atOnce], 1, atOnce) <= room + 1);
  }
});

test('a rename, which has no fsync, tells nothing of its time', () => {
  assert.equal(roomAfter([0, 1, 1, 0, 0, 1]), 3);
});

test('a time that is no number is not learned from', () => {
  assert.equal(roomAfter([1, 1, 1], Number.NaN), 1);
});

test('a file that failed tells nothing of the time', () => {
  const failed = { message: 'I/O error', code: 'EIO', errno: -5, syscall: 'fsync' };
  assert.equal(roomAfter([1, failed, failed]), 1);
});

test('beside a batch that hangs others go on, one after the other', () => {
  const { pace, clock } = openPace();
  const hung = pace.begin();
  clock.pass(LATE_MS - 1);
  assert.equal(pace.room, 0);
  clock.pass(1);
  for (let n = 0; n < 3; n++) {
    assert.equal(pace.room, 1);
    const other = pace.begin();
    assert.equal(pace.room, 0);
    pace.end(other, undefined);
  }
  pace.end(hung, undefined);
  assert.equal(pace.room, 1);
});

test('a file system is stuck when none of its batches has been answered for too long', () => {
  const { pace, clock } = openPace();
  clock.pass(2 * HUNG_MS);
  assert.equal(pace.isStuck, false);
  const [hung, other] = [pace.begin(), pace.begin()];
  clock.pass(HUNG_MS);
  assert.equal(pace.isStuck, false);
  clock.pass(1);
  assert.equal(pace.isStuck, true);
  pace.end(other, undefined);
  assert.equal(pace.isStuck, false);
  clock.pass(2 * HUNG_MS);
  assert.equal(pace.isStuck, true);
  pace.end(hung, undefined);
  assert.equal(pace.isStuck, false);
});

test('a fast file system that hangs keeps four batches', () => {
  const { pace, clock } = openPace();
  let begun = 0;
  for (let n = 0; n < 100; n++) {
    for (; pace.room > 0; begun++) pace.begin();
    clock.pass(LATE_MS);
  }
  assert.equal(begun, HUNG_BATCHES);
});

test('a slow one keeps no more than eight, whatever hangs', () => {
  const { pace, clock } = openPace();
  for (let n = 0; n < BATCHES; n++) pace.end(pace.begin(), { answers: [100, 100], diskShare: 1 });
  let begun = 0;
  for (let n = 0; n < 100; n++) {
    for (; pace.room > 0; begun++) pace.begin();
    clock.pass(LATE_MS);
  }
  assert.equal(begun, 8);
});
