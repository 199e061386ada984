/**
 * Watches folders by inotify, so many at most: what is put into others is found by the sweep. Those in which
 * something happened last are watched.
 */
import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { bytesOf } from '../inplace/calls.ts';

/** The kernel gives a user 8,192 watches at least, and a folder takes two. */
const MOST_FOLDERS = 2048;

export class Watches {
  readonly #changed: (folder: string, name: string | undefined) => void;
  readonly #most: number;
  /** In the order of what happened last. */
  readonly #watchers = new Map<string, FSWatcher[]>();

  /** `changed`: is told what has a new name in new/ or cur/ of a folder; undefined: something. */
  constructor(changed: (folder: string, name: string | undefined) => void, most = MOST_FOLDERS) {
    this.#changed = changed;
    this.#most = most;
  }

  has(folder: string): boolean {
    return this.#watchers.has(folder);
  }

  /**
   * `kind`: `active` if something happened there, so that it is watched in the place of another, if need be.
   * Returns the folder that is watched no more.
   */
  add(folder: string, kind: 'active' | 'idle'): string | undefined {
    const known = this.#watchers.get(folder);
    if (known !== undefined) {
      if (kind === 'active') {
        this.#watchers.delete(folder);
        this.#watchers.set(folder, known);
      }
      return undefined;
    }
    const isFull = this.#watchers.size >= this.#most;
    if (isFull && kind === 'idle') return undefined;
    const [oldest] = isFull ? this.#watchers.keys() : [];
    if (oldest !== undefined) this.#drop(oldest);
    try {
      this.#watchers.set(folder, []);
      for (const part of ['new', 'cur']) this.#watchers.get(folder)?.push(this.#watch(folder, part));
    } catch {
      this.#drop(folder); // it has gone, or there are no more watches
    }
    return oldest;
  }

  close(): void {
    for (const folder of [...this.#watchers.keys()]) this.#drop(folder);
  }

  #watch(folder: string, part: string): FSWatcher {
    const watcher = watch(bytesOf(join(folder, part)), { encoding: 'latin1' }, (event, name) => {
      if (event === 'rename') this.#changed(folder, name ?? undefined);
    });
    return watcher.on('error', () => this.#drop(folder));
  }

  #drop(folder: string): void {
    for (const watcher of this.#watchers.get(folder) ?? []) watcher.close();
    this.#watchers.delete(folder);
  }
}
