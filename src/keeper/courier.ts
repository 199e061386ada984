/**
 * Puts a message of Sealdir's own into the mailbox of a user: sealed, staged and committed like any delivery,
 * so it is whole and fsynced in new/ when this returns.
 */
import type { Settings } from '../config/settings.ts';
import { partsOf } from '../core/address.ts';
import { within } from '../core/deadline.ts';
import { CopyFailure } from '../core/errors.ts';
import { visible } from '../core/visible.ts';
import type { DeliveryParts } from '../delivery/parts.ts';
import { type SealingOptions, sealMessage } from '../delivery/sealmessage.ts';
import type { SealingKeys } from '../keys/sessionkeys.ts';
import type { Recipient } from '../recipients/source.ts';
import { letterOf } from './notice.ts';

export interface Mail {
  /** Canonical; or `@example.com`. */
  readonly address: string;
  readonly keys: SealingKeys;
  readonly text: string;
  /** `if it is there`: for somebody who may have left altogether. */
  readonly mailbox: 'make it' | 'if it is there';
}

export type Sent = 'stored' | 'no mailbox';

/** What is sealed. */
type Letter = Omit<Mail, 'mailbox'> & Pick<SealingOptions, 'headerPolicy'>;

export class Courier {
  readonly #settings: Settings;
  readonly #parts: DeliveryParts;

  /** Those for whom a note is on its way; another would be a second one. */
  readonly #onTheirWay = new Set<string>();

  constructor(settings: Settings, parts: DeliveryParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  /** A note to this address may yet be stored: no other one is to be sent. */
  isOnItsWay(address: string): boolean {
    return this.#onTheirWay.has(address);
  }

  /**
   * Calls `done` with what became of the note. Throws if it could not be stored, or the mailbox could not be
   * looked up, now. Throws as well if that takes long: then `done` may be called later, since a next hop may
   * have the note and not have said so.
   */
  async send(mail: Mail, done: (sent: Sent) => void): Promise<void> {
    const { address } = mail;
    this.#onTheirWay.add(address);
    const sending = this.#send(mail)
      .then(done)
      .finally(() => this.#onTheirWay.delete(address));
    if ((await within(sending, this.#parts.limits.stallMs)) !== 'late') return;
    sending.catch(() => {}); // it is sent again
    throw new Error(`a note for ${address} could not be stored in time`);
  }

  async #send({ address, keys, text, mailbox: wanted }: Mail): Promise<Sent> {
    const recipient = await this.#recipient(address);
    const place = recipient && (await this.#parts.places.of(recipient));
    if (recipient === undefined || place === undefined) return 'no mailbox';
    const { store, mailbox } = place;
    if (wanted === 'if it is there' && !(await store.has(mailbox))) return 'no mailbox';
    const headerPolicy = this.#parts.headerPolicyOf(recipient);
    // whoever makes the final delivery writes Return-Path
    const trace = store.nextHop === undefined ? 'Return-Path: <>\n' : '';
    const bytes = await this.#sealed({ address, keys, text, headerPolicy }, trace);
    const path = headerAddress(address);
    const envelope = { sender: Buffer.alloc(0), path, smtpUtf8: false, eightBit: false };
    const staged = store.stage(mailbox, envelope);
    try {
      await staged.write([bytes]);
      await staged.finish();
      // with CRLF each line is one byte longer
      const lines = bytes.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
      await staged.commit(bytes.length, bytes.length + lines);
    } catch (error) {
      await staged.abort();
      if (error instanceof CopyFailure && error.why === 'nextHopUnknown') return 'no mailbox';
      throw error;
    }
    store.sizes?.stored(mailbox, bytes.length);
    return 'stored';
  }

  /** Where keys make recipients, one whose key has gone is none any more, and still has a mailbox. */
  async #recipient(address: string): Promise<Recipient | undefined> {
    if (this.#settings.recipients.source === 'keys') return { address };
    return this.#parts.addressing.recipients.find(address);
  }

  async #sealed({ address, keys, text, headerPolicy }: Letter, trace: string): Promise<Buffer> {
    const { world, meter, limits } = this.#parts;
    const { hostname, notices } = this.#settings;
    const from = notices.from.replace('{hostname}', hostname);
    const to = headerAddress(address);
    const letter = letterOf({ from, to, host: hostname, now: world.now(), text });
    const { maxHeaderBytes } = limits;
    const pieces = [Buffer.from(`${trace}Delivered-To: ${to}\n`)];
    const options = { keys, world, meter, headerPolicy, maxHeaderBytes, hop: OWN };
    for await (const piece of sealMessage(inOnePiece(letter), options)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  }
}

/** A notice has come from nowhere. */
const OWN = { how: 'local' } as const;

/** The name of a key file may have any character in its local part. */
function headerAddress(address: string): string {
  if (address.startsWith('@')) return visible(`postmaster${address}`);
  const { local, domain } = partsOf(address);
  const isPlain = /^[^\s"(),:;<>@[\\\]]+$/.test(local);
  return visible(`${isPlain ? local : `"${local.replace(/["\\]/g, '\\$&')}"`}@${domain}`);
}

async function* inOnePiece(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
