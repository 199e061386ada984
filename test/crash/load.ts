// Clients that keep a server busy until it is dead or all their messages are sent, and note what it
// acknowledged.

import { setTimeout as pause } from 'node:timers/promises';
import { messageWith } from '../support/canary.ts';
import { Dice } from '../support/dice.ts';
import { connectLmtp, deliver, type LmtpClient } from '../support/lmtp.ts';
import type { CrashSite, Mailboxes } from './site.ts';

const GREETING_MS = 3000;

export interface LoadOptions {
  readonly mailboxes: Mailboxes;
  /** Decides what is sent. Each load on a site has another one. */
  readonly seed: string;
  readonly connections: number;
  /** Number of messages that each connection sends, one after the other. */
  readonly messages: number;
  /** Returns false once the power is being cut. Replies after that would not have reached a client. */
  readonly isPowered?: () => boolean;
}

/**
 * Resolves when all clients have ended. A client that is not served ends early, which need not be an error.
 */
export async function load(site: CrashSite, options: LoadOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.connections }, (_, n) => client(site, options, n)));
}

async function client(site: CrashSite, options: LoadOptions, n: number): Promise<void> {
  const session = await connectLmtp(site.socketPath).catch(() => undefined);
  if (session === undefined) return; // the server was killed before
  if (!(await isGreeted(session))) {
    site.ledger.ungreeted++;
    return;
  }
  await session.say('LHLO client.example');
  const dice = new Dice(`${options.seed}/${n}`);
  for (let i = 0; i < options.messages; i++) {
    const id = `id-${options.seed}/${n}/${i}`;
    // Now and then a recipient comes twice, which makes two replies and one copy.
    const to = Array.from({ length: 1 + dice.below(3) }, () => dice.pick(options.mailboxes));
    const message = messageWith(site.canaries, `\r\n${id} ends here\r\n${dice.text(sizeOf(dice))}`);
    site.ledger.sent(id, message, to);
    const { rcpt, final } = await deliver(session, { to, message });
    for (const reply of [...rcpt, ...final]) site.ledger.replies.add(reply);
    if (options.isPowered?.() === false) break;
    const accepted = to.filter((_, at) => rcpt[at]?.startsWith('250 '));
    const isServed = accepted.length === to.length && final.every((reply) => reply.startsWith('250 '));
    accepted.forEach((address, at) => {
      if (final[at]?.startsWith('250 ')) site.ledger.acknowledged(id, address);
    });
    if (!isServed) break;
  }
  await session.vanish();
}

/**
 * Waits for the greeting. Resolves to false if nothing comes, and to true also if the connection is closed.
 */
async function isGreeted(session: LmtpClient): Promise<boolean> {
  const late = pause(GREETING_MS, false, { ref: false });
  const isAnswered = await Promise.race([session.reply().then(() => true), late]);
  if (!isAnswered) await session.vanish();
  return isAnswered;
}

/** Chooses the size of a message. Most are small; some take several writes. */
function sizeOf(dice: Dice): number {
  return dice.below(8) === 0 ? dice.below(400_000) : dice.below(4000);
}
