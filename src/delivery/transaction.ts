/**
 * The spine: one mail transaction, from MAIL to the last reply.
 *
 *   for each RCPT   accept -> (admission.ts) resolve -> keys -> select -> mailbox -> 250/4yz/5yz
 *   after DATA      folder -> fan-out -> seal -> stage -> duplicate? -> commit -> one reply for each RCPT
 *
 *   stage     a large copy: whole in tmp/, fsynced; a small one: whole in memory
 *   commit    renamed into new/, and new/ fsynced; a small copy takes all its steps on disk here
 *
 * What may never happen: a 250 after DATA before the recipient's copy is durable in new/ (S5); plaintext of
 * the body given to the store; one copy's failure affecting another; fewer or more replies than RCPTs.
 * All copies are staged before any is committed, so a message that never ended leaves nothing in new/.
 */
import { performance } from 'node:perf_hooks';
import type { Client } from '../core/client.ts';
import { within } from '../core/deadline.ts';
import { CopyFailure } from '../core/errors.ts';
import { type Refusal, type Reply, replyOf, type Why } from '../core/outcome.ts';
import { Turns } from '../core/turns.ts';
import { type HeaderBlock, HeaderScanner } from '../mime/header.ts';
import { hopOf } from '../mime/hop.ts';
import { withInsertions } from '../mime/insertions.ts';
import { queueIdOf } from '../mime/queueid.ts';
import { passedOnFields, type Trace, traceFields } from '../mime/trace.ts';
import { type AcceptedSender, acceptRecipient, acceptSender } from './accept.ts';
import { Admission, type Destination } from './admission.ts';
import type { Copy } from './copy.ts';
import { Duplicates, type Storing } from './duplicate.ts';
import { settleLane } from './fanout.ts';
import { Folders } from './folder.ts';
import { allOf, type Framed, framedByPolicy } from './framed.ts';
import type { DeliveryParts } from './parts.ts';
import { Replies } from './reply.ts';
import { prepareSealer } from './seal.ts';

/** Literal data goes to the copies in steps of this size; a copy asks to wait when its disk is behind. */
const STEP_BYTES = 64 * 1024;

/** Begins a transaction, or says why not. `rest`: everything after `MAIL FROM:`. */
export function beginTransaction(rest: Buffer, client: Client, parts: DeliveryParts): Transaction | Refusal {
  const sender = acceptSender(rest, parts.limits.maxMessageBytes);
  return 'why' in sender ? sender : new Transaction(parts, sender, client);
}

export class Transaction {
  readonly #parts: DeliveryParts;
  readonly #sender: AcceptedSender;
  readonly #client: Client;
  readonly #id: string;
  readonly #admission: Admission;
  readonly #replies: Replies;
  readonly #scanner: HeaderScanner;
  readonly #duplicates: Duplicates;
  #framed: readonly Framed[] = []; // one for each header policy, once the header is complete
  #isSealing = false; // the header is complete
  #isFinishing = false;

  constructor(parts: DeliveryParts, sender: AcceptedSender, client: Client) {
    this.#parts = parts;
    this.#sender = sender;
    this.#client = client;
    this.#id = parts.world.random(8).toString('hex');
    this.#admission = new Admission(parts, sender);
    this.#replies = new Replies(parts, this.#id, sender.sender);
    const { memory, hosts } = parts;
    this.#duplicates = new Duplicates({ memory, hosts, sender: sender.sender });
    this.#scanner = new HeaderScanner(parts.limits.maxHeaderBytes);
  }

  /** Answers a RCPT; `rest`: everything after `RCPT TO:`. A 250 promises exactly one reply after DATA. */
  async recipient(rest: Buffer): Promise<Reply> {
    const accepted = acceptRecipient(rest, this.#sender.smtpUtf8);
    if ('why' in accepted) return replyOf(accepted.why);
    if (this.recipientCount >= this.#parts.limits.maxRecipients) return replyOf('tooManyRecipients');
    const refused = await this.#admission.admit(accepted);
    if (refused === undefined) return replyOf('recipientOk');
    return this.#replies.answerRcpt(accepted.path, replyOf(refused.why), { reasons: refused.reasons });
  }

  /** How many RCPTs were answered 250. */
  get recipientCount(): number {
    return this.#admission.recipients.length;
  }

  /** DATA has come: those who were refused at RCPT were meant to get mail. False: nobody is left who can. */
  announce(): boolean {
    this.#replies.settle('refused');
    return this.recipientCount > 0;
  }

  /**
   * DATA was accepted: message bytes follow. Only now do the copies take slots of their mailboxes, since a
   * client may wait for an hour between RCPT and DATA. A copy whose mailbox has filled up since RCPT fails
   * (450).
   */
  start(): void {
    this.#replies.start();
    const { mailboxes, limits } = this.#parts;
    for (const copy of this.#copies())
      copy.occupy(mailboxes.take(copy.account.mailbox, limits.maxMailboxDeliveries));
  }

  /**
   * Takes message bytes. They may be read until the promise settles; what is kept is copied. Never throws.
   */
  async write(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      this.#replies.bytes += piece.length;
      if (this.#replies.bytes > this.#parts.limits.maxMessageBytes) this.#failAll('tooBig');
      if (this.#allFailed()) continue; // the client is still sending: its bytes are read and dropped
      this.#duplicates.update(piece);
      if (this.#isSealing) await this.#push(piece, this.#framed);
      else await this.#scan(piece);
    }
  }

  async #scan(piece: Buffer): Promise<void> {
    const scan = this.#scanner.update(piece);
    if (scan.state === 'tooBig') this.#failAll('headerTooBig');
    if (scan.state === 'complete') await this.#beginSealing(scan.block);
  }

  async #beginSealing(header: HeaderBlock): Promise<void> {
    this.#isSealing = true;
    this.#replies.cameAs(queueIdOf(header), hopOf(header, this.#parts.isOwn));
    const { world, limits } = this.#parts;
    const trace = this.#trace(world.now());
    const owners = this.#copies().map(({ account }) => account);
    const sent = { header: this.#scanner.seen, sender: this.#sender.sender, owners };
    const folders = new Folders(Object.assign({ waitMs: limits.stallMs / 2 }, this.#parts.folders, sent));
    const fields = ({ copy, path }: Destination, how?: 'kept') =>
      copy.nextHop === undefined ? traceFields(trace, path, how) : passedOnFields(trace, path, how);
    const arriving = { header, seen: this.#scanner.seen, hop: this.#replies.hop, fields };
    this.#framed = framedByPolicy(arriving, this.#admission.destinations, this.#parts);
    const begin = async (destination: Destination, framed: Framed) => {
      const { copy, keys } = destination;
      copy.enter(await folders.of(copy.account));
      copy.begin(await prepareSealer(keys, this.#parts), framed.outer(fields(destination)));
    };
    const turns = new Turns();
    for (const framed of this.#framed)
      for (const each of framed.destinations) {
        await settleLane(each.copy, begin(each, framed), limits.stallMs);
        await turns.next(); // a hundred dear keys take seconds
      }
    for (const framed of this.#framed)
      for (const piece of withInsertions(this.#scanner.seen, framed.header.insertions))
        await this.#push(piece, [framed]);
  }

  #trace(arrivedAt: number): Trace {
    return {
      sender: this.#sender.sender,
      client: this.#client,
      host: this.#parts.world.host,
      smtpUtf8: this.#sender.smtpUtf8,
      id: this.#id,
      arrivedAt,
    };
  }

  async #push(bytes: Buffer, framed: readonly Framed[]): Promise<void> {
    for (let from = 0; from < bytes.length; from += STEP_BYTES) {
      const step = bytes.subarray(from, from + STEP_BYTES);
      await allOf(framed.map((each) => each.update(step)));
    }
  }

  /**
   * Ends the message: stages every copy, commits those that did not fail, and yields a reply for each RCPT in
   * order.
   */
  async *finish(): AsyncGenerator<Reply> {
    this.#isFinishing = true;
    const deadline = performance.now() + this.#parts.limits.answerMs;
    const left = () => Math.max(deadline - performance.now(), 0);
    const commits = await this.#stageAndCommit(left).catch((error: unknown) => {
      for (const copy of this.#lanes()) copy.fail(new CopyFailure('internal', error));
      return new Map<Copy, Promise<void>>();
    });
    for (const { path, copy } of this.#admission.recipients) {
      await commits.get(copy);
      if (copy.failed) await within(copy.cleaned(), Math.min(this.#parts.limits.stallMs, left()));
      yield this.#replies.answerCopy(path, copy);
    }
    this.#replies.done(this.#copies());
  }

  /** Stages every copy, then starts the commits. Returns them by copy, without waiting for them. */
  async #stageAndCommit(left: () => number): Promise<Map<Copy, Promise<void>>> {
    if (!this.#isSealing && !this.#allFailed()) await this.#beginSealing(this.#scanner.end());
    await allOf(this.#framed.map((each) => each.final()));
    // A copy that hangs must not use up the time that the others need to commit.
    const stageMs = Math.max(left() - this.#parts.limits.stallMs, left() / 2);
    const stage = (copy: Copy) => settleLane(copy, copy.finish(), stageMs);
    await Promise.all(this.#lanes().map((copy) => this.#timed('stage', () => stage(copy))));
    const commit = (copy: Copy) => settleLane(copy, this.#store(copy), left());
    return new Map(this.#lanes().map((copy) => [copy, this.#timed('commit', () => commit(copy))]));
  }

  /**
   * Commits a copy and remembers it before the client is told: if the reply is lost, it is known when it
   * comes again.
   */
  async #store(copy: Copy): Promise<void> {
    const isStored = await this.#duplicates.storeOnce(this.#storing(copy), this.#parts.limits.stallMs);
    // An equal copy is durable already: this one is dropped, and the client is told 250 (`duplicate`).
    if (!isStored) throw new CopyFailure('duplicate');
    copy.account.store.sizes?.stored(copy.account.mailbox, copy.bytes);
  }

  #storing(copy: Copy): Storing {
    const { address, mailbox, store } = copy.account;
    const paths = this.#admission.recipients.filter((each) => each.copy === copy).map(({ path }) => path);
    return { account: address, mailbox, store, paths, file: copy.file ?? '', commit: () => copy.commit() };
  }

  /** The client gave up: removes all copies that are not durable. */
  async abort(): Promise<void> {
    const isUnanswered = this.#replies.started && !this.#isFinishing;
    this.#replies.settle('probed');
    this.#admission.close();
    this.#failAll('aborted');
    await within(Promise.all(this.#copies().map((copy) => copy.cleaned())), this.#parts.limits.stallMs);
    if (isUnanswered) this.#replies.aborted(this.#admission.recipients.map(({ path }) => path));
  }

  #copies(): Copy[] {
    return this.#admission.destinations.map(({ copy }) => copy);
  }

  #lanes(): Copy[] {
    return this.#copies().filter((copy) => !copy.failed);
  }

  async #timed(step: 'stage' | 'commit', work: () => Promise<void>): Promise<void> {
    const start = performance.now();
    await work();
    this.#parts.meter.time(step, (performance.now() - start) / 1000);
  }

  #allFailed(): boolean {
    return this.#lanes().length === 0;
  }

  #failAll(why: Why): void {
    for (const copy of this.#copies()) copy.fail(new CopyFailure(why));
  }
}
