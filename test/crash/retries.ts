// SIGKILL of a whole server, primary and workers, under load; its clients then send again what got no reply,
// as a mail server does. Counts the copies that are there twice. All the while another server with a store of
// its own runs on the same state directory, and is sent the same messages: what is in the one store is not in
// the other.

import { setTimeout as pause } from 'node:timers/promises';
import { childrenOf } from '../support/child.ts';
import { Dice } from '../support/dice.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { mustBeEmpty } from './campaign.ts';
import { load, type Unanswered } from './load.ts';
import { CrashSite } from './site.ts';

const LATEST_MS = 200;
const TWICE = /is there twice$/;

export interface RetryOptions {
  readonly seed: string;
  readonly kills: number;
}

export interface RetryReport {
  /** Copies that were acknowledged before a kill. */
  readonly acknowledged: number;
  /** Copies that were in new/ at a kill, although nobody had been told. */
  readonly unanswered: number;
  /** Copies that the second try stored again. */
  readonly twice: number;
}

/** Rejects with all that broke the promise, and with the seed. */
export async function retryCampaign({ seed: root, kills }: RetryOptions): Promise<RetryReport> {
  const site = await CrashSite.open({ processes: 2 });
  const other = await CrashSite.open({ processes: 1, state: site.state });
  let server = await site.startProgram();
  const neighbour = await other.startProgram();
  let twice = 0;
  try {
    for (let n = 1; n <= kills; n++) {
      const seed = `${root}/retries/${n}`;
      const mailboxes = await site.mailboxesFor(`t${n}`);
      await other.mailboxesFor(`t${n}`);
      const unanswered: Unanswered[] = [];
      const options = { mailboxes, seed, connections: 8, messages: Number.POSITIVE_INFINITY };
      const loading = load(site, { ...options, unanswered: (attempt) => unanswered.push(attempt) });
      await pause(new Dice(seed).below(LATEST_MS));
      for (const pid of [server.pid, ...childrenOf(server.pid)]) process.kill(pid, 'SIGKILL');
      await loading;
      await server.stop();
      mustBeEmpty(await site.ledger.check(mailboxes), `seed ${seed}`);
      server = await site.startProgram();
      for (const attempt of unanswered) {
        await send(site, attempt);
        other.ledger.sent(attempt.id, attempt.message, attempt.to);
        await send(other, attempt);
      }
      const sentences = await site.ledger.check(mailboxes);
      twice += sentences.filter((sentence) => TWICE.test(sentence)).length;
      const lost = sentences.filter((sentence) => !TWICE.test(sentence));
      mustBeEmpty([...lost, ...(await other.ledger.check(mailboxes))], `seed ${seed}, sent again`);
    }
    const { acknowledged, unanswered } = site.ledger.states;
    return { acknowledged, unanswered, twice };
  } finally {
    await server.stop();
    await neighbour.stop();
    await site.close();
    await other.close();
  }
}

/** Each of the recipients has to be acknowledged. */
async function send(site: CrashSite, { id, message, to }: Unanswered): Promise<void> {
  const session = await openSession(site.socketPath);
  const { final } = await deliver(session, { to, message });
  to.forEach((address, at) => {
    if (final[at]?.startsWith('250 ')) site.ledger.acknowledged(id, address);
  });
  mustBeEmpty(
    final.filter((reply) => !reply.startsWith('250 ')),
    'sent again',
  );
  await session.vanish();
}
