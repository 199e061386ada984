/**
 * One recipient's copy on its way: a lane of the fan-out, made of a sealer and of what its store has staged.
 * A copy fails alone: whatever happens to it becomes its `failure`, what is staged is removed, and the other
 * copies never hear of it.
 */

import type { CopyStore, Envelope, StagedCopy } from '../core/copystore.ts';
import { CopyFailure } from '../core/errors.ts';
import { type StoredAs, type Why, whyOfDiskError } from '../core/outcome.ts';
import { INBOX, type Placed } from './folder.ts';
import { KeptFile } from './keptfile.ts';
import type { Addressed } from './resolve.ts';
import type { OuterFields, Sealer } from './seal.ts';

/** A recipient and where their mail goes. */
export interface Account extends Addressed {
  /** See Place. */
  readonly mailbox: string;
  readonly store: CopyStore;
  readonly envelope: Envelope;
}

const NEXT_HOP_TROUBLE: ReadonlySet<Why> = new Set([
  'nextHopBusy',
  'nextHopLost',
  'nextHopUnreachable',
  'tooSlow',
]);

/** With which of the keys that it may be sealed with. */
export interface Sealed {
  readonly storedAs: StoredAs;
  readonly reasons: readonly string[];
}

export class Copy {
  readonly account: Account;
  readonly #reasons: readonly string[];
  readonly #sealedAs: StoredAs;
  readonly #staged: StagedCopy;
  #placed: Placed = INBOX;
  #kept: KeptFile | undefined; // the message as it came, in its own file, while that may be stored
  #isKept = false;
  #release: () => void = () => {};
  #sealer: Sealer | undefined;
  #sealedFailure: unknown; // counts if the message as it came fails as well
  #failure: CopyFailure | undefined;
  #cleanup: Promise<void> | undefined;
  #isStored = false; // S5: no later trouble takes it back

  constructor(account: Account, { storedAs, reasons }: Sealed) {
    this.account = account;
    this.#sealedAs = storedAs;
    this.#reasons = reasons;
    this.#staged = account.store.stage(account.mailbox, account.envelope);
  }

  /**
   * Takes the copy's slot in its mailbox. `release` is called when the copy is stored, or has failed and
   * been cleaned up. It is always called, once. Undefined: the mailbox is full, and the copy fails.
   */
  occupy(release: (() => void) | undefined): void {
    if (release === undefined) this.fail(new CopyFailure('mailboxBusy'));
    else this.#release = release;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  get failure(): CopyFailure | undefined {
    return this.#failure;
  }

  /** Why it is not simply `stored`, or not in the folder that a rule means. */
  get reasons(): readonly string[] {
    return [...this.#reasons, ...this.#placed.reasons];
  }

  /** The name of the folder that it goes to; undefined where that is for others to say. */
  get folder(): string | undefined {
    return this.nextHop === undefined ? this.#placed.folder : undefined;
  }

  /** Where the store is, if it is elsewhere. */
  get nextHop(): string | undefined {
    return this.account.store.nextHop;
  }

  /** Lets the copy go to a folder. To be called before `begin`. */
  enter(placed: Placed): void {
    this.#placed = placed;
    this.#staged.enter(placed.directory);
  }

  /** What is answered once it is stored. */
  get storedAs(): StoredAs {
    return this.#isKept ? 'storedAsCame' : this.#sealedAs;
  }

  /** The name of the file in new/, once committed; undefined if there is none. */
  get file(): string | undefined {
    return this.#storing().staged.finalName(...this.#storing().sizes);
  }

  /** The size of the file, once it is whole. */
  get bytes(): number {
    return this.#storing().sizes[0];
  }

  /** Gives the copy its sealer and writes everything above the armor. */
  begin(sealer: Sealer, outer: OuterFields): void {
    this.#sealer = sealer;
    this.#staged.write(sealer.head(outer));
  }

  push(block: Buffer): Promise<void> | undefined {
    if (this.#kept?.failed) this.#expectNoLoss();
    if (this.#sealedFailure !== undefined) return undefined;
    try {
      const written = this.#staged.writeOwned(this.#sealing().update(block));
      return written?.catch((error: unknown) => this.#loseSealed(error));
    } catch (error) {
      return this.#loseSealed(error);
    }
  }

  /** At a next hop the sealed copy is larger, and another transaction: the message as it came may go on. */
  #loseSealed(error: unknown): undefined {
    if (this.nextHop === undefined || this.#kept === undefined || this.#kept.failed) throw error;
    this.#sealedFailure ??= error;
    void this.#staged.abort();
  }

  /** To be called once the message as it came is given up. Throws why the sealed copy cannot stand for it. */
  #expectNoLoss(): void {
    if (this.#sealedFailure !== undefined) throw this.#sealedFailure;
    const failure = this.#kept?.failure;
    // else it would be sealed a second time for the trouble of a moment
    const isForNow = failure instanceof CopyFailure && NEXT_HOP_TROUBLE.has(failure.why);
    if (this.nextHop !== undefined && isForNow) throw failure;
  }

  /**
   * Begins a second file with these fields, for the message as it came. It is stored in place of the sealed
   * one unless it fails before `finish`. At a next hop, trouble with that fails the copy.
   */
  keep(trace: Buffer): KeptFile {
    const { store, mailbox, envelope } = this.account;
    this.#staged.stayBehind?.();
    const staged = store.stage(mailbox, envelope);
    staged.enter(this.#placed.directory);
    this.#kept = new KeptFile(staged);
    try {
      this.#kept.push(trace);
    } catch (error) {
      this.#kept.fail(error);
    }
    return this.#kept;
  }

  /** S1 or S2 -> whole: in memory, or S3. */
  async finish(): Promise<void> {
    if (await this.#kept?.finish()) {
      this.#isKept = true;
      await this.#staged.abort();
      return;
    }
    this.#expectNoLoss();
    await this.#staged.writeOwned(this.#sealing().final());
    await this.#staged.finish();
    // a buffer released too early has no bytes: better no copy than one with a hole
    if (this.#staged.bytes !== this.#sealing().size) throw new Error('bytes of the copy are missing');
  }

  /** -> S5. */
  async commit(): Promise<void> {
    const { staged, sizes } = this.#storing();
    await staged.commit(...sizes);
    this.#isStored = true;
    this.#release();
  }

  /** Gives the copy up and removes its file. Only the first failure counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined || this.#isStored) return;
    this.#failure = error instanceof CopyFailure ? error : new CopyFailure(whyOfDiskError(error), error);
    const aborted = Promise.all([this.#staged.abort(), this.#kept?.abort()]);
    this.#cleanup = aborted.then(() => {}).finally(() => this.#release());
  }

  /** Resolves when nothing of a failed copy is left on disk. */
  cleaned(): Promise<void> {
    return this.#cleanup ?? Promise.resolve();
  }

  #sealing(): Sealer {
    if (this.#sealer === undefined) throw new Error('copy has not begun');
    return this.#sealer;
  }

  /** The file that is stored, and its sizes for its name. */
  #storing(): Pick<KeptFile, 'staged' | 'sizes'> {
    if (this.#isKept && this.#kept !== undefined) return this.#kept;
    const { size, wireSize } = this.#sealing();
    return { staged: this.#staged, sizes: [size, wireSize] };
  }
}
