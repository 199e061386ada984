/**
 * The RCPT half of the spine: resolve -> keys -> select -> mailbox -> free space -> a copy.
 *
 * Whoever is admitted has a key that can be used now (or the site has one for them, D31) and gets exactly
 * one reply after DATA. Two paths to one account share a copy, unless the store is that of others and knows
 * the account by two paths. Anybody else gets a Refusal (4yz or 5yz), before any byte of the message has
 * arrived.
 */
import { within } from '../core/deadline.ts';
import { type Refusal, refusal } from '../core/outcome.ts';
import { SourceError } from '../recipients/source.ts';
import type { AcceptedRecipient, AcceptedSender } from './accept.ts';
import { type Account, Copy } from './copy.ts';
import type { DeliveryParts } from './parts.ts';
import { reasonOf } from './reply.ts';
import { ownPathOf, resolve } from './resolve.ts';
import { type Selection, select } from './select.ts';

/** Bytes on disk for each byte of a message: base64, and a line end after every 64 characters. */
const SEALED_GROWTH = (4 / 3) * (65 / 64);

/**
 * An account that the message goes to: its copy, the keys that seal it, and the RCPT path in its
 * Delivered-To.
 */
export interface Destination {
  readonly copy: Copy;
  readonly keys: Selection;
  readonly path: string;
}

/** One RCPT that was answered 250. */
export interface AdmittedRecipient {
  /** As sent, without brackets; with the default domain, if it was sent without any. */
  readonly path: string;
  readonly copy: Copy;
}

export class Admission {
  readonly #parts: DeliveryParts;
  readonly #sender: AcceptedSender;
  readonly #destinations = new Map<string, Destination>(); // see keyOf
  readonly #recipients: AdmittedRecipient[] = [];
  #isClosed = false;

  constructor(parts: DeliveryParts, sender: AcceptedSender) {
    this.#parts = parts;
    this.#sender = sender;
  }

  /** In the order of their RCPTs, repeated ones included. */
  get recipients(): readonly AdmittedRecipient[] {
    return this.#recipients;
  }

  /** One for each account, or for each path of it at a next hop. */
  get destinations(): readonly Destination[] {
    return [...this.#destinations.values()];
  }

  /**
   * Admits nobody from now on: nobody would clean up after a copy that is added to a transaction that is
   * over.
   */
  close(): void {
    this.#isClosed = true;
  }

  /** Returns undefined once the recipient is admitted. Never throws. */
  admit(recipient: AcceptedRecipient): Promise<Refusal | undefined> {
    return this.#admit(recipient).catch((error: unknown) =>
      refusal(error instanceof SourceError ? 'sourceUnavailable' : 'recipientsUnavailable', reasonOf(error)),
    );
  }

  async #admit(accepted: AcceptedRecipient): Promise<Refusal | undefined> {
    const { address, path } = accepted;
    const found = await within(this.#find(accepted), this.#parts.limits.answerMs);
    if (found === 'late') return refusal('recipientsUnavailable', 'the look-up took too long');
    if ('why' in found) return found;
    if (this.#isOverQuota(found.account))
      return refusal(this.#parts.limits.overQuota === 'reject' ? 'overQuotaForGood' : 'overQuota');
    const shortage = await this.#shortageOfSpace(found.account);
    if (shortage !== undefined) return refusal('diskFull', shortage);
    if (this.#isClosed) return refusal('aborted');
    // a bare local part (`<postmaster>`) is written down with the default domain
    const ownPath = address.domain === '' ? found.account.address : path;
    const copy = this.#copyFor(found.account, found.keys, ownPath);
    if (copy === undefined) return refusal('mailboxBusy');
    this.#recipients.push({ path: ownPath, copy });
    return undefined;
  }

  async #find(accepted: AcceptedRecipient): Promise<{ account: Account; keys: Selection } | Refusal> {
    const { world, meter, keys: source, addressing, keyRules } = this.#parts;
    const recipient = await resolve(accepted.address, addressing);
    if ('why' in recipient) return recipient;
    const entry = await source.keysOf(recipient);
    if (entry !== undefined && entry.problems.length > 0) meter.keyFileRefused();
    const keys = await select(entry, keyRules, world.now(), recipient.unusable);
    if ('why' in keys) return keys;
    const place = await this.#parts.places.of(recipient);
    if (place === undefined) return refusal('nameTooLong');
    const { sender, smtpUtf8, eightBit } = this.#sender;
    const path = ownPathOf(accepted, recipient.address, addressing);
    const envelope = { sender, path, smtpUtf8, eightBit };
    const own = { mailbox: mailboxOf(place, path), envelope };
    return { account: Object.assign({}, recipient, place, own), keys };
  }

  /** As far as the source knows of both; what it said before may be true no longer. */
  #isOverQuota({ quota, used = 0, isFormer }: Account): boolean {
    return !isFormer && quota !== undefined && used + this.#sender.size * SEALED_GROWTH > quota;
  }

  /** Says what is lacking for one more copy. Assumes that all copies go to the same disk. */
  async #shortageOfSpace(account: Account): Promise<string | undefined> {
    const { limits } = this.#parts;
    const { mailbox, store } = account;
    if (limits.minFreeBytes === 0 || this.#destinations.has(keyOf(account))) return undefined;
    const copies = this.#destinations.size + 1;
    const messageBytes = Math.ceil(this.#sender.size * SEALED_GROWTH) * copies;
    return store.space.shortage(mailbox, limits.minFreeBytes + messageBytes);
  }

  /**
   * Returns the account's copy, and makes one if it has none yet. Returns undefined if the mailbox is too
   * busy.
   */
  #copyFor(account: Account, keys: Selection, path: string): Copy | undefined {
    const { mailboxes, limits } = this.#parts;
    const existing = this.#destinations.get(keyOf(account));
    if (existing !== undefined) return existing.copy;
    if (mailboxes.isFull(account.mailbox, limits.maxMailboxDeliveries)) return undefined;
    const copy = new Copy(account, keys);
    this.#destinations.set(keyOf(account), { copy, keys, path });
    return copy;
  }
}

/** Which RCPTs share a copy. */
function keyOf({ address, mailbox, store }: Account): string {
  return store.nextHop === undefined ? address : mailbox;
}

/** At a next hop each path is a mailbox: who reads mail to a detail, or to a whole domain, is known there. */
function mailboxOf({ store, mailbox }: Pick<Account, 'store' | 'mailbox'>, path: string): string {
  return store.nextHop === undefined ? mailbox : `${mailbox}/${path}`;
}
