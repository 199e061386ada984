/**
 * One recipient's copy on its way: a lane of the fan-out, made of a sealer and a staged file.
 * A copy fails alone: whatever happens to it becomes its `failure`, its file is unlinked, and
 * the other copies never hear of it.
 */
import { CopyFailure } from '../core/errors.ts';
import { type StoredAs, whyOfDiskError } from '../core/outcome.ts';
import type { StagedFile } from '../maildir/stagedfile.ts';
import type { Store } from '../maildir/store.ts';
import type { Recipient } from '../recipients/source.ts';
import type { OuterFields, Sealer } from './seal.ts';

/** A recipient and where their mail goes. */
export interface Account extends Recipient {
  /** The path of their Maildir. */
  readonly mailbox: string;
  /** The store that it is in. */
  readonly store: Store;
}

/** With which of the keys that it may be sealed with. */
export interface Sealed {
  readonly storedAs: StoredAs;
  readonly reasons: readonly string[];
}

export class Copy {
  readonly account: Account;
  /** What is answered once it is stored, and why not simply `stored`. */
  readonly storedAs: StoredAs;
  readonly reasons: readonly string[];
  readonly #staged: StagedFile;
  #release: () => void = () => {};
  #sealer: Sealer | undefined;
  #failure: CopyFailure | undefined;
  #cleanup: Promise<void> | undefined;
  #isStored = false; // S5: no later trouble takes it back

  constructor(account: Account, staged: StagedFile, { storedAs, reasons }: Sealed) {
    this.account = account;
    this.storedAs = storedAs;
    this.reasons = reasons;
    this.#staged = staged;
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

  /** The name of the file in new/, once committed. */
  get file(): string {
    return this.#staged.finalName(...this.#sizes());
  }

  /** The size of the file, once it is whole. */
  get bytes(): number {
    return this.#sealing().size;
  }

  /** Gives the copy its sealer and writes everything above the armor. */
  begin(sealer: Sealer, outer: OuterFields): void {
    this.#sealer = sealer;
    this.#staged.write(sealer.head(outer));
  }

  push(block: Buffer): Promise<void> | undefined {
    return this.#staged.writeOwned(this.#sealing().update(block));
  }

  /** S1 or S2 -> whole: in memory, or S3. */
  async finish(): Promise<void> {
    await this.#staged.writeOwned(this.#sealing().final());
    await this.#staged.finish();
    // a buffer released too early has no bytes: better no copy than one with a hole
    if (this.#staged.bytes !== this.#sealing().size) throw new Error('bytes of the copy are missing');
  }

  /** -> S5. */
  async commit(): Promise<void> {
    await this.#staged.commit(...this.#sizes());
    this.#isStored = true;
    this.#release();
  }

  /** Gives the copy up and removes its file. Only the first failure counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined || this.#isStored) return;
    this.#failure = error instanceof CopyFailure ? error : new CopyFailure(whyOfDiskError(error), error);
    this.#cleanup = this.#staged.abort().finally(() => this.#release());
  }

  /** Resolves when nothing of a failed copy is left on disk. */
  cleaned(): Promise<void> {
    return this.#cleanup ?? Promise.resolve();
  }

  #sealing(): Sealer {
    if (this.#sealer === undefined) throw new Error('copy has not begun');
    return this.#sealer;
  }

  #sizes(): [size: number, wireSize: number] {
    return [this.#sealing().size, this.#sealing().wireSize];
  }
}
