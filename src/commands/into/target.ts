/**
 * The directory that messages are written to in clear. A file gets its name when it is whole and fsynced, and
 * nothing is overwritten. What is not whole is in one folder of its own, which the next run empties.
 */
import { link, lstat, mkdir, open, readdir, realpath, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { visiblePath } from '../../core/visible.ts';
import { tryLock } from '../../edge/lock.ts';
import { keyOf } from '../../maildir/messagename.ts';
import { CommandError } from '../errors.ts';
import { bytesOf, pathOf } from './names.ts';

/** No IMAP server takes it for a folder of the Maildir: those begin with a dot. */
const WORK = 'sealdir-open.tmp';
/** Times are set as numbers of seconds, which are not exact to the nanosecond. */
const SAME_MS = 1;

export interface Written {
  readonly folder: string;
  readonly name: string;
  readonly atimeMs: number;
  readonly mtimeMs: number;
}

export class Target {
  readonly path: string;
  readonly #lock: { release(): void };
  #count = 0;
  /** Keys of the messages in `new` and `cur` of each Maildir, with their paths. */
  readonly #mails = new Map<string, Map<string, string>>();

  private constructor(path: string, lock: { release(): void }) {
    this.path = path;
    this.#lock = lock;
  }

  /** Makes the directory if there is none. Throws CommandError. */
  static async open(argument: string): Promise<Target> {
    try {
      await mkdir(argument, { recursive: true, mode: 0o700 });
      const path = await realpath(pathOf(bytesOf(argument)), { encoding: 'latin1' });
      await directory(join(path, WORK));
      const lock = tryLock(join(await realpath(argument), WORK, 'lock'));
      if (lock === undefined)
        throw new CommandError('tempFail', `another sealdir open writes to ${visiblePath(path)}`);
      for (const name of await readdir(pathOf(path, WORK), { encoding: 'latin1' }))
        if (name !== 'lock') await unlink(pathOf(path, WORK, name));
      return new Target(path, lock);
    } catch (error) {
      throw notWritten(bytesOf(argument), error);
    }
  }

  async close(): Promise<void> {
    await rm(pathOf(this.path, WORK), { recursive: true, force: true });
    this.#lock.release();
  }

  async makeFolder(folder: string): Promise<void> {
    await directory(join(this.path, folder)).catch((error: unknown) => {
      throw notWritten(join(this.path, folder), error);
    });
  }

  /** Says whether a message or file is there from an earlier run, or something else under its name. */
  async find(file: Written, kind: 'mail' | 'file'): Promise<'missing' | 'there' | 'other'> {
    const path =
      kind === 'mail'
        ? (await this.#mailsOf(file.folder)).get(keyOf(file.name))
        : join(this.path, file.folder, file.name);
    const stats = path === undefined ? undefined : await lstat(pathOf(path)).catch(() => undefined);
    if (stats === undefined) return 'missing';
    return stats.isFile() && Math.abs(stats.mtimeMs - file.mtimeMs) < SAME_MS ? 'there' : 'other';
  }

  /**
   * Writes a file; false if there is one of that name. `named` says its name once it is whole, where that
   * depends on what is in it. Throws CommandError where that fails, or what `pieces` throws.
   */
  async put(file: Written, pieces: AsyncIterable<Uint8Array>, named = () => file.name): Promise<boolean> {
    this.#count += 1;
    const staged = pathOf(this.path, WORK, String(this.#count));
    let path = join(this.path, file.folder, file.name);
    try {
      const handle = await open(staged, 'wx', 0o600);
      try {
        for await (const piece of pieces) await handle.writeFile(piece);
        await handle.utimes(file.atimeMs / 1000, file.mtimeMs / 1000);
        await handle.sync();
      } finally {
        await handle.close();
      }
      path = join(this.path, file.folder, named());
      await link(staged, pathOf(path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error instanceof CommandError ? error : notWritten(path, error);
    } finally {
      await unlink(staged).catch(() => undefined);
    }
    this.#mails.get(maildirOf(file.folder))?.set(keyOf(named()), path);
    return true;
  }

  async #mailsOf(folder: string): Promise<Map<string, string>> {
    const maildir = maildirOf(folder);
    const known = this.#mails.get(maildir) ?? new Map<string, string>();
    if (this.#mails.has(maildir)) return known;
    for (const each of ['new', 'cur']) {
      const path = join(this.path, maildir, each);
      for (const name of await readdir(pathOf(path), { encoding: 'latin1' }).catch(() => []))
        known.set(keyOf(name), join(path, name));
    }
    this.#mails.set(maildir, known);
    return known;
  }
}

function maildirOf(folder: string): string {
  return join(folder, '..');
}

async function directory(path: string): Promise<void> {
  await mkdir(pathOf(path), { recursive: true, mode: 0o700 });
  if ((await stat(pathOf(path))).isDirectory() && !(await lstat(pathOf(path))).isSymbolicLink()) return;
  throw new CommandError('data', `${visiblePath(path)} is a link: nothing is written through it`);
}

function notWritten(path: string, error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  return new CommandError('tempFail', `cannot write ${visiblePath(path)}: ${(error as Error).message}`);
}
