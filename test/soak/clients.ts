// The clients of the soak. Each keeps a session, sends one thing after the other, and gives the replies to
// the ledger.

import { setTimeout as pause } from 'node:timers/promises';
import { within } from '../../src/core/deadline.ts';
import { connectLmtp, type LmtpClient } from '../support/lmtp.ts';
import { asData } from '../support/wireform.ts';
import type { Clock } from './faults.ts';
import type { Ledger, Told } from './ledger.ts';
import { MAX_MESSAGE_BYTES, MAX_RECIPIENTS, type SoakSite } from './site.ts';

/** Returns a whole number below `limit`; the same numbers for the same seed. */
export type Dice = (limit: number) => number;

export function diceOf(seed: number): Dice {
  let state = seed | 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

const PATIENCE_MS = 60_000;

/** What a client does with a transaction. Most of them do what they should. */
const WAYS = [
  ...Array<'wait'>(12).fill('wait'),
  ...(['leave in DATA', 'leave behind DATA', 'leave before DATA', 'close behind DATA'] as const),
  ...(['too big', 'header too big', 'mistake'] as const),
];
type Way = (typeof WAYS)[number];

/**
 * Returns the message of a transaction. It depends on the number only, so that the reader can make it again.
 */
export function messageOf(number: number): Buffer {
  const roll = diceOf(number);
  const length = roll(20) === 0 ? roll(MAX_MESSAGE_BYTES / 2) : roll(20_000);
  const line = `${String.fromCharCode(33 + roll(90)).repeat(1 + roll(200))}\r\n`;
  const body = line.repeat(Math.ceil(length / line.length));
  return Buffer.from(`Subject: number ${number}\r\nX-Roll: ${roll(1e9)}\r\n\r\n${body}`);
}

export const senderOf = (number: number) => `n${number}@example.org`;
export const numberOf = (sender: string) => Number(/^n(\d+)@/.exec(sender)?.[1]);

export interface Crowd {
  readonly site: SoakSite;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly dice: Dice;
  /** Returns the next free number of a transaction. */
  next(): number;
}

export async function runClient(crowd: Crowd): Promise<void> {
  let client = await greeted(crowd.site);
  while (!crowd.clock.isOver()) {
    const number = crowd.next();
    const told: Told = { sender: senderOf(number), refused: [], accepted: 0, started: false, final: [] };
    const way = WAYS[crowd.dice(WAYS.length)] ?? 'wait';
    const stays = await transact(client, told, way, number, crowd);
    crowd.ledger.close(told);
    if (!stays) {
      await client.vanish();
      client = await greeted(crowd.site);
    }
    await pause(crowd.dice(20));
  }
  await client.say('QUIT');
  await client.vanish();
}

async function greeted(site: SoakSite): Promise<LmtpClient> {
  const client = await connectLmtp(site.socketPath);
  await expect(client.reply(), '220');
  await expect(client.say('LHLO client.example'), '250');
  return client;
}

async function expect(reply: Promise<string>, ...codes: string[]): Promise<string> {
  const text = await within(reply, PATIENCE_MS);
  if (!codes.includes(text.slice(0, 3))) throw new Error(`"${text}" instead of ${codes.join(' or ')}`);
  return text;
}

/** Runs one transaction. Resolves to whether the session goes on. */
async function transact(
  client: LmtpClient,
  told: Told,
  way: Way,
  number: number,
  crowd: Crowd,
): Promise<boolean> {
  await expect(client.say(`MAIL FROM:<${told.sender}>`), '250');
  for (const address of recipientsOf(crowd)) {
    const reply = await expect(client.say(`RCPT TO:<${address}>`), '250', '451', '550', '452');
    if (reply.startsWith('250')) told.accepted++;
    else if (!reply.startsWith('452')) told.refused.push(reply); // one over the limit has no line in the log
  }
  if (way === 'mistake') await expect(client.say('STARTTLS'), '500');
  if (way === 'leave before DATA') return false;
  if (told.accepted === 0) {
    await expect(client.say('DATA'), '503');
    await expect(client.say('RSET'), '250');
    return true;
  }
  await expect(client.say('DATA'), '354');
  told.started = true;
  const data = asData(bytesFor(way, number));
  if (way === 'leave in DATA') {
    client.write(data.subarray(0, crowd.dice(data.length - 2)));
    return false;
  }
  client.write(data);
  if (way === 'leave behind DATA') return false;
  if (way === 'close behind DATA') client.socket.end();
  for (let n = 0; n < told.accepted; n++) {
    const code = way === 'too big' || way === 'header too big' ? '552' : '250';
    told.final.push(await expect(client.reply(), code, '452')); // the small disk may have been full before
  }
  return way !== 'close behind DATA';
}

function bytesFor(way: Way, number: number): Buffer {
  if (way === 'too big') return Buffer.from(`Subject: big\r\n\r\n${'x\r\n'.repeat(MAX_MESSAGE_BYTES / 3)}`);
  if (way === 'header too big') return Buffer.from('X-Field: x\r\n'.repeat(10_000));
  return messageOf(number);
}

/** Returns recipients: from one to more than are allowed, some of them twice, some that cannot get mail. */
function recipientsOf({ site, dice }: Crowd): string[] {
  const good = [...site.good.keys()];
  const others = [...site.unusable, site.changing.address, site.changing.address, 'nobody@example.com'];
  return Array.from({ length: 1 + dice(MAX_RECIPIENTS + 1) }, () => {
    const from = dice(4) === 0 ? others : good;
    return from[dice(from.length)] ?? '';
  });
}
