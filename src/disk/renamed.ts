/**
 * Makes renames durable where fsync of a directory does not: GlusterFS (10.3) answers it, and its bricks do
 * nothing; of what else is behind FUSE nobody knows. fsync of the renamed file reaches them, and the journal
 * of ext4 or xfs, once it is written up to that file, has its rename as well. The file is opened before its
 * rename: afterwards a mail program may give it another name at any time.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** statfs(2) of whatever is mounted through FUSE. */
const FUSE = 0x65735546;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

const fsync = promisify(fs.fsync);

/** The renames of one batch. */
export class Renames {
  readonly #files = new Map<string, number>();
  readonly #forgetful = new Map<string, boolean>();

  /** To be called before a rename. Throws as open(2) does. */
  begin(from: string, to: string): void {
    const directory = dirname(to);
    const isForgetful = this.#forgetful.get(directory) ?? forgetsRenames(directory);
    this.#forgetful.set(directory, isForgetful);
    if (isForgetful) this.#files.set(to, fs.openSync(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  }

  /** To be called if it has failed. */
  failed(to: string): void {
    for (const file of this.#taken([to])) fs.closeSync(file);
  }

  /** Syncs the files that have these names, after their directory. Throws as fsync(2) does. */
  sync(renamed: readonly string[], syncDirectory: () => void): void {
    const files = this.#taken(renamed);
    try {
      syncDirectory();
      for (const file of files) fs.fsyncSync(file);
    } finally {
      for (const file of files) fs.closeSync(file);
    }
  }

  /** Does the same for several at the same time, by libuv's threads. */
  async syncAtOnce(renamed: readonly string[], syncDirectory: () => Promise<void>): Promise<void> {
    const files = this.#taken(renamed);
    try {
      await syncDirectory();
      await Promise.all(files.map((file) => fsync(file)));
    } finally {
      for (const file of files) fs.closeSync(file);
    }
  }

  #taken(names: readonly string[]): number[] {
    return names.flatMap((name) => {
      const file = this.#files.get(name);
      this.#files.delete(name);
      return file === undefined ? [] : [file];
    });
  }
}

/** Tells whether fsync of a directory may come to nothing. Most are not even asked what they are on. */
function forgetsRenames(directory: string): boolean {
  const isOnBlockDevice = ((fs.statSync(directory).dev >>> 8) & 0xfff) !== 0; // its major number
  return !isOnBlockDevice && fs.statfsSync(directory).type === FUSE;
}
