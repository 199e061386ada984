// A whole server is killed, and what got no reply is sent again; the short form of what `npm run test:crash`
// does at length.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { isLong } from '../support/long.ts';
import { retryCampaign } from './retries.ts';

test('F18: what is sent again after a kill of all processes is acknowledged, and is there once', {
  timeout: 900_000,
}, async (t) => {
  const seed = randomBytes(4).toString('hex');
  const report = await retryCampaign({ seed, kills: isLong ? 4 : 1 });
  t.diagnostic(`seed ${seed}: ${JSON.stringify(report)}`);
  assert.equal(report.twice, 0, `seed ${seed}`);
});
