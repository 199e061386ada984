// One stream to many lanes: order, waiting, and lanes that fail, each alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CopyFailure } from '../../src/core/errors.ts';
import { fanOut, type Lane, settleLane } from '../../src/delivery/fanout.ts';
import { gate } from '../support/fakedisk.ts';

const LONG_MS = 60_000;

/** Remembers what it was given and why it failed; `push` says what a block leads to. */
function lane(push: (block: Buffer) => Promise<void> | undefined = () => undefined) {
  const blocks: string[] = [];
  const failures: unknown[] = [];
  const made: Lane = {
    get failed() {
      return failures.length > 0;
    },
    push(block) {
      blocks.push(block.toString());
      return push(block);
    },
    fail: (error) => failures.push(error),
  };
  return { ...made, blocks, failures, lane: made };
}

test('every lane gets every block in order, and nobody waits for lanes that do not ask to', () => {
  const lanes = [lane(), lane(), lane()];
  for (const block of ['a', 'b', 'c']) {
    assert.equal(
      fanOut(
        lanes.map((each) => each.lane),
        Buffer.from(block),
        LONG_MS,
      ),
      undefined,
    );
  }
  for (const { blocks } of lanes) assert.deepEqual(blocks, ['a', 'b', 'c']);
});

test('the fan-out settles when the last waiting lane does', async () => {
  const gates = [gate(), gate()];
  const lanes = gates.map(({ opened }) => lane(() => opened).lane);
  let isSettled = false;
  const settled = fanOut([...lanes, lane().lane], Buffer.from('a'), LONG_MS)?.then(() => {
    isSettled = true;
  });
  gates[0]?.open();
  await new Promise(setImmediate);
  assert.equal(isSettled, false);
  gates[1]?.open();
  await settled;
});

test('a lane that throws or rejects fails alone and gets no further block', async () => {
  const thrown = new CopyFailure('cryptoFailed');
  const rejected = new Error('disk');
  const throws = lane(() => {
    throw thrown;
  });
  const rejects = lane(() => Promise.reject(rejected));
  const fine = lane();
  const lanes = [throws.lane, rejects.lane, fine.lane];
  await fanOut(lanes, Buffer.from('a'), LONG_MS);
  await fanOut(lanes, Buffer.from('b'), LONG_MS);
  assert.deepEqual(throws.failures, [thrown]);
  assert.deepEqual(rejects.failures, [rejected]);
  assert.deepEqual(throws.blocks, ['a']);
  assert.deepEqual(rejects.blocks, ['a']);
  assert.deepEqual(fine.blocks, ['a', 'b']);
  assert.deepEqual(fine.failures, []);
});

test('a lane that never settles is failed as too slow, and its late result changes nothing', async () => {
  const never = gate();
  const slow = lane(() => never.opened.then(() => Promise.reject(new Error('late'))));
  await fanOut([slow.lane, lane().lane], Buffer.from('a'), 1);
  const [failure] = slow.failures;
  assert.ok(failure instanceof CopyFailure);
  assert.equal(failure.why, 'tooSlow');
  never.open();
  await new Promise(setImmediate);
  assert.equal(slow.failures.length, 1);
});

test('without lanes there is nothing to wait for', () => {
  assert.equal(fanOut([], Buffer.from('a'), LONG_MS), undefined);
});

test('work that is done in time does not fail its lane', async () => {
  const each = lane();
  await settleLane(each.lane, Promise.resolve(), 0);
  await settleLane(each.lane, new Promise((resolve) => setImmediate(resolve)), LONG_MS);
  assert.deepEqual(each.failures, []);
});

test('whatever some lanes do, the others get every block', async () => {
  const behaviour = fc.constantFrom('fine', 'waits', 'throws', 'rejects', 'fails late');
  await fc.assert(
    fc.asyncProperty(fc.array(behaviour, { maxLength: 8 }), fc.nat(5), async (kinds, blocks) => {
      const lanes = kinds.map((kind) => {
        let count = 0;
        return lane(() => {
          if (kind === 'waits') return Promise.resolve();
          if (kind === 'throws') throw new Error(kind);
          if (kind === 'rejects') return Promise.reject(new Error(kind));
          if (kind === 'fails late' && ++count === 3) return Promise.reject(new Error(kind));
          return undefined;
        });
      });
      for (let n = 0; n < blocks; n++) {
        await fanOut(
          lanes.map((each) => each.lane),
          Buffer.from([n]),
          LONG_MS,
        );
      }
      for (const [n, { blocks: got, failures }] of lanes.entries()) {
        const isFine = kinds[n] === 'fine' || kinds[n] === 'waits';
        if (isFine) assert.equal(got.length, blocks);
        assert.ok(failures.length <= (isFine ? 0 : 1));
      }
    }),
    { numRuns: 100 },
  );
});
