/**
 * A Web Key Directory in files (draft-koch-openpgp-webkey-service §3.1): keys in binary under the hash of
 * their local part. It may be part of a web site, so that nothing is removed but what was written here and is
 * still the same: a list of that lies beside it.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { World } from '../core/world.ts';
import { wkdHash } from './wkdhash.ts';

/** `direct`: for the host of the mail domain itself, and so for one domain. */
export type Layout = 'advanced' | 'direct';

/** A canonical address in parts. */
interface Place {
  readonly local: string;
  readonly domain: string;
}

const LIST = '.sealdir-wkd.json';
const ROOT = '.well-known/openpgpkey';
const LEFT_OVER = /^\.sealdir-[0-9a-f]{16}\.tmp$/;

export class WebKeyTree {
  readonly #root: string;
  readonly #layout: Layout;
  readonly #world: Pick<World, 'random'>;
  /** Path of a file below the root -> SHA-256 of what was written there. */
  #written = new Map<string, string>();
  /** The files of this time -> whose they are. */
  readonly #current = new Map<string, string>();
  readonly #prepared = new Set<string>();

  constructor(root: string, layout: Layout, world: Pick<World, 'random'>) {
    this.#root = root;
    this.#layout = layout;
    this.#world = world;
  }

  /** Reads what was written before. Throws if that cannot be read. */
  async open(): Promise<void> {
    const text = await readFile(join(this.#root, LIST), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}';
      throw error;
    });
    this.#written = new Map(entriesIn(text));
  }

  /** Writes the keys of an address. Returns whose keys are in its place already, if some are. */
  async put(place: Place, keys: Buffer): Promise<string | undefined> {
    const path = this.#pathOf(place);
    const other = this.keep(place);
    if (other !== undefined) return other;
    await this.#prepare(place);
    const hash = hashOf(keys);
    // known before it is there: a program that ends in between does not forget what is its own
    this.#written.set(path, hash);
    const present = await this.#read(path);
    if (present === undefined || !present.equals(keys)) await this.#write(path, keys, 0o644);
    return undefined;
  }

  /** Spares what was written for an address before. Returns who else has its place, if anybody has. */
  keep(place: Place): string | undefined {
    const path = this.#pathOf(place);
    const address = `${place.local}@${place.domain}`;
    const other = this.#current.get(path);
    if (other === undefined) this.#current.set(path, address);
    return other === address ? undefined : other;
  }

  /** Removes what was written for addresses that are not among those of this time. Returns how many. */
  removeOthers(): Promise<number> {
    return this.#remove([...this.#written.keys()].filter((path) => !this.#current.has(path)));
  }

  /** Removes what was written for these addresses, but for those of this time. Returns how many. */
  removeOf(places: readonly Place[]): Promise<number> {
    const paths = places.map((place) => this.#pathOf(place));
    return this.#remove(paths.filter((path) => this.#written.has(path) && !this.#current.has(path)));
  }

  /** Writes the list of what was written. */
  async save(): Promise<void> {
    const text = JSON.stringify(Object.fromEntries([...this.#written].sort()), undefined, 1);
    if (this.#written.size > 0 || (await this.#read(LIST)) !== undefined)
      await this.#write(LIST, Buffer.from(`${text}\n`), 0o600);
  }

  async #remove(paths: readonly string[]): Promise<number> {
    let count = 0;
    for (const path of paths) {
      const present = await this.#read(path);
      if (present !== undefined && hashOf(present) === this.#written.get(path)) {
        await unlink(join(this.#root, path));
        count++;
      }
      this.#written.delete(path); // one that somebody has changed is theirs
    }
    await this.save();
    return count;
  }

  #baseOf({ domain }: Pick<Place, 'domain'>): string {
    return this.#layout === 'direct' ? ROOT : `${ROOT}/${domain}`;
  }

  #pathOf(place: Place): string {
    return `${this.#baseOf(place)}/hu/${wkdHash(place.local)}`;
  }

  /** Makes the directories, and the file `policy` that a client may ask for. */
  async #prepare(place: Place): Promise<void> {
    const base = this.#baseOf(place);
    if (this.#prepared.has(base)) return;
    const directory = join(this.#root, base, 'hu');
    await mkdir(directory, { recursive: true, mode: 0o755 });
    for (const name of await readdir(directory))
      if (LEFT_OVER.test(name)) await unlink(join(directory, name));
    if ((await this.#read(`${base}/policy`)) === undefined)
      await this.#write(`${base}/policy`, Buffer.alloc(0), 0o644);
    this.#prepared.add(base);
  }

  #read(path: string): Promise<Buffer | undefined> {
    return readFile(join(this.#root, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  }

  async #write(path: string, bytes: Buffer, mode: number): Promise<void> {
    const target = join(this.#root, path);
    const temporary = join(dirname(target), `.sealdir-${this.#world.random(8).toString('hex')}.tmp`);
    try {
      const handle = await open(temporary, 'wx', 0o600);
      try {
        await handle.writeFile(bytes);
        await handle.chmod(mode);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, target);
    } catch (error) {
      await unlink(temporary).catch(() => undefined); // it may not have been made
      throw error;
    }
  }
}

function entriesIn(text: string): [string, string][] {
  const list: unknown = JSON.parse(text);
  if (typeof list !== 'object' || list === null) return [];
  const isOwn = (path: string) => path.startsWith(`${ROOT}/`) && !path.split('/').includes('..');
  return Object.entries(list).flatMap(([path, hash]) =>
    typeof hash === 'string' && isOwn(path) ? [[path, hash] as [string, string]] : [],
  );
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
