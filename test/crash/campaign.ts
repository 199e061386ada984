// A campaign of kills against one store: start the server, load it, end it with SIGKILL, look at the disk,
// and repeat.
//
// The seed decides what is sent and where the server is killed. How the connections interleave is left to
// chance, so a seed repeats a campaign but not every byte of it.

import { setTimeout as pause } from 'node:timers/promises';
import { Dice } from '../support/dice.ts';
import type { Running } from '../support/process.ts';
import type { States } from './ledger.ts';
import { load } from './load.ts';
import { type CampaignOptions, type Kill, planOf } from './plan.ts';
import { CrashSite, type Mailboxes } from './site.ts';
import { sweepAll } from './sweep.ts';

export interface Report {
  /** Number of kills by place: `before rename`, `at a random moment` and so on. */
  readonly places: ReadonlyMap<string, number>;
  readonly states: States;
  /** Number of files that the sweep at the end removed from tmp/. */
  readonly swept: number;
}

const LATEST_MS = 200;

/** Runs a campaign. Rejects with every breach of the promise, and with the seed. */
export async function killCampaign(options: CampaignOptions): Promise<Report> {
  const site = await CrashSite.open();
  const places = new Map<string, number>();
  const printed: string[] = [];
  const plan = planOf(options);
  const loadNext = (n: number) => {
    const loading = site.loadServer(plan[n]?.point);
    loading.catch(() => undefined); // its error is seen where it is awaited
    return loading;
  };
  let next = loadNext(0);
  let server: Running | undefined;
  try {
    for (const [n, kill] of plan.entries()) {
      server = await next;
      next = loadNext(n + 1); // loads its code while this one runs
      const mailboxes = await site.mailboxesFor(`r${n}`);
      await site.begin(server);
      const place = await killOnce(site, server, mailboxes, kill);
      places.set(place, (places.get(place) ?? 0) + 1);
      printed.push(server.output());
      mustBeEmpty(await site.ledger.check(mailboxes), `seed ${kill.seed}, killed ${place}`);
    }
    await (await next).stop();
    mustBeEmpty(unexpected(site), `seed ${options.seed}`);
    const swept = await sweepAll(site, `${options.seed}/end`, printed);
    mustBeEmpty(await site.leaks(printed), `seed ${options.seed}`);
    return { places, states: site.ledger.states, swept };
  } finally {
    await server?.stop();
    await next.then((waiting) => waiting.stop()).catch(() => undefined); // only the first error is reported
    await site.close();
  }
}

/** Puts load on the server until it is dead. Resolves to where it died. */
async function killOnce(site: CrashSite, server: Running, mailboxes: Mailboxes, { seed, point }: Kill) {
  if (point === undefined) {
    const loading = load(site, { mailboxes, seed, connections: 4, messages: Number.POSITIVE_INFINITY });
    await pause(new Dice(seed).below(LATEST_MS));
    server.signal('SIGKILL');
    await loading;
  } else {
    await load(site, { mailboxes, seed, connections: 2, messages: 2 });
    server.signal('SIGKILL'); // a short load may not make that many calls
  }
  await server.stop();
  const [, when, call] = /^killed (\w+) call \d+: (\w+)$/m.exec(server.output()) ?? [];
  if (when !== undefined) return `${when} ${call}`;
  return point === undefined ? 'at a random moment' : 'after a short load';
}

/** Returns replies that should not have come: until it is killed the server accepts everything. */
function unexpected({ ledger }: CrashSite): string[] {
  const replies = [...ledger.replies].filter((reply) => !/^(250 .*|unfinished: .*|)$/.test(reply));
  return ledger.ungreeted === 0
    ? replies
    : [...replies, `${ledger.ungreeted} connections were left without a word`];
}

export function mustBeEmpty(sentences: readonly string[], context: string): void {
  if (sentences.length > 0) throw new Error(`${context}:\n  ${sentences.join('\n  ')}`);
}
