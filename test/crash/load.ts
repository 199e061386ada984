// Clients that keep a server busy until it is dead or their messages are used up, and write down what it
// acknowledged.

import { messageWith } from '../support/canary.ts';
import { Dice } from '../support/dice.ts';
import { connectLmtp, deliver, isGreeted } from '../support/lmtp.ts';
import type { CrashSite, Mailboxes } from './site.ts';

export interface LoadOptions {
  readonly mailboxes: Mailboxes;
  /** Decides what is sent; unlike that of any other load on the same site. */
  readonly seed: string;
  readonly connections: number;
  /** Each connection sends as many, one after the other. */
  readonly messages: number;
  /** Told of each message that did not get all its replies, with the recipients that got none. */
  readonly unanswered?: (attempt: Unanswered) => void;
  /** False once the power is being cut: what is answered from then on would have reached nobody. */
  readonly isPowered?: () => boolean;
}

export interface Unanswered {
  readonly id: string;
  readonly message: Buffer;
  readonly to: readonly string[];
}

/**
 * Resolves when no client is left. One ends early when it is not served; whether that is an error is not
 * known here.
 */
export async function load(site: CrashSite, options: LoadOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.connections }, (_, n) => client(site, options, n)));
}

async function client(site: CrashSite, options: LoadOptions, n: number): Promise<void> {
  const session = await connectLmtp(site.socketPath).catch(() => undefined);
  if (session === undefined) return; // killed before we came
  if (!(await isGreeted(session))) {
    site.ledger.ungreeted++;
    return;
  }
  await session.say('LHLO client.example');
  const dice = new Dice(`${options.seed}/${n}`);
  for (let i = 0; i < options.messages; i++) {
    const id = `id-${options.seed}/${n}/${i}`;
    // now and then a recipient twice: two replies, one copy
    const to = Array.from({ length: 1 + dice.below(3) }, () => dice.pick(options.mailboxes));
    const message = messageWith(site.canaries, `\r\n${id} ends here\r\n${dice.text(sizeOf(dice))}`);
    site.ledger.sent(id, message, to);
    const wire = dice.below(5) === 0 ? await site.encrypted(id, message) : message;
    const { rcpt, final } = await deliver(session, { to, message: wire });
    for (const reply of [...rcpt, ...final]) site.ledger.replies.add(reply);
    if (options.isPowered?.() === false) break;
    const accepted = to.filter((_, at) => rcpt[at]?.startsWith('250 '));
    const isServed = accepted.length === to.length && final.every(isPositive);
    accepted.forEach((address, at) => {
      if (isPositive(final[at])) site.ledger.acknowledged(id, address);
    });
    if (isServed) continue;
    options.unanswered?.({ id, message: wire, to: to.filter((_, at) => !isPositive(final[at])) });
    break;
  }
  await session.vanish();
}

/** Mostly small; some take several writes. */
function sizeOf(dice: Dice): number {
  return dice.below(8) === 0 ? dice.below(400_000) : dice.below(4000);
}

function isPositive(reply: string | undefined): boolean {
  return reply?.startsWith('250 ') === true;
}
