/**
 * The keys of the site itself: those that every copy is sealed to as well (`keys.also`), and those that mail
 * is sealed to whose recipient has no usable key (`keys.hold`). Their files are read like those of the key
 * directory, so that a change counts without a restart. Never throws: a file that cannot be read, or does not
 * answer, is a reason to defer.
 */
import { basename, dirname } from 'node:path';
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import { FileCalls, LinkedCalls, type Runner, SILENT_AFTER_MS, SilentError } from './calls.ts';
import { judgeCertificate } from './judgement.ts';
import { merge, ParsedFiles } from './parsedfiles.ts';
import { excessOf } from './sessionkeys.ts';
import type { KeyEntry } from './source.ts';
import type { JudgingRules, UsableCertificate } from './usable.ts';
import { WatchedDirectory } from './watched.ts';
import { WORDS } from './words.ts';

export const NO_HOLD = 'keys.hold is not set';

export interface SiteKeyOptions {
  /** Paths of key files. */
  readonly also: readonly string[];
  /** The path of a key file; '' for none. */
  readonly hold: string;
  readonly rules: JudgingRules;
  readonly world: Pick<World, 'now'>;
  /** Makes the calls to the file system; directly if left out. */
  readonly run?: Runner | undefined;
}

export interface SiteKeyFile {
  readonly setting: 'keys.also' | 'keys.hold';
  readonly path: string;
  readonly entry: KeyEntry;
}

/** All the keys of some files, or why not all of them can be used: then none is. */
export type SiteKeyChoice =
  | { readonly usable: readonly UsableCertificate[] }
  | { readonly reasons: readonly string[] };

export class SiteKeys {
  readonly #also: readonly SiteFile[];
  readonly #hold: readonly SiteFile[];
  readonly #rules: JudgingRules;

  constructor({ also, hold, rules, world, run = (_, call) => call() }: SiteKeyOptions) {
    const open = (path: string) => new SiteFile(path, world, run);
    this.#also = also.map(open);
    this.#hold = hold === '' ? [] : [open(hold)];
    this.#rules = { ...rules, subkeys: 'all' };
  }

  /** Returns what is in each file. */
  async list(): Promise<SiteKeyFile[]> {
    const files = [
      ...this.#also.map((file) => ['keys.also', file] as const),
      ...this.#hold.map((file) => ['keys.hold', file] as const),
    ];
    return Promise.all(
      files.map(async ([setting, file]) => ({ setting, path: file.path, entry: await file.read() })),
    );
  }

  /** Returns the keys of `keys.also`; there may be none. */
  also(now: Date): Promise<SiteKeyChoice> {
    return this.#choose('keys.also', this.#also, now);
  }

  /** Returns the keys of `keys.hold`. */
  async hold(now: Date): Promise<SiteKeyChoice> {
    if (this.#hold.length === 0) return { reasons: [NO_HOLD] };
    return this.#choose('keys.hold', this.#hold, now);
  }

  async #choose(setting: string, files: readonly SiteFile[], now: Date): Promise<SiteKeyChoice> {
    const { certificates, problems } = await merge(await Promise.all(files.map((file) => file.read())));
    const judged = await Promise.all(certificates.map((each) => judgeCertificate(each, now, this.#rules)));
    const usable = judged.filter((each) => 'keys' in each);
    const unfit = judged.flatMap((each) => ('reason' in each ? [each.reason] : []));
    const excess = excessOf(usable);
    const reasons = [...problems, ...unfit, ...(excess === undefined ? [] : [excess])];
    return reasons.length === 0 ? { usable } : { reasons: reasons.map((each) => `${setting}: ${each}`) };
  }
}

/** One file, wherever it is. */
class SiteFile {
  readonly path: string;
  readonly #calls: FileCalls;
  readonly #files: ParsedFiles;
  readonly #watched: WatchedDirectory<KeyEntry>;

  constructor(path: string, world: Pick<World, 'now'>, run: Runner) {
    const directory = dirname(path);
    this.path = path;
    this.#calls = new FileCalls(directory, run);
    this.#files = new ParsedFiles(directory, world, this.#calls, new LinkedCalls(run));
    this.#watched = new WatchedDirectory(directory);
  }

  async read(): Promise<KeyEntry> {
    try {
      return (await this.#find()) ?? this.#problem(WORDS.missing);
    } catch (error) {
      const isSilent = error instanceof SilentError;
      const { code } = error as NodeJS.ErrnoException;
      return this.#problem(WORDS.unreadable(isSilent ? 'its file system does not answer' : code));
    }
  }

  /** Nobody waits longer than it takes to know that the file system hangs. */
  async #find(): Promise<KeyEntry | undefined> {
    if (this.#calls.isSilent) throw new SilentError(this.path);
    const asked = this.#watched.get(this.path, () => this.#load());
    const found = await within(asked, SILENT_AFTER_MS);
    if (found === 'late') throw new SilentError(this.path);
    return found;
  }

  async #load(): Promise<KeyEntry | undefined> {
    const [file] = await this.#files.load([basename(this.path)]);
    return file;
  }

  #problem(what: string): KeyEntry {
    return { certificates: [], problems: [`${basename(this.path)} ${what}`] };
  }
}
