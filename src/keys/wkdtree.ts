/**
 * A web key directory in the file system (`keys.wkd_directory`), as a web server publishes it and as
 * gpg-wks-client and sq make it: `<domain>/hu/<hash>`, and `hu/<hash>` for the default domain of the site.
 * Its files are read, judged and refused as those of the key directory are.
 */
import { opendir } from 'node:fs/promises';
import { partsOf, type SameAddress } from '../core/address.ts';
import type { World } from '../core/world.ts';
import { FileCalls, LinkedCalls } from './calls.ts';
import type { DirectoryOptions } from './directory.ts';
import { LastFound } from './lastfound.ts';
import { ownedBy } from './owned.ts';
import { merge, ParsedFiles } from './parsedfiles.ts';
import type { KeyEntry, KeyOwner, KeySource } from './source.ts';
import { wkdHash } from './wkdhash.ts';
import { WORDS } from './words.ts';

export class WkdTree implements KeySource {
  readonly #directory: string;
  readonly #same: SameAddress;
  readonly #world: Pick<World, 'now'>;
  readonly #calls: FileCalls;
  readonly #files: ParsedFiles;
  readonly #last: LastFound;

  constructor(
    directory: string,
    same: SameAddress,
    world: Pick<World, 'now'>,
    { run = (_, call) => call(), onSilence = () => {} }: DirectoryOptions = {},
  ) {
    this.#directory = directory;
    this.#same = same;
    this.#world = world;
    this.#calls = new FileCalls(directory, run);
    this.#files = new ParsedFiles(directory, world, this.#calls, new LinkedCalls(run));
    this.#last = new LastFound(directory, this.#calls, world, onSilence);
  }

  async keysOf({ address }: KeyOwner): Promise<KeyEntry | undefined> {
    const { local, domain } = partsOf(address);
    if (local === '') return undefined; // @example.com
    return this.#last.find(address, () => this.#lookup(address, this.#namesOf(local, domain)));
  }

  #namesOf(local: string, domain: string): string[] {
    const name = `hu/${wkdHash(local)}`;
    const advanced = `${domain}/${name}`;
    return domain === this.#same.defaultDomain.toLowerCase() ? [advanced, name] : [advanced];
  }

  async #lookup(address: string, names: readonly string[]): Promise<KeyEntry | undefined> {
    const files = await this.#files.load(names);
    if (files.length === 0) {
      this.#last.forget(address);
      // one without anything in it is more likely not mounted (D18)
      if (await this.#calls.make(() => isEmpty(this.#directory)))
        throw new Error(`${this.#directory} is empty`);
      return undefined;
    }
    const entry = await this.#own(address, await merge(files));
    this.#last.remember(address, files, entry);
    return entry;
  }

  async #own(address: string, { certificates, problems }: KeyEntry): Promise<KeyEntry> {
    const own = await ownedBy(address, certificates, this.#same, this.#world.now());
    if (own.length > 0 || problems.length > 0) return { certificates: own, problems };
    const name = `hu/${wkdHash(partsOf(address).local)}`;
    return { certificates: [], problems: [`${name} ${WORDS.notTheirs(address)}`] };
  }
}

/** Throws if it is missing. */
async function isEmpty(directory: string): Promise<boolean> {
  const opened = await opendir(directory);
  try {
    return (await opened.read()) === null;
  } finally {
    await opened.close();
  }
}
