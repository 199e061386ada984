import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Slots } from '../../src/core/slots.ts';

test('a name has as many slots as the limit says, and no other name has fewer for it', () => {
  const slots = new Slots();
  assert.ok(slots.take('a', 2));
  assert.ok(slots.take('a', 2));
  assert.equal(slots.take('a', 2), undefined);
  assert.ok(slots.take('b', 2));
  assert.equal(slots.total, 3);
});

test('the limit is that of the moment: a lower one takes nothing away, and nothing is taken above it', () => {
  const slots = new Slots();
  const [first, second] = [slots.take('a', 2), slots.take('a', 2)];
  assert.equal(slots.take('a', 1), undefined);
  first?.();
  assert.equal(slots.take('a', 1), undefined);
  second?.();
  assert.ok(slots.take('a', 1));
});

test('whatever is taken and given back, once or often, the count is that of the slots held', () => {
  const step = fc.oneof(
    fc.record({ take: fc.constantFrom('a', 'b', 'c'), limit: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ giveBack: fc.nat({ max: 30 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const slots = new Slots();
      const all: { name: string; giveBack: () => void; isHeld: boolean }[] = [];
      for (const each of steps) {
        if ('take' in each) {
          const held = all.filter(({ name, isHeld }) => isHeld && name === each.take).length;
          const giveBack = slots.take(each.take, each.limit);
          assert.equal(giveBack !== undefined, held < each.limit);
          if (giveBack) all.push({ name: each.take, giveBack, isHeld: true });
        } else {
          const chosen = all[each.giveBack % Math.max(all.length, 1)];
          chosen?.giveBack();
          if (chosen) chosen.isHeld = false;
        }
        assert.equal(slots.total, all.filter(({ isHeld }) => isHeld).length);
      }
    }),
  );
});
