/**
 * Looks after the folders that are to be sealed: what inotify tells of is looked at two seconds later, and a
 * slow sweep of all mailboxes finds what it did not tell. Nothing here is lost with the process: a folder
 * that has changed since the time that the mark remembers is looked at again.
 */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { folderDirectory } from '../core/foldername.ts';
import { bytesOf, latin1Path } from '../inplace/calls.ts';
import { splitTemplate } from '../maildir/template.ts';
import { pathsOf } from '../site.ts';
import { isMaildir } from '../stored/folders.ts';
import { below } from '../stored/mailboxes.ts';
import { Due, type Place, type Waiting } from './due.ts';
import type { GuardParts } from './parts.ts';
import { FolderSealer } from './sealer.ts';
import { wantedOf } from './wanted.ts';
import { Watches } from './watches.ts';

/** A client may not be done yet. */
const GATHER_MS = 2000;
const SWEEP_EVERY_MS = 5 * 60_000;
/** A sweep rests so long after so many mailboxes. */
const REST_MS = 100;
const MAILBOXES = 50;
/** Clocks of file servers differ. */
const MARGIN_MS = 5 * 60_000;
/** What was left is looked at again then: there may be a key. */
const AGAIN_MS = 30 * 60_000;

export class Guard {
  readonly #parts: GuardParts;
  readonly #due = new Due();
  readonly #places = new Map<string, Place>(); // of those that are watched
  readonly #watches: Watches;
  readonly #sealer: FolderSealer;
  #sinceMs: number;
  #wake: () => void = () => {};

  constructor(parts: GuardParts) {
    this.#parts = parts;
    this.#sealer = new FolderSealer(parts);
    this.#watches = new Watches((folder, name) => this.#changed(folder, name));
    this.#sinceMs = parts.mark.read();
  }

  /** Resolves when it is told to end. */
  async run(): Promise<void> {
    const { world, ended } = this.#parts;
    ended.addEventListener('abort', () => this.#wake());
    let sweepAt = world.now();
    while (!ended.aborted) {
      await this.#sealDue();
      if (sweepAt <= world.now() && !ended.aborted) {
        await this.#sweep();
        sweepAt = world.now() + SWEEP_EVERY_MS;
      }
      await this.#until(Math.min(sweepAt, this.#due.earliest));
    }
    this.#watches.close();
  }

  #changed(path: string, name: string | undefined): void {
    const place = this.#places.get(path);
    if (place === undefined) return;
    const now = this.#parts.world.now();
    const names = name === undefined ? undefined : new Set([name]);
    this.#due.add({ place, names, sinceMs: now - MARGIN_MS, dueAt: now + GATHER_MS });
    this.#wake();
  }

  async #until(atMs: number): Promise<void> {
    const { world, ended } = this.#parts;
    const ms = Math.max(0, atMs - world.now());
    if (ms === 0 || ended.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #sealDue(): Promise<void> {
    const { world, ended } = this.#parts;
    for (const waiting of this.#due.take(world.now())) {
      if (ended.aborted) return;
      await this.#sealOne(waiting);
    }
  }

  async #sealOne(waiting: Waiting): Promise<void> {
    const { world, settings } = this.#parts;
    const { place } = waiting;
    try {
      const wanted = await wantedOf(waiting, world.now(), settings.store.seal_drafts_after);
      if (wanted.later.size > 0) this.#due.add({ ...waiting, names: wanted.later, dueAt: wanted.laterAt });
      if (wanted.now.size === 0 || (await this.#sealer.seal(place, wanted.now))) return;
    } catch (error) {
      if (this.#parts.ended.aborted) return;
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return; // it has gone
      this.#parts.say('error', 'store.seal_folders', { error: (error as Error).message });
    }
    this.#due.add({ ...waiting, dueAt: world.now() + AGAIN_MS });
  }

  async #sweep(): Promise<void> {
    const { settings, world, say, mark, ended } = this.#parts;
    const startedAt = world.now();
    this.#due.isOverfull = false;
    const { root, segments } = splitTemplate(pathsOf(settings).maildir);
    let mailboxes = 0;
    try {
      for await (const { path, address } of below(root, segments, {})) {
        await this.#look(path, address);
        mailboxes += 1;
        if (mailboxes % MAILBOXES === 0) await this.#until(world.now() + REST_MS);
        await this.#sealDue();
        if (ended.aborted) return;
      }
    } catch (error) {
      say('error', 'store.seal_folders', { error: (error as Error).message });
      return;
    }
    if (!this.#due.isOverfull) this.#sinceMs = startedAt - MARGIN_MS;
    mark.write(Math.max(0, Math.min(this.#sinceMs, this.#due.sinceMs)));
  }

  async #look(mailbox: string, address: string): Promise<void> {
    const { store, folders } = this.#parts.settings;
    for (const name of store.seal_folders) {
      const directory = folderDirectory(name, folders.encoding);
      const path = join(latin1Path(mailbox), latin1Path(directory)).replace(/\/\.?$/, '');
      if (!this.#watches.has(path) && !(await isMaildir(path))) continue;
      const place = { address, mailbox, name, directory, path };
      this.#watch(place, 'idle'); // before the look, so that nothing comes between
      const hasChanged =
        (await changeOf(join(path, 'new'))) >= this.#sinceMs ||
        (await changeOf(join(path, 'cur'))) >= this.#sinceMs;
      if (hasChanged && this.#sinceMs > 0) this.#watch(place, 'active');
      const now = this.#parts.world.now();
      if (hasChanged) this.#due.add({ place, names: undefined, sinceMs: this.#sinceMs, dueAt: now });
    }
  }

  #watch(place: Place, kind: 'active' | 'idle'): void {
    const gone = this.#watches.add(place.path, kind);
    if (gone !== undefined) this.#places.delete(gone);
    if (this.#watches.has(place.path)) this.#places.set(place.path, place);
  }
}

/** Returns when something in a directory got a name or lost one; -1 if there is none. */
async function changeOf(path: string): Promise<number> {
  return lstat(bytesOf(path)).then(
    (stats) => (stats.isDirectory() ? stats.mtimeMs : -1),
    () => -1,
  );
}
