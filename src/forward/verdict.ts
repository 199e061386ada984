/**
 * A reply of the next hop -> what our client is told. Its class stays (4yz defers, 5yz refuses), where it is
 * about the recipient or the message; what is about our session with it is our own trouble, and defers. Its
 * text goes to the log only.
 */
import { CopyFailure } from '../core/errors.ts';
import type { Why } from '../core/outcome.ts';
import { isGood } from './connection.ts';
import { type HopReply, LostError } from './replies.ts';

/** What it has answered: a command, or the message. */
export type Answered = 'MAIL' | 'RCPT' | 'DATA' | 'message';

/** Enhanced codes, with 4yz and with 5yz, that have a reply of their own. */
const DEFERRED: Readonly<Record<string, Why>> = { '2.2': 'overQuota', '3.1': 'diskFull' };
const REFUSED: Readonly<Record<string, Why>> = {
  '1.1': 'nextHopUnknown',
  '2.2': 'overQuotaForGood',
  '3.4': 'tooBig',
};
/** 5yz about a command, its order, a password or TLS: mail must not be lost for it. */
const ABOUT_SESSION = new Set([500, 501, 502, 503, 504, 530, 534, 535, 538, 555]);

/** A next hop's 4yz or 5yz. */
export class HopRefusal extends CopyFailure {
  readonly reply: HopReply;

  constructor(answered: Answered, reply: HopReply, sender = '') {
    super(whyOf(answered, reply, sender), new Error(`to ${answered} the next hop says ${reply.text}`));
    this.reply = reply;
  }
}

/** `sender`: the reverse-path, '' if there is none. */
export function whyOf(answered: Answered, { code, status }: HopReply, sender: string): Why {
  const detail = status.slice(2);
  if (code < 500) return DEFERRED[detail] ?? 'nextHopDefers';
  // all messages without a sender are alike in MAIL: a refusal of one cannot be about it
  if (answered === 'MAIL' && sender !== '' && isAboutSender(code, detail)) return 'nextHopSender';
  if (ABOUT_SESSION.has(code) || detail.startsWith('5.')) return 'nextHopDefers';
  // RFC 1870 §6.1: the size that was declared; to a message it may be a quota
  if (answered === 'MAIL') return code === 552 || detail === '3.4' ? 'tooBig' : 'nextHopDefers';
  return REFUSED[detail] ?? (code === 552 && status === '' ? 'overQuotaForGood' : 'nextHopRefuses');
}

/** 501 and 553 are about the address (RFC 5321 §4.3.2), unless the status says that it is something else. */
function isAboutSender(code: number, detail: string): boolean {
  if (detail.startsWith('1.')) return true;
  return (code === 501 && (detail === '' || detail === '5.4')) || (code === 553 && detail === '');
}

/** Throws LostError. */
export function expectVerdict(reply: HopReply): void {
  if (reply.code === 421 || (reply.code < 400 && !isGood(reply))) throw new LostError(reply.text);
}

/** What came before all of the message was sent: it may be refused then, but nobody can have taken it. */
export function early(reply: HopReply): Error {
  const isRefusal = reply.code >= 400 && reply.code !== 421;
  if (isRefusal) return new HopRefusal('message', reply);
  return new LostError(`before the end of the message it says ${reply.text}`);
}
