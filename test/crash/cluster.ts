// A campaign of kills against a server with two workers: one worker is killed, or now and then the primary,
// and the processes that live go on.

import { setTimeout as pause } from 'node:timers/promises';
import { childrenOf } from '../support/child.ts';
import { Dice } from '../support/dice.ts';
import { until } from '../support/until.ts';
import { mustBeEmpty, type Report } from './campaign.ts';
import { load } from './load.ts';
import { CrashSite } from './site.ts';
import { sweepAll } from './sweep.ts';

const PRIMARY_EVERY = 5;
const LATEST_MS = 200;

export interface ClusterOptions {
  readonly seed: string;
  readonly kills: number;
}

/** Runs a campaign. Rejects with every breach of the promise, and with the seed. */
export async function clusterCampaign({ seed: root, kills }: ClusterOptions): Promise<Report> {
  const site = await CrashSite.open({ processes: 2 });
  const places = new Map<string, number>();
  const printed: string[] = [];
  let server = await site.startProgram();
  try {
    for (let n = 1; n <= kills; n++) {
      const seed = `${root}/cluster/${n}`;
      const mailboxes = await site.mailboxesFor(`c${n}`);
      const who = n % PRIMARY_EVERY === 0 ? 'primary' : 'worker';
      const dice = new Dice(seed);
      const victim = who === 'primary' ? server.pid : (childrenOf(server.pid)[dice.below(2)] ?? 0);
      const loading = load(site, { mailboxes, seed, connections: 6, messages: 12 });
      await pause(dice.below(LATEST_MS));
      process.kill(victim, 'SIGKILL');
      await loading; // clients of the worker that lives finish their messages
      places.set(`the ${who}`, (places.get(`the ${who}`) ?? 0) + 1);
      if (who === 'primary') await server.stop();
      mustBeEmpty(await site.ledger.check(mailboxes), `seed ${seed}, killed the ${who}`);
      if (who === 'worker') await until('it is replaced', () => isReplaced(server.pid, victim));
      else {
        printed.push(server.output());
        server = await site.startProgram();
      }
    }
    printed.push(server.output());
    await server.stop();
    const swept = await sweepAll(site, `${root}/cluster/end`, printed);
    mustBeEmpty(await site.leaks(printed), `seed ${root}`);
    return { places, states: site.ledger.states, swept };
  } finally {
    await server.stop();
    await site.close();
  }
}

/** Tells whether a killed worker was replaced. It stays a child until the primary has noticed its end. */
function isReplaced(primary: number, victim: number): boolean {
  const workers = childrenOf(primary);
  return workers.length === 2 && !workers.includes(victim);
}
