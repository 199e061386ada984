/**
 * What was found for each address of a directory in the last minutes: while the directory hangs, that is
 * used, and nobody waits who need not (D5b).
 */
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import { type FileCalls, SILENT_AFTER_MS, SilentError } from './calls.ts';
import { FileCache, type ParsedFile } from './filecache.ts';
import type { KeyFile } from './parsedfiles.ts';
import type { KeyEntry } from './source.ts';

/** While the directory hangs, keys that were found this recently are used. */
const KNOWN_MS = 5 * 60_000;
const TELL_MS = 1000;

type Known = ParsedFile & { readonly entry: KeyEntry; readonly at: number };

export class LastFound {
  readonly #directory: string;
  readonly #calls: FileCalls;
  readonly #world: Pick<World, 'now'>;
  readonly #known = new FileCache<Known>();
  readonly #onSilence: (message: string) => void;
  #toldAt = 0;

  /** `calls`: those that `ask` makes. `onSilence`: is told, at most once a second, that it hangs. */
  constructor(
    directory: string,
    calls: FileCalls,
    world: Pick<World, 'now'>,
    onSilence: (message: string) => void,
  ) {
    this.#directory = directory;
    this.#calls = calls;
    this.#world = world;
    this.#onSilence = onSilence;
  }

  /** Returns what `ask` does, or what was found before if the directory hangs. Throws where nothing was. */
  async find(address: string, ask: () => Promise<KeyEntry | undefined>): Promise<KeyEntry | undefined> {
    if (this.#calls.isSilent) {
      const known = this.#knownEntry(address);
      // nobody else begins to wait: those that wait already are enough to find out when it answers again
      if (known === undefined) throw new SilentError(this.#directory);
      return known;
    }
    const asked = ask();
    const found = await within(asked, SILENT_AFTER_MS).catch((error: unknown) => {
      const known = error instanceof SilentError ? this.#knownEntry(address) : undefined;
      if (known === undefined) throw error;
      return known;
    });
    return found === 'late' ? (this.#knownEntry(address) ?? asked) : found;
  }

  remember(address: string, files: readonly KeyFile[], entry: KeyEntry): void {
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    this.#known.set(address, { identity: '', bytes, entry, at: this.#world.now() });
  }

  forget(address: string): void {
    this.#known.delete(address);
  }

  #knownEntry(address: string): KeyEntry | undefined {
    const now = this.#world.now();
    const known = this.#known.get(address, '');
    if (known === undefined || now - known.at > KNOWN_MS) return undefined;
    if (now - this.#toldAt >= TELL_MS) {
      this.#toldAt = now;
      this.#onSilence(`${this.#directory} does not answer: keys that were read before are used`);
    }
    return known.entry;
  }
}
