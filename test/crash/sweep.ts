// The end of a campaign: the program itself starts on what the crashes have left, delivers, and sweeps tmp/.

import assert from 'node:assert/strict';
import { access, utimes } from 'node:fs/promises';
import { until } from '../support/until.ts';
import { load } from './load.ts';
import type { CrashSite } from './site.ts';

const HOUR_MS = 3_600_000;

/**
 * Lets the program sweep files older than 36 hours, and no others (maildir(5)). Resolves to how many it
 * swept. Adds its output to `printed`.
 */
export async function sweepAll(site: CrashSite, seed: string, printed: string[]): Promise<number> {
  const { ledger } = site;
  const old = ledger.leftOvers.filter((_, n) => n % 2 === 0);
  for (const path of ledger.leftOvers) await setAge(path, old.includes(path) ? 37 : 35);
  const server = await site.startProgram();
  try {
    for (const path of old) await until(`${path} is swept`, () => isGone(path));
    ledger.removed(old);
    const before = { ...ledger.states };
    const mailboxes = await site.mailboxesFor('end');
    await load(site, { mailboxes, seed, connections: 4, messages: 3 });
    const [, metrics] = /"metrics":"([^"]+)"/.exec(server.output()) ?? [];
    printed.push(await (await fetch(`http://${metrics}/metrics`)).text());
    assert.equal(await server.stop(), 0);
    printed.push(server.output());
    assert.deepEqual(await ledger.check(ledger.addresses), [], seed);
    const { acknowledged } = ledger.states;
    assert.deepEqual(
      { ...ledger.states, acknowledged: 0 },
      { ...before, acknowledged: 0 },
      'all are answered',
    );
    assert.ok(acknowledged > before.acknowledged);
    return old.length;
  } finally {
    await server.stop();
  }
}

async function setAge(path: string, hours: number): Promise<void> {
  const then = new Date(Date.now() - hours * HOUR_MS);
  await utimes(path, then, then);
}

function isGone(path: string): Promise<boolean> {
  return access(path).then(
    () => false,
    () => true,
  );
}
