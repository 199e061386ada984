/** What was seen of some addresses, and what the log says of them -> entries of the log. */
import type { World } from '../core/world.ts';
import { changeOf, sortedKeys } from '../keylog/change.ts';
import type { Copies } from '../keylog/copies.ts';
import { type Change, isSame, type Keys, NO_KEYS } from '../keylog/entry.ts';
import type { KeyLog } from '../keylog/keylog.ts';
import { usualNames } from '../keys/names.ts';
import { areKnown, type Looker } from './look.ts';

/** Changes that are logged at once, but for a first look, which is whole or not there. */
const AT_ONCE = 500;

export interface RecorderParts {
  readonly log: KeyLog;
  readonly copies: Copies;
  readonly looker: Looker;
  readonly world: Pick<World, 'now'>;
}

export class Recorder {
  readonly #parts: RecorderParts;
  #isStopped = false;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  /** Begins with no more entries. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Logs what has changed of these addresses. */
  async record(addresses: Iterable<string>): Promise<void> {
    const suspects = [...new Set(addresses)].filter((address) => this.#differs(address));
    const isFirst = this.#parts.log.entries === 0;
    const size = isFirst ? Math.max(1, suspects.length) : AT_ONCE;
    for (let at = 0; at < suspects.length && !this.#isStopped; at += size)
      await this.#parts.log.locked(() => this.#recordNow(suspects.slice(at, at + size)));
  }

  /** Looks again, since it may be a command that has made the change, which holds the lock while it does. */
  async #recordNow(addresses: readonly string[]): Promise<void> {
    const names = addresses.flatMap((address) => [
      ...usualNames(address),
      ...this.#parts.looker.of(address).map(({ name }) => name),
    ]);
    await this.#parts.looker.some(names);
    const fewer = addresses.filter((address) => this.#hasFewer(address));
    if (fewer.length > 0) await this.#parts.looker.allOf(new Set(fewer));
    const isFirst = this.#parts.log.entries === 0;
    const changes: Change[] = [];
    for (const address of addresses) {
      const keys = this.#keysOf(address);
      if (keys === undefined) continue;
      const context = {
        by: { how: 'directory' } as const,
        isFirst,
        copies: this.#parts.copies,
        now: new Date(this.#parts.world.now()),
      };
      const change = await changeOf(address, this.#parts.log.known.get(address), keys, context);
      if (change !== undefined) changes.push(change);
    }
    const isThere = this.#parts.looker.isThere();
    this.#parts.copies.sync();
    this.#parts.log.append(changes.filter(({ event }) => event !== 'went' || isThere));
  }

  #differs(address: string): boolean {
    const keys = this.#keysOf(address);
    if (keys === undefined) return false;
    const { now } = this.#parts.log.known.get(address) ?? { now: NO_KEYS };
    return !isSame(keys.fingerprints, now.fingerprints) || !isSame(keys.files, now.files);
  }

  /** Tells whether a file is missing that was there before. It may have another name now. */
  #hasFewer(address: string): boolean {
    const { files } = this.#parts.log.known.get(address)?.now ?? NO_KEYS;
    const keys = this.#keysOf(address);
    return keys !== undefined && keys.files.length < files.length;
  }

  /** Undefined while one of the files does not say: it may be half written. */
  #keysOf(address: string): Keys | undefined {
    const files = this.#parts.looker.of(address);
    if (!areKnown(files)) return undefined;
    return sortedKeys(
      files.flatMap(({ fingerprints }) => fingerprints),
      files.map(({ digest }) => digest),
    );
  }
}
