// How many batches and fsyncs a file system may have at once, from what an fsync costs there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchPace, HUNG_BATCHES, LATE_MS } from '../../src/disk/batchpace.ts';
import { Liveness } from '../../src/disk/liveness.ts';
import { stillClock } from '../support/clock.ts';

const BATCHES = 100;
const HUNG_MS = 1000;
const SYNC_THREADS = 64;

function openPace() {
  const clock = stillClock();
  return { clock, pace: new BatchPace(clock, new Liveness(clock, HUNG_MS), SYNC_THREADS) };
}

/** Returns a pace that has learned what an fsync takes. */
function paceAfter(fsyncMs: number | undefined): BatchPace {
  const { pace } = openPace();
  for (let n = 0; n < BATCHES; n++) pace.end(pace.begin(), fsyncMs);
  return pace;
}

test('where an fsync is fast, or nothing is known yet, one batch goes at a time, its fsyncs one after the other', () => {
  for (const pace of [openPace().pace, paceAfter(0.1), paceAfter(0.4), paceAfter(undefined)]) {
    assert.equal(pace.room, 1);
    assert.equal(pace.next.syncsAtOnce, 1);
    pace.begin();
    assert.equal(pace.room, 0);
  }
});

test('where an fsync is slow, eight batches go at a time, and the fsyncs of a batch together', () => {
  const pace = paceAfter(1);
  for (let room = 8; room > 0; room--) {
    assert.equal(pace.room, room);
    assert.equal(pace.next.syncsAtOnce, SYNC_THREADS / 8);
    pace.begin();
  }
  assert.equal(pace.room, 0);
});

test('one fsync that takes long is no sign of a slow disk, and three in a row are', () => {
  const pace = paceAfter(0.1);
  for (const room of [1, 1, 8]) {
    pace.end(pace.begin(), 1000);
    assert.equal(pace.room, room);
  }
});

test('on a slow disk a single file is measured now and then, and a disk that has become fast is noticed', () => {
  const pace = paceAfter(5);
  for (let n = 0; n < 2000 && pace.next.syncsAtOnce > 1; n++) {
    for (; pace.next.maxJobs > 1; n++) pace.end(pace.begin(), undefined);
    assert.deepEqual(pace.next, { maxJobs: 1, syncsAtOnce: 1 });
    pace.end(pace.begin(), 0.1);
  }
  assert.equal(pace.room, 1);
});

test('with too few threads for it the fsyncs of a batch go one after the other', () => {
  const clock = stillClock();
  const pace = new BatchPace(clock, new Liveness(clock, HUNG_MS), 1);
  for (let n = 0; n < BATCHES; n++) pace.end(pace.begin(), 5);
  assert.equal(pace.room, 8);
  assert.equal(pace.next.syncsAtOnce, 1);
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
  for (let n = 0; n < BATCHES; n++) pace.end(pace.begin(), 100);
  let begun = 0;
  for (let n = 0; n < 100; n++) {
    for (; pace.room > 0; begun++) pace.begin();
    clock.pass(LATE_MS);
  }
  assert.equal(begun, 8);
});
