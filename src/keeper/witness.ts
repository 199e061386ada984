/**
 * Logs keys that a delivery has read from the key directory, if the log does not have them as those of now:
 * the file may be another one again before anybody looks at it.
 */
import type { SameAddress } from '../core/address.ts';
import type { UsedKeys } from '../core/usedkeys.ts';
import type { World } from '../core/world.ts';
import { changeOf, sortedKeys } from '../keylog/change.ts';
import { type Copies, digestOf } from '../keylog/copies.ts';
import type { Keys } from '../keylog/entry.ts';
import type { KeyLog } from '../keylog/keylog.ts';
import { addressOf, isKeyFile, isUsualName } from '../keys/names.ts';
import { parseKeyFile } from '../keys/parsedfiles.ts';
import type { Looker } from './look.ts';
import { isKnown } from './seen.ts';

export interface WitnessParts {
  readonly log: KeyLog;
  readonly copies: Copies;
  readonly looker: Looker;
  readonly same: SameAddress;
  readonly world: Pick<World, 'now'>;
}

/** The keys in one file. */
interface Read {
  readonly digest: string;
  readonly fingerprints: readonly string[];
}

export class Witness {
  readonly #parts: WitnessParts;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
  }

  /** Returns whether there was something to be logged: then the file has to be looked at. */
  async take(used: UsedKeys): Promise<boolean> {
    const { file, bytes } = used;
    const address = isKeyFile(file) ? addressOf(file, this.#parts.same) : undefined;
    if (address === undefined) return false;
    const digest = digestOf(bytes);
    if (this.#isLogged(address, digest, used.at)) return false;
    const { certificates } = await parseKeyFile(file, bytes);
    if (certificates.length === 0) return false;
    const fingerprints = certificates.map((each) => each.fingerprint);
    return this.#parts.log.locked(() => this.#log(address, used, { digest, fingerprints }));
  }

  /** Looks at the log again, since it may be a command that has made the change. */
  async #log(address: string, { file, bytes, at }: UsedKeys, read: Read): Promise<boolean> {
    const { log, copies, looker, world } = this.#parts;
    if (this.#isLogged(address, read.digest, at)) return false;
    copies.put(bytes);
    copies.sync();
    const context = {
      by: { how: 'directory' } as const,
      isFirst: false,
      copies,
      now: new Date(world.now()),
    };
    const after = this.#keysWith(address, file, read);
    const change = await changeOf(address, log.known.get(address), after, context);
    if (change !== undefined) log.append([change]);
    looker.doubt(file);
    return true;
  }

  /** The keys of now have this file; or they had it until a change that was logged since it was read. */
  #isLogged(address: string, digest: string, at: number): boolean {
    const known = this.#parts.log.known.get(address);
    if (known === undefined) return false;
    const { now, replaced, since = Number.NEGATIVE_INFINITY } = known;
    return now.files.includes(digest) || (at <= since && replaced?.files.includes(digest) === true);
  }

  /** What a look-up has found: this file, and the others of the address as they were seen last. */
  #keysWith(address: string, file: string, read: Read): Keys {
    const isUsual = isUsualName(file, address);
    const others = this.#parts.looker
      .filesOf(address)
      .filter((each) => each.name !== file && isKnown(each) && isUsualName(each.name, address) === isUsual);
    const files = [...others, read];
    return sortedKeys(
      files.flatMap(({ fingerprints }) => fingerprints),
      files.map(({ digest }) => digest),
    );
  }
}
