/**
 * The second half of the fan-out, for a message that may be encrypted already (D45): a copy whose recipient
 * has one of its keys gets a second file, with the message as it came. At the end one of the two is dropped.
 */
import type { HeaderBlock } from '../mime/header.ts';
import type { Destination } from './admission.ts';
import { fanOut } from './fanout.ts';
import type { KeptFile } from './keptfile.ts';
import type { Passthrough } from './passthrough.ts';
import type { Selection } from './select.ts';

/** A message whose header is complete. */
export interface Arriving {
  readonly header: HeaderBlock;
  /** Its first bytes, as many as have come. */
  readonly seen: Buffer;
  /** Returns the trace fields of a copy, or those of one that is stored as it came. */
  fields(destination: Destination, how?: 'kept'): Buffer;
}

/** Tells whether a message that is encrypted to `keyIds` is for the recipient who has these keys. */
export function isFor({ storedAs, own }: Selection, keyIds: ReadonlySet<string>): boolean {
  // a key that has expired, or is the site's, is not the recipient's to read mail with today
  return storedAs === 'stored' && own.some(({ keys }) => keys.some(({ keyId }) => keyIds.has(keyId)));
}

export class Keeping {
  readonly #message: Arriving;
  readonly #destinations: readonly Destination[];
  readonly #stallMs: number;
  #judge: Passthrough | undefined;
  #files: KeptFile[] | undefined; // once the keys are known

  constructor(judge: Passthrough, message: Arriving, destinations: readonly Destination[], stallMs: number) {
    this.#judge = judge;
    this.#message = message;
    this.#destinations = destinations;
    this.#stallMs = stallMs;
  }

  /** Takes the next bytes of the message. Never throws. */
  async update(bytes: Buffer): Promise<void> {
    if (this.#judge?.update(bytes) === false) await this.#giveUp();
    await this.#write();
  }

  /** The message has ended: leaves the second files of those copies that are to be stored as they came. */
  async end(): Promise<void> {
    if (this.#judge?.final() !== true) await this.#giveUp();
    await this.#write();
  }

  async #write(): Promise<void> {
    const keyIds = this.#judge?.keyIds;
    if (this.#judge === undefined || keyIds === undefined) return;
    this.#files ??= this.#begin(keyIds);
    if (this.#files.every(({ failed }) => failed)) return this.#giveUp();
    const bytes = this.#judge.take();
    if (bytes.length > 0) await fanOut(this.#files, bytes, this.#stallMs);
  }

  #begin(keyIds: ReadonlySet<string>): KeptFile[] {
    const addressed = this.#destinations.filter(({ copy, keys }) => !copy.failed && isFor(keys, keyIds));
    return addressed.map((each) => each.copy.keep(this.#message.fields(each, 'kept')));
  }

  async #giveUp(): Promise<void> {
    this.#judge = undefined;
    await Promise.all((this.#files ?? []).map((file) => file.abort()));
    this.#files = [];
  }
}
