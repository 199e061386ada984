// The short form of the crash tests: the real server is killed at its disk calls and at random moments.
// `npm run test:crash` is the long form.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { isLong } from '../support/long.ts';
import { killCampaign } from './campaign.ts';
import { KINDS } from './plan.ts';

test('F18: no acknowledged message is lost and none is torn, before or after whichever disk call the kill comes', {
  timeout: 480_000,
}, async (t) => {
  const kinds = isLong ? KINDS : (['writev', 'rename'] as const);
  const seed = randomBytes(4).toString('hex');
  const { places, states, swept } = await killCampaign({
    seed,
    numbered: 0,
    moments: isLong ? 12 : 2,
    kinds,
    calls: isLong ? [1, 4] : [1],
  });
  t.diagnostic(`seed ${seed}: ${JSON.stringify({ ...Object.fromEntries(places), ...states, swept })}`);
  for (const kind of kinds) {
    for (const when of ['before', 'after'])
      assert.ok(places.has(`${when} ${kind}`), `killed ${when} ${kind}`);
  }
  // A campaign that left no copy in one of these states would show nothing about it.
  for (const state of ['S2', 'S3', 'unanswered', 'acknowledged'] as const)
    assert.ok(states[state] > 0, state);
  assert.ok(swept > 0);
});
