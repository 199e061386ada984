// Compares what clients sent and what they were promised with what is on disk.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type FreshKey, openSealed } from '../support/freshkey.ts';

interface Sent {
  readonly digest: string;
  /** Maps distinct recipients to whether one of their RCPTs got a 250 in the end. */
  readonly to: Map<string, boolean>;
}

/** How many copies the crashes left in each state (src/README.md). */
export interface States {
  /** Sent in part or as a whole, and nothing of it is on disk. */
  S1: number;
  S2: number;
  S3: number;
  /** In new/, and the client does not know: S4, or S5 whose reply never arrived. */
  unanswered: number;
  acknowledged: number;
}

export class Ledger {
  readonly states: States = { S1: 0, S2: 0, S3: 0, unanswered: 0, acknowledged: 0 };
  /** The different replies that came. */
  readonly replies = new Set<string>();
  /** Number of connections that were accepted but neither greeted nor closed. */
  ungreeted = 0;
  readonly #store: string;
  readonly #key: FreshKey;
  readonly #sent = new Map<string, Sent>();
  readonly #unsettled = new Set<string>();
  /** Names of the files found, by folder. */
  readonly #found = new Map<string, Set<string>>();
  /** Number of files in new/, by `<id> <address>`. */
  readonly #stored = new Map<string, number>();

  /** `store` is the directory of `<domain>/<local>`. All messages are sealed to `key`. */
  constructor(store: string, key: FreshKey) {
    this.#store = store;
    this.#key = key;
  }

  sent(id: string, message: Buffer, to: readonly string[]): void {
    this.#sent.set(id, { digest: digestOf(message), to: new Map(to.map((address) => [address, false])) });
    this.#unsettled.add(id);
  }

  acknowledged(id: string, address: string): void {
    this.#sent.get(id)?.to.set(address, true);
  }

  get addresses(): Set<string> {
    return new Set([...this.#sent.values()].flatMap(({ to }) => [...to.keys()]));
  }

  /** Paths of the files that were found in tmp/. */
  get leftOvers(): string[] {
    const folders = [...this.#found].filter(([folder]) => folder.endsWith('/tmp'));
    return folders.flatMap(([folder, names]) => [...names].map((name) => join(folder, name)));
  }

  /** Notes files that were rightly removed. */
  removed(paths: readonly string[]): void {
    for (const path of paths) this.#found.get(dirname(path))?.delete(basename(path));
  }

  /**
   * Looks into the mailboxes of `addresses` while nobody writes there. Resolves to a sentence for each breach
   * of the promise: an acknowledged message that is not there, or twice; a file in new/ that is torn or
   * changed, or that has gone since the last look.
   */
  async check(addresses: Iterable<string>): Promise<string[]> {
    const wrong: string[] = [];
    let inTmp = 0;
    for (const address of addresses) {
      const mailbox = join(this.#store, ...address.split('@').reverse());
      for (const path of await this.#newIn(join(mailbox, 'new'), wrong)) {
        await this.#openStored(path, address).catch((error: Error) =>
          wrong.push(`${path}: ${error.message}`),
        );
      }
      for (const path of await this.#newIn(join(mailbox, 'tmp'), wrong)) {
        inTmp++;
        this.states[(await this.#isWhole(path)) ? 'S3' : 'S2']++;
      }
    }
    this.#settle(wrong);
    this.states.S1 -= inTmp; // a copy in tmp/ was also counted as missing in new/
    return wrong;
  }

  /** Resolves to the paths of the files that were not there at the last look. */
  async #newIn(folder: string, wrong: string[]): Promise<string[]> {
    const names: string[] = await readdir(folder).catch(() => []);
    const known = this.#found.get(folder) ?? new Set<string>();
    this.#found.set(folder, new Set(names));
    for (const name of known) if (!names.includes(name)) wrong.push(`${folder}/${name} has gone`);
    return names.filter((name) => !known.has(name)).map((name) => join(folder, name));
  }

  async #openStored(path: string, address: string): Promise<void> {
    const bytes = await readFile(path);
    if (!path.includes(`,S=${bytes.length},`)) throw new Error(`has ${bytes.length} bytes`);
    const { plaintext } = await openSealed(bytes, [this.#key.secret]);
    const id = /\b(id-\S+) ends here\r$/m.exec(plaintext.toString('latin1'))?.[1] ?? 'no id';
    const sent = this.#sent.get(id);
    if (!sent?.to.has(address)) throw new Error(`${id} was not sent to ${address}`);
    if (digestOf(plaintext) !== sent.digest) throw new Error(`${id} is not what was sent`);
    const copy = `${id} ${address}`;
    this.#stored.set(copy, (this.#stored.get(copy) ?? 0) + 1);
    // Also checked for messages of earlier rounds: a second copy must not come later either.
    if (this.#stored.get(copy) !== 1) throw new Error(`${id} is there twice`);
  }

  async #isWhole(path: string): Promise<boolean> {
    return openSealed(await readFile(path), [this.#key.secret]).then(
      () => true,
      () => false,
    );
  }

  #settle(wrong: string[]): void {
    for (const id of this.#unsettled) {
      for (const [address, isAcknowledged] of this.#sent.get(id)?.to ?? []) {
        const isStored = this.#stored.has(`${id} ${address}`);
        if (isAcknowledged && !isStored) wrong.push(`${id} to ${address} was acknowledged and is lost`);
        this.states[isAcknowledged ? 'acknowledged' : isStored ? 'unanswered' : 'S1']++;
      }
    }
    this.#unsettled.clear();
  }
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
