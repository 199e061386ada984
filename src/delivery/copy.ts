/**
 * One recipient's copy on its way: a lane of the fan-out, made of a sealer and of what its store has staged.
 * A copy fails alone: whatever happens to it becomes its `failure`, what is staged is removed, and the other
 * copies never hear of it.
 */

import type { CopyStore, Envelope, StagedCopy } from '../core/copystore.ts';
import { CopyFailure } from '../core/errors.ts';
import { type StoredAs, whyOfDiskError } from '../core/outcome.ts';
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
    return this.#staged.writeOwned(this.#sealing().update(block));
  }

  /**
   * Begins a second file with these fields, for the message as it came. It is stored in place of the sealed
   * one unless it fails before `finish`.
   */
  keep(trace: Buffer): KeptFile {
    const { store, mailbox, envelope } = this.account;
    const staged = store.stage(mailbox, envelope);
    staged.enter(this.#placed.directory);
    this.#kept = new KeptFile(staged);
    this.#kept.push(trace);
    return this.#kept;
  }

  /** S1 or S2 -> whole: in memory, or S3. */
  async finish(): Promise<void> {
    if (await this.#kept?.finish()) {
      this.#isKept = true;
      await this.#staged.abort();
      return;
    }
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
