/**
 * The spine: one mail transaction, from MAIL to the last reply.
 *
 *   per RCPT      accept -> resolve -> select -> 250/4yz/5yz
 *   after DATA    fan-out -> seal -> stage (tmp/, fsync) -> duplicate? -> commit (new/, fsync) -> one reply per RCPT
 *                 a small copy is staged in memory, and takes all its steps on disk in the commit
 *
 * What may never happen: a 250 before the recipient's copy is durable in new/ (S5); plaintext
 * given to the store; one copy's trouble reaching another; fewer or more replies than RCPTs.
 * All copies are staged before any is committed, so a message that never ended leaves nothing.
 */
import { performance } from 'node:perf_hooks';
import type { Address } from '../core/address.ts';
import type { Client } from '../core/client.ts';
import { within } from '../core/deadline.ts';
import { CopyFailure } from '../core/errors.ts';
import { type Refusal, type Reply, replyOf, type Why } from '../core/outcome.ts';
import type { SealingKeys } from '../keys/certificates.ts';
import { type HeaderBlock, HeaderScanner } from '../mime/header.ts';
import { outerFields } from '../mime/policy.ts';
import { type Trace, traceFields } from '../mime/trace.ts';
import { LiteralData } from '../openpgp/literal.ts';
import { type AcceptedRecipient, type AcceptedSender, acceptRecipient } from './accept.ts';
import { Copy } from './copy.ts';
import { Duplicates, type Storing } from './duplicate.ts';
import { fanOut, settleLane } from './fanout.ts';
import type { DeliveryParts } from './parts.ts';
import { Replies, reasonOf } from './reply.ts';
import { type Account, resolve } from './resolve.ts';
import { prepareSealer } from './seal.ts';
import { select } from './select.ts';

/** Literal data goes to the copies in steps of this size, so that none gets far ahead of its disk. */
const STEP_BYTES = 64 * 1024;
/** What a byte of a message takes on disk: base64, and a line end every 64 characters. */
const SEALED_GROWTH = (4 / 3) * (65 / 64);

interface Recipient {
  readonly path: string;
  readonly copy: Copy;
}

export class Transaction {
  readonly #parts: DeliveryParts;
  readonly #sender: AcceptedSender;
  readonly #client: Client;
  readonly #id: string;
  readonly #replies: Replies;
  readonly #recipients: Recipient[] = []; // accepted RCPTs in their order, duplicates included
  readonly #copies = new Map<string, { copy: Copy; keys: SealingKeys; path: string }>(); // by account
  readonly #scanner: HeaderScanner;
  readonly #literal = new LiteralData();
  readonly #duplicates: Duplicates;
  #sealing = false; // the header is complete and has been written
  #finishing = false;
  #isOver = false; // aborted: the client is gone

  constructor(parts: DeliveryParts, sender: AcceptedSender, client: Client) {
    this.#parts = parts;
    this.#sender = sender;
    this.#client = client;
    this.#id = parts.world.random(8).toString('hex');
    this.#replies = new Replies(parts, this.#id, sender.sender);
    const { memory, store } = parts;
    this.#duplicates = new Duplicates({ memory, store, sender: sender.sender });
    this.#scanner = new HeaderScanner(parts.limits.maxHeaderBytes);
  }

  /** Everything after `RCPT TO:`. A 250 means its copy will get exactly one reply after DATA. */
  async recipient(rest: Buffer): Promise<Reply> {
    const accepted = acceptRecipient(rest, this.#sender.smtpUtf8);
    if (typeof accepted === 'string') return replyOf(accepted);
    const { limits } = this.#parts;
    if (this.#recipients.length >= limits.maxRecipients) return replyOf('tooManyRecipients');
    const refused = await this.#admit(accepted).catch((error: unknown) => ({
      why: 'recipientsUnavailable' as const,
      reasons: [reasonOf(error)],
    }));
    if (refused === undefined) return replyOf('recipientOk');
    return this.#replies.answer(accepted.path, replyOf(refused.why), { reasons: refused.reasons });
  }

  async #admit({ address, path }: AcceptedRecipient): Promise<Refusal | undefined> {
    const found = await within(this.#find(address), this.#parts.limits.answerMs);
    // what comes in later changes nothing any more: the client has its answer
    if (found === 'late') return { why: 'recipientsUnavailable', reasons: ['the look-up took too long'] };
    if ('why' in found) return found;
    const lack = await this.#lackOfSpace(found.account);
    if (lack !== undefined) return { why: 'diskFull', reasons: [lack] };
    // a copy that is added to what is over would keep its place for ever
    if (this.#isOver) return { why: 'aborted', reasons: [] };
    const { account, keys } = found;
    const ownPath = address.domain === '' ? account.address : path;
    const known = this.#copies.get(account.address) ?? this.#addCopy(account, keys, ownPath);
    if (known === undefined) return { why: 'mailboxBusy', reasons: [] };
    this.#recipients.push({ path: ownPath, copy: known.copy });
    return undefined;
  }

  async #find(address: Address): Promise<{ account: Account; keys: SealingKeys } | Refusal> {
    const { world, meter, keys: source, resolve: resolveParts, select: policy } = this.#parts;
    const account = await resolve(address, resolveParts);
    if ('why' in account) return account;
    const entry = await source.keysOf(account);
    if (entry !== undefined && entry.problems.length > 0) meter.keyFileRefused();
    const keys = await select(entry, policy, world.now());
    return 'why' in keys ? keys : { account, keys };
  }

  /** Room for one more copy is asked for behind those there are, as if all went to one disk. */
  async #lackOfSpace({ address, mailbox }: Account): Promise<string | undefined> {
    const { space, limits } = this.#parts;
    if (limits.minFreeBytes === 0 || this.#copies.has(address)) return undefined;
    const messageBytes = Math.ceil(this.#sender.size * SEALED_GROWTH) * (this.#copies.size + 1);
    return space.lack(mailbox, limits.minFreeBytes + messageBytes);
  }

  #addCopy(account: Account, keys: SealingKeys, path: string) {
    const { mailboxes, limits, store } = this.#parts;
    const staged = store.stage(account.mailbox);
    const over = mailboxes.take(account.mailbox, limits.maxMailboxDeliveries);
    if (over === undefined) return undefined;
    const added = { copy: new Copy(account, staged, over), keys, path };
    this.#copies.set(account.address, added);
    return added;
  }

  /** How many RCPTs were answered 250. */
  get recipientCount(): number {
    return this.#recipients.length;
  }

  /** DATA was accepted; message bytes follow. */
  start(): void {
    this.#replies.start();
  }

  /** Takes message bytes (kept only until the promise settles). Never throws. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      this.#replies.bytes += piece.length;
      if (this.#replies.bytes > this.#parts.limits.maxMessageBytes) this.#failAll('tooBig');
      if (this.#allFailed()) continue; // read on and drop: the client is still sending
      this.#duplicates.update(piece);
      if (this.#sealing) await this.#push(piece);
      else await this.#scan(piece);
    }
  }

  async #scan(piece: Buffer): Promise<void> {
    const scan = this.#scanner.update(piece);
    if (scan.state === 'tooBig') this.#failAll('headerTooBig');
    if (scan.state === 'complete') await this.#beginSealing(scan.block);
  }

  async #beginSealing(header: HeaderBlock): Promise<void> {
    this.#sealing = true;
    const { world, limits, policy } = this.#parts;
    const outer = outerFields(header, policy);
    const trace = this.#trace(world.now());
    const begin = async ({ copy, keys, path }: { copy: Copy; keys: SealingKeys; path: string }) => {
      copy.begin(await prepareSealer(keys, this.#parts), [traceFields(trace, path), outer]);
    };
    await Promise.all(
      [...this.#copies.values()].map((each) => settleLane(each.copy, begin(each), limits.stallMs)),
    );
    await this.#push(this.#scanner.seen);
  }

  #trace(arrivedAt: number): Trace {
    return {
      sender: this.#sender.sender,
      clientName: this.#client.name,
      clientAddress: this.#client.address,
      host: this.#parts.world.host,
      protocol: this.#sender.smtpUtf8 ? 'UTF8LMTP' : 'LMTP',
      id: this.#id,
      arrivedAt,
    };
  }

  async #push(bytes: Buffer): Promise<void> {
    for (let from = 0; from < bytes.length; from += STEP_BYTES) {
      await this.#spread((emit) => this.#literal.update(bytes.subarray(from, from + STEP_BYTES), emit));
    }
  }

  async #spread(produce: (emit: (block: Buffer) => void) => void): Promise<void> {
    const lanes = this.#lanes();
    const waits: (Promise<void> | undefined)[] = [];
    produce((block) => waits.push(fanOut(lanes, block, this.#parts.limits.stallMs)));
    for (const wait of waits) await wait;
  }

  /** The message has ended: stages every copy, then commits them, and gives each RCPT its reply in order. */
  async *finish(): AsyncGenerator<Reply> {
    this.#finishing = true;
    const deadline = performance.now() + this.#parts.limits.answerMs;
    const left = () => Math.max(deadline - performance.now(), 0);
    const commits = await this.#stageAndCommit(left).catch((error: unknown) => {
      for (const copy of this.#lanes()) copy.fail(new CopyFailure('internal', error));
      return new Map<Copy, Promise<void>>();
    });
    for (const { path, copy } of this.#recipients) {
      await commits.get(copy);
      if (copy.failed) await within(copy.cleaned(), Math.min(this.#parts.limits.stallMs, left()));
      yield this.#replies.answerCopy(path, copy);
    }
    this.#replies.done([...this.#copies.values()].map(({ copy }) => copy));
  }

  /** Resolves when all are staged, to the commits under way. */
  async #stageAndCommit(left: () => number): Promise<Map<Copy, Promise<void>>> {
    if (!this.#sealing && !this.#allFailed()) await this.#beginSealing(this.#scanner.end());
    await this.#spread((emit) => this.#literal.final(emit));
    // one that hangs must leave the others the time to commit
    const stageMs = Math.max(left() - this.#parts.limits.stallMs, left() / 2);
    const stage = (copy: Copy) => settleLane(copy, copy.finish(), stageMs);
    await Promise.all(this.#lanes().map((copy) => this.#timed('stage', () => stage(copy))));
    const commit = (copy: Copy) => settleLane(copy, this.#store(copy), left());
    return new Map(this.#lanes().map((copy) => [copy, this.#timed('commit', () => commit(copy))]));
  }

  /** Remembered before the client is told, and where it has left too: then it comes again. */
  async #store(copy: Copy): Promise<void> {
    const isStored = await this.#duplicates.storeOnce(this.#storing(copy), this.#parts.limits.stallMs);
    // a failed copy with a good reply: its own file goes, since an earlier one is durable
    if (!isStored) throw new CopyFailure('duplicate');
  }

  #storing(copy: Copy): Storing {
    const { address, mailbox } = copy.account;
    const own = this.#recipients.filter((recipient) => recipient.copy === copy);
    const paths = own.map(({ path }) => path);
    return { account: address, mailbox, paths, file: copy.file, commit: () => copy.commit() };
  }

  /** The client is gone, or gave up: nothing of the message stays. */
  async abort(): Promise<void> {
    const isUnanswered = this.#replies.started && !this.#finishing;
    this.#isOver = true;
    this.#failAll('aborted');
    const cleaned = Promise.all([...this.#copies.values()].map(({ copy }) => copy.cleaned()));
    await within(cleaned, this.#parts.limits.stallMs);
    if (isUnanswered) this.#replies.aborted(this.#recipients.map(({ path }) => path));
  }

  #lanes(): Copy[] {
    return [...this.#copies.values()].map(({ copy }) => copy).filter((copy) => !copy.failed);
  }

  async #timed(step: 'stage' | 'commit', work: () => Promise<void>): Promise<void> {
    const start = performance.now();
    await work();
    this.#parts.meter.time(step, (performance.now() - start) / 1000);
  }

  #allFailed(): boolean {
    return [...this.#copies.values()].every(({ copy }) => copy.failed);
  }

  #failAll(why: Why): void {
    for (const { copy } of this.#copies.values()) copy.fail(new CopyFailure(why));
  }
}
