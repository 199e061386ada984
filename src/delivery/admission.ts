/**
 * The RCPT half of the spine: accept -> resolve -> select -> room -> a place among the copies.
 *
 * Whoever is admitted has a key that can be used now and gets exactly one reply after DATA. Two
 * paths to one account share a copy. Everything else is a Refusal, before any byte of the message
 * has arrived.
 */
import type { Address } from '../core/address.ts';
import { within } from '../core/deadline.ts';
import { type Refusal, refusal } from '../core/outcome.ts';
import type { SealingKeys } from '../keys/sessionkeys.ts';
import type { AcceptedRecipient, AcceptedSender } from './accept.ts';
import { type Account, Copy } from './copy.ts';
import type { DeliveryParts } from './parts.ts';
import { reasonOf } from './reply.ts';
import { resolve } from './resolve.ts';
import { select } from './select.ts';

/** What one byte of a message takes on disk: base64, and a line end after every 64 characters. */
const SEALED_GROWTH = (4 / 3) * (65 / 64);

/** A mailbox that the message goes to: its copy, the keys that seal it, and the path in its Delivered-To. */
export interface Destination {
  readonly copy: Copy;
  readonly keys: SealingKeys;
  readonly path: string;
}

/** One RCPT that was answered 250. */
export interface AdmittedRecipient {
  /** As sent, without brackets. */
  readonly path: string;
  readonly copy: Copy;
}

export class Admission {
  readonly #parts: DeliveryParts;
  readonly #sender: AcceptedSender;
  readonly #destinations = new Map<string, Destination>(); // by account
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

  /** One for each account. */
  get destinations(): readonly Destination[] {
    return [...this.#destinations.values()];
  }

  /** Admits nobody from now on: a copy added to a transaction that is over would never be released. */
  close(): void {
    this.#isClosed = true;
  }

  /** Returns undefined once the recipient is admitted. Never throws. */
  admit(recipient: AcceptedRecipient): Promise<Refusal | undefined> {
    return this.#admit(recipient).catch((error: unknown) =>
      refusal('recipientsUnavailable', reasonOf(error)),
    );
  }

  async #admit({ address, path }: AcceptedRecipient): Promise<Refusal | undefined> {
    const found = await within(this.#find(address), this.#parts.limits.answerMs);
    if (found === 'late') return refusal('recipientsUnavailable', 'the look-up took too long');
    if ('why' in found) return found;
    const lack = await this.#lackOfSpace(found.account);
    if (lack !== undefined) return refusal('diskFull', lack);
    if (this.#isClosed) return refusal('aborted');
    // a bare local part (`<postmaster>`) is written down with the domain that it was given
    const ownPath = address.domain === '' ? found.account.address : path;
    const copy = this.#copyFor(found.account, found.keys, ownPath);
    if (copy === undefined) return refusal('mailboxBusy');
    this.#recipients.push({ path: ownPath, copy });
    return undefined;
  }

  async #find(address: Address): Promise<{ account: Account; keys: SealingKeys } | Refusal> {
    const { world, meter, keys: source, resolve: resolveParts, keyRules } = this.#parts;
    const recipient = await resolve(address, resolveParts);
    if ('why' in recipient) return recipient;
    const entry = await source.keysOf(recipient);
    if (entry !== undefined && entry.problems.length > 0) meter.keyFileRefused();
    const keys = await select(entry, keyRules, world.now());
    if ('why' in keys) return keys;
    const mailbox = await this.#parts.mailboxPaths.of(recipient.address);
    if (mailbox === undefined) return refusal('nameTooLong');
    return { account: { ...recipient, mailbox }, keys };
  }

  /** Asks for room for one more copy on top of the others, as if all went to one disk. */
  async #lackOfSpace({ address, mailbox }: Account): Promise<string | undefined> {
    const { space, limits } = this.#parts;
    if (limits.minFreeBytes === 0 || this.#destinations.has(address)) return undefined;
    const copies = this.#destinations.size + 1;
    const messageBytes = Math.ceil(this.#sender.size * SEALED_GROWTH) * copies;
    return space.lack(mailbox, limits.minFreeBytes + messageBytes);
  }

  /** Returns the account's copy, a new one where it has none yet; undefined where the mailbox is too busy. */
  #copyFor(account: Account, keys: SealingKeys, path: string): Copy | undefined {
    const { mailboxes, limits, store } = this.#parts;
    const existing = this.#destinations.get(account.address);
    if (existing !== undefined) return existing.copy;
    if (mailboxes.isFull(account.mailbox, limits.maxMailboxDeliveries)) return undefined;
    const copy = new Copy(account, store.stage(account.mailbox));
    this.#destinations.set(account.address, { copy, keys, path });
    return copy;
  }
}
