/**
 * The spine: one mail transaction, from MAIL to the last reply.
 *
 *   per RCPT      accept -> resolve -> select -> 250/4yz/5yz
 *   after DATA    fan-out -> seal -> stage (tmp/, fsync) ... commit (new/, fsync) -> one reply per RCPT
 *
 * What may never happen: a 250 before the recipient's copy is durable in new/ (S5); plaintext
 * given to the store; one copy's trouble reaching another; fewer or more replies than RCPTs.
 * All copies are staged before any is committed, so a message that never ended leaves nothing.
 */
import { performance } from 'node:perf_hooks';
import type { SameAddress } from '../core/address.ts';
import { within } from '../core/deadline.ts';
import { CopyFailure } from '../core/errors.ts';
import type { Journal } from '../core/journal.ts';
import type { Meter } from '../core/meter.ts';
import { type Reply, replyOf, verdictOf, type Why } from '../core/outcome.ts';
import type { World } from '../core/world.ts';
import type { SealingKeys } from '../edge/keys.ts';
import { HeaderScanner } from '../mime/header.ts';
import { type HeaderPolicy, outerFields } from '../mime/policy.ts';
import { type Trace, traceFields } from '../mime/trace.ts';
import { LiteralData } from '../openpgp/literal.ts';
import { type AcceptedSender, acceptRecipient } from './accept.ts';
import { Copy } from './copy.ts';
import { fanOut, settleLane } from './fanout.ts';
import { type Account, type ResolveParts, resolve } from './resolve.ts';
import { prepareSealer } from './seal.ts';
import { type SelectPolicy, select } from './select.ts';
import type { Store } from './store.ts';

/** Literal data goes to the copies in steps of this size, so that none gets far ahead of its disk. */
const STEP_BYTES = 64 * 1024;

export interface DeliveryLimits {
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxRecipients: number;
  /** How long one copy may hold up the others while the message streams. */
  readonly stallMs: number;
  /** From the end of DATA to the last reply; also the longest look-up of one recipient. */
  readonly answerMs: number;
}

export interface DeliveryParts {
  readonly world: World;
  readonly meter: Meter;
  readonly journal: Journal;
  readonly store: Store;
  readonly resolve: ResolveParts & { readonly same: SameAddress };
  readonly select: SelectPolicy;
  readonly policy: HeaderPolicy;
  readonly limits: DeliveryLimits;
}

export interface Client {
  /** Name given in LHLO. */
  readonly name: string;
  /** IP address, or undefined on a Unix socket. */
  readonly address: string | undefined;
}

interface Recipient {
  readonly path: string;
  readonly copy: Copy;
}

export class Transaction {
  readonly #parts: DeliveryParts;
  readonly #sender: AcceptedSender;
  readonly #client: Client;
  readonly #id: string;
  readonly #recipients: Recipient[] = []; // accepted RCPTs in their order, duplicates included
  readonly #copies = new Map<string, { copy: Copy; keys: SealingKeys; path: string }>(); // by account
  readonly #scanner: HeaderScanner;
  readonly #literal = new LiteralData();
  #sealing = false; // the header is complete and has been written
  #finishing = false;
  #bytes = 0;
  #startedAt = 0;

  constructor(parts: DeliveryParts, sender: AcceptedSender, client: Client) {
    this.#parts = parts;
    this.#sender = sender;
    this.#client = client;
    this.#id = parts.world.random(8).toString('hex');
    this.#scanner = new HeaderScanner(parts.limits.maxHeaderBytes);
  }

  /** Everything after `RCPT TO:`. A 250 means its copy will get exactly one reply after DATA. */
  async recipient(rest: Buffer): Promise<Reply> {
    const accepted = acceptRecipient(rest, this.#sender.smtpUtf8);
    if (typeof accepted === 'string') return replyOf(accepted);
    const { limits } = this.#parts;
    if (this.#recipients.length >= limits.maxRecipients) return replyOf('tooManyRecipients');
    const admitted = await within(this.#admit(accepted), limits.answerMs).catch((error: unknown) => ({
      why: 'recipientsUnavailable' as const,
      reasons: [reasonOf(error)],
    }));
    if (admitted === undefined) return replyOf('recipientOk');
    const { why, reasons } =
      admitted === 'late' ? { why: 'recipientsUnavailable' as const, reasons: [] } : admitted;
    return this.#answer(accepted.path, replyOf(why), { reasons });
  }

  async #admit(accepted: {
    address: Parameters<typeof resolve>[0];
    path: string;
  }): Promise<{ why: Why; reasons: readonly string[] } | undefined> {
    const { world, meter, resolve: resolveParts, select: policy, store } = this.#parts;
    const account = await resolve(accepted.address, resolveParts);
    if (typeof account === 'string') return { why: account, reasons: [] };
    if (account.keys.problems.length > 0) meter.keyFileRefused();
    const keys = await select(account.keys, policy, world.now());
    if ('why' in keys) return keys;
    const path = accepted.address.domain === '' ? account.address : accepted.path;
    const known = this.#copies.get(account.address) ?? this.#addCopy(account, keys, path, store);
    this.#recipients.push({ path, copy: known.copy });
    return undefined;
  }

  #addCopy(account: Account, keys: SealingKeys, path: string, store: Store) {
    const added = { copy: new Copy(account, store.stage(account.mailbox)), keys, path };
    this.#copies.set(account.address, added);
    return added;
  }

  /** How many RCPTs were answered 250. */
  get recipientCount(): number {
    return this.#recipients.length;
  }

  /** DATA was accepted; message bytes follow. */
  start(): void {
    this.#startedAt = performance.now();
  }

  /** Takes message bytes (kept only until the promise settles). Never throws. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      this.#bytes += piece.length;
      if (this.#bytes > this.#parts.limits.maxMessageBytes) this.#failAll('tooBig');
      if (this.#allFailed()) continue; // read on and drop: the client is still sending
      if (this.#sealing) await this.#push(piece);
      else await this.#scan(piece);
    }
  }

  async #scan(piece: Buffer): Promise<void> {
    const scan = this.#scanner.update(piece);
    if (scan.state === 'tooBig') this.#failAll('headerTooBig');
    if (scan.state === 'complete') await this.#beginSealing(scan.fields);
  }

  async #beginSealing(fields: Parameters<typeof outerFields>[0]): Promise<void> {
    this.#sealing = true;
    const { world, limits, policy } = this.#parts;
    const outer = outerFields(fields, policy);
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
    const { limits, meter } = this.#parts;
    const deadline = performance.now() + limits.answerMs;
    const left = () => Math.max(deadline - performance.now(), 0);
    const end = this.#scanner.end();
    if (!this.#sealing && !this.#allFailed())
      await this.#beginSealing(end.state === 'complete' ? end.fields : []);
    await this.#spread((emit) => this.#literal.final(emit));
    await this.#each('stage', (copy) => settleLane(copy, copy.finish(), left()));
    const commits = new Map(
      this.#lanes().map((copy) => [
        copy,
        this.#timed('commit', () => settleLane(copy, copy.commit(), left())),
      ]),
    );
    for (const { path, copy } of this.#recipients) {
      await commits.get(copy);
      if (copy.failed) await within(copy.cleaned(), limits.stallMs);
      yield this.#replyFor(path, copy);
    }
    meter.time('delivery', (performance.now() - this.#startedAt) / 1000);
    meter.message(this.#verdict(), this.#bytes);
  }

  /** The client is gone, or gave up: nothing of the message stays. */
  async abort(): Promise<void> {
    const isUnanswered = this.#startedAt > 0 && !this.#finishing;
    this.#failAll('aborted');
    const cleaned = Promise.all([...this.#copies.values()].map(({ copy }) => copy.cleaned()));
    await within(cleaned, this.#parts.limits.stallMs);
    if (!isUnanswered) return;
    this.#parts.meter.message('aborted', this.#bytes);
    for (const { path } of this.#recipients) this.#answer(path, replyOf('aborted'), {});
  }

  #replyFor(path: string, copy: Copy): Reply {
    const { failure } = copy;
    if (failure === undefined) return this.#answer(path, replyOf('stored', this.#id), { file: copy.file });
    return this.#answer(path, replyOf(failure.why), {
      reasons: failure.cause ? [reasonOf(failure.cause)] : [],
    });
  }

  /** Writes the outcome down and returns the reply: nothing is answered that is not logged. */
  #answer(path: string, reply: Reply, more: { file?: string; reasons?: readonly string[] }): Reply {
    const { meter, journal } = this.#parts;
    const verdict = verdictOf(reply);
    meter.recipient(verdict, reply.why, this.#bytes);
    journal.outcome({
      id: this.#id,
      recipient: path,
      sender: this.#sender.sender.toString('latin1'),
      verdict,
      why: reply.why,
      code: reply.code,
      bytes: this.#bytes,
      ms: this.#startedAt === 0 ? 0 : Math.round(performance.now() - this.#startedAt),
      ...more,
    });
    return reply;
  }

  #verdict(): 'stored' | 'deferred' | 'refused' {
    const whys = [...this.#copies.values()].map(({ copy }) => copy.failure?.why);
    if (whys.includes(undefined)) return 'stored';
    return whys.some((why) => why !== undefined && verdictOf(replyOf(why)) === 'deferred')
      ? 'deferred'
      : 'refused';
  }

  #lanes(): Copy[] {
    return [...this.#copies.values()].map(({ copy }) => copy).filter((copy) => !copy.failed);
  }

  async #each(step: 'stage', work: (copy: Copy) => Promise<void>): Promise<void> {
    await Promise.all(this.#lanes().map((copy) => this.#timed(step, () => work(copy))));
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

/** For the log: the message and code of what went wrong, without a stack. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
