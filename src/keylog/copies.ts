/**
 * Copies of key files, each under the SHA-256 of its bytes: of those in use, so that after a change the keys
 * of before are still at hand, and of those that an owner has not been told about yet. A copy is there before
 * any line of the log names it, so a crash leaves one too many at most.
 */
import { createHash } from 'node:crypto';
import type { StateFiles } from './files.ts';

const FOLDER = 'known';
/** Where commands keep the files that they replace. */
const FORMER = 'former';

export class Copies {
  readonly #files: StateFiles;
  #hasNew = false;

  constructor(files: StateFiles) {
    this.#files = files;
    files.makeDirectory(FOLDER);
  }

  /** Keeps a copy, durable after `sync`. Returns its name. */
  put(bytes: Buffer): string {
    const digest = digestOf(bytes);
    if (this.get(digest) !== undefined) return digest;
    this.#hasNew = true;
    this.#files.makeDirectory(FOLDER);
    this.#files.put(`${FOLDER}/${digest}`, [bytes]);
    return digest;
  }

  sync(): void {
    if (this.#hasNew) this.#files.syncDirectory(FOLDER);
    this.#hasNew = false;
  }

  /** Undefined if there is no copy, or none that is whole. */
  get(digest: string): Buffer | undefined {
    const bytes = /^[0-9a-f]{64}$/.test(digest) ? this.#files.read(`${FOLDER}/${digest}`) : undefined;
    return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined;
  }

  /** Makes a copy that is lost or damaged anew, if a command has kept the file when it replaced it. */
  restore(digest: string): void {
    for (const name of this.get(digest) === undefined ? this.#files.list(FORMER) : []) {
      const bytes = this.#formerFile(name);
      if (bytes === undefined || digestOf(bytes) !== digest) continue;
      this.put(bytes);
      return this.sync();
    }
  }

  #formerFile(name: string): Buffer | undefined {
    try {
      return this.#files.read(`${FORMER}/${name}`);
    } catch {
      return undefined; // whoever put it there, it is no key file
    }
  }

  /** Removes all others. */
  keepOnly(digests: ReadonlySet<string>): void {
    for (const name of this.#files.list(FOLDER))
      if (!digests.has(name)) this.#files.remove(`${FOLDER}/${name}`);
  }
}

export function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
