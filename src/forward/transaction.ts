/**
 * A mail transaction at the next hop up to its 354: MAIL, RCPT and DATA for one copy, in one packet where it
 * takes that (RFC 2920). Until then nothing of the message has been sent.
 */
import type { Envelope } from '../core/copystore.ts';
import { CopyFailure } from '../core/errors.ts';
import { type HopConnection, isGood, SILENCE_MS } from './connection.ts';
import { type HopReply, LostError } from './replies.ts';
import { type Answered, HopRefusal } from './verdict.ts';

/** What is known of the message. */
export interface Known {
  /** With CRLF; undefined while it is not whole. */
  readonly size: number | undefined;
  /** It has bytes above 127, as far as it is there. */
  readonly isEightBit: boolean;
}

/** Throws HopRefusal or CopyFailure, after which the connection can be used if it is open; or LostError. */
export async function beginData(connection: HopConnection, envelope: Envelope, known: Known): Promise<void> {
  const { offers } = connection;
  if (known.size !== undefined) expectRoom(connection, known.size);
  const needsUtf8 = !isAscii(envelope.path) || envelope.sender.some((byte) => byte > 0x7f);
  // RFC 6531 §3.1: such a path is for those alone who offer it
  if (needsUtf8 && !offers.smtpUtf8) throw new CopyFailure('nextHopNeedsAscii');
  const commands = commandsOf(envelope, known, { ...offers, needsUtf8 });
  if (!offers.pipelining) {
    for (const [answered, line] of commands) expect(answered, await connection.say(line), envelope);
    return;
  }
  connection.write(commands.map(([, line]) => `${line}\r\n`).join(''));
  const replies: HopReply[] = [];
  for (const _ of commands) replies.push(await connection.reply(SILENCE_MS));
  // DATA after a refused RCPT gets 503 (RFC 2033 §4.2); whoever waits for the message must not get an end
  const isRefused = replies.slice(0, 2).some((reply) => !isGood(reply));
  if (isRefused && replies[2]?.code === 354) connection.destroy();
  for (const [index, [answered]] of commands.entries()) expect(answered, replies[index], envelope);
}

/** A limit that it has announced is met before it has to say so (RFC 1870 §6.1). Throws CopyFailure. */
export function expectRoom({ offers }: Pick<HopConnection, 'offers'>, size: number): void {
  const { size: most = 0 } = offers;
  if (most > 0 && size > most)
    throw new CopyFailure('tooBig', new Error(`${size} bytes sealed, the next hop takes ${most}`));
}

type Command = readonly [Exclude<Answered, 'message'>, string];

function commandsOf(
  { sender, path, smtpUtf8, eightBit }: Envelope,
  { size, isEightBit }: Known,
  offers: HopConnection['offers'] & { readonly needsUtf8: boolean },
): Command[] {
  const parameters = [
    ...(offers.size !== undefined && size !== undefined ? [`SIZE=${size}`] : []),
    ...(offers.eightBit && (eightBit || isEightBit) ? ['BODY=8BITMIME'] : []),
    ...(offers.smtpUtf8 && (smtpUtf8 || offers.needsUtf8) ? ['SMTPUTF8'] : []),
  ];
  return [
    ['MAIL', [`MAIL FROM:<${sender.toString('latin1')}>`, ...parameters].join(' ')],
    ['RCPT', `RCPT TO:<${Buffer.from(path).toString('latin1')}>`],
    ['DATA', 'DATA'],
  ];
}

function expect(answered: Answered, reply: HopReply | undefined, { sender }: Envelope): void {
  if (reply === undefined) throw new LostError('a reply is missing');
  if (reply.code === 421) throw new LostError(reply.text); // RFC 5321 §3.8: it closes the connection
  if (answered === 'DATA' ? reply.code === 354 : isGood(reply)) return;
  if (reply.code < 400) throw new LostError(`to ${answered} it says ${reply.text}`);
  throw new HopRefusal(answered, reply, sender.toString('latin1'));
}

function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII
  return /^[\x00-\x7f]*$/.test(text);
}
