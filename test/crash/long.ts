// `npm run test:crash [-- --seed S --kills N --cuts N]` is the long form of the crash tests. It prints what
// it has tried and the seed. With the same seed it does the same again, as far as the seed decides.

import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { needsLoopMount } from '../support/loopmount.ts';
import { killCampaign, mustBeEmpty, type Report } from './campaign.ts';
import { clusterCampaign } from './cluster.ts';
import type { States } from './ledger.ts';
import { KINDS } from './plan.ts';
import { cutPower } from './powercut.ts';
import { type RetryReport, retryCampaign } from './retries.ts';

// about as many disk calls as a short load makes
const NUMBERED = 70;
const CLUSTER_SHARE = 20;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    kills: { type: 'string', default: '400' },
    cuts: { type: 'string', default: '40' },
  },
});
const { seed } = values;
const [kills, cuts] = [Number(values.kills), Number(values.cuts)];
console.log(`seed ${seed}`);

const inCluster = Math.ceil(kills / CLUSTER_SHARE);
const ofKinds = 4 * KINDS.length;
const numbered = Math.max(0, Math.min(NUMBERED, Math.floor((kills - inCluster - ofKinds) / 4)));
const moments = Math.max(0, kills - inCluster - ofKinds - 2 * numbered);
const summary: string[] = [];

const one = await killCampaign({ seed, numbered, moments });
summary.push(tell('one process', one));
const several = await clusterCampaign({ seed, kills: inCluster });
summary.push(tell('two workers', several));
const retries = await retryCampaign({ seed, kills: inCluster });
summary.push(tellRetries(retries));
const { skip } = await needsLoopMount('xfs_io');
for (const type of ['ext4', 'xfs'] as const) {
  if (skip !== false) {
    console.log(`power cuts on ${type}: ${skip}`);
    continue;
  }
  const { states, wrong } = await cutPower({ type, seed, quiet: cuts / 2, busy: cuts / 2 });
  mustBeEmpty(wrong, `power cuts on ${type}`);
  summary.push(`${cuts} power cuts on ${type}, ${states.acknowledged} copies acknowledged`);
  tellStates(`power cuts on ${type}`, states);
}
console.log(`survived: ${summary.join('; ')}; none lost, none twice, none torn, none readable`);

function tell(what: string, { places, states, swept }: Report): string {
  const total = [...places.values()].reduce((sum, count) => sum + count, 0);
  for (const [place, count] of [...places].sort()) console.log(`${what}: killed ${place}: ${count}`);
  tellStates(what, states);
  return `${total} kills of ${what}, ${states.acknowledged} copies acknowledged, ${swept} left-overs swept`;
}

function tellRetries({ acknowledged, unanswered, twice }: RetryReport): string {
  console.log(
    `retries: acknowledged ${acknowledged}, unanswered and sent again ${unanswered}, twice ${twice}`,
  );
  if (twice > 0) throw new Error(`seed ${seed}: ${twice} copies are there twice after a retry`);
  return `${inCluster} kills of all processes, ${unanswered} copies in new/ sent again`;
}

function tellStates(what: string, { S1, S2, S3, unanswered, acknowledged }: States): void {
  console.log(
    `${what}: S1 ${S1}, S2 ${S2}, S3 ${S3}, S4 or unanswered S5 ${unanswered}, acknowledged ${acknowledged}`,
  );
}
