/**
 * The port to the disk for messages that are replaced where they are: every call that changes something, one
 * method each, so that a test can count the calls, fail them, or stop at one. A path has one character for
 * each byte (latin1), since names of messages need not be UTF-8.
 */
import * as fs from 'node:fs';
import { type FileHandle, link, open, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type LockedFile, openLocked } from './lockedfile.ts';

/** What is at a path; a link is not followed. */
export interface Seen {
  readonly kind: 'file' | 'directory' | 'other';
  /** Device and inode. */
  readonly id: string;
  readonly bytes: number;
  readonly mtimeNs: bigint;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ReadFile {
  readonly seen: Seen;
  /** Yields all bytes from the beginning, each time it is called. */
  pieces(): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

export interface WrittenFile {
  readonly id: string;
  write(bytes: Buffer): Promise<void>;
  /** Yields what was written. */
  pieces(): AsyncGenerator<Buffer>;
  /** Gives it the owner and the permissions of another file. */
  giveTo(other: Seen): Promise<void>;
  /** Sets the times of the last change and the last access. */
  setTimes(mtimeNs: bigint, atimeMs: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Calls {
  list(directory: string): Promise<string[]>;
  /** Undefined if there is nothing. */
  look(path: string): Promise<Seen | undefined>;
  /** Undefined if there is nothing, or a link. */
  open(path: string): Promise<ReadFile | undefined>;
  /** Returns a whole file; undefined if there is none. */
  content(path: string): Promise<Buffer | undefined>;
  /** O_CREAT|O_EXCL: fails with EEXIST where something has that name. */
  create(path: string): Promise<WrittenFile>;
  /**
   * Renames `from` over `to`, if what is there is still what was seen; else nothing happens. One call comes
   * right after the other, with nothing of ours between them.
   */
  replace(from: string, to: string, seen: Seen): 'done' | 'changed';
  /** Renames at once, if nothing has the new name. */
  rename(from: string, to: string): 'done' | 'taken';
  /** Renames, whatever has the new name. */
  renameOver(from: string, to: string): void;
  /** Gives a file a second name. Fails with EEXIST where something has it. */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Opens a file that others write to as well, under its lock. Undefined if there is nothing. */
  openLocked(path: string): Promise<LockedFile | undefined>;
  /** Tells how many bytes are left for us on the file system of a path. */
  free(path: string): Promise<number>;
}

const PIECE = 256 * 1024;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = fs.constants;
/** A link is not followed, and a named pipe not waited for. */
const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

export const realCalls: Calls = {
  list: (directory) => readdir(bytesOf(directory), { encoding: 'latin1' }),
  look: (path) => Promise.resolve(lookNow(path)),
  async open(path) {
    const handle = await unlessMissing(open(bytesOf(path), READ), 'ELOOP');
    return handle && readFileOf(handle);
  },
  content: (path) => unlessMissing(readFile(bytesOf(path), { flag: READ as never })),
  async create(path) {
    const handle = await open(bytesOf(path), 'wx+', 0o600);
    const own = seenOf(await handle.stat({ bigint: true }));
    let written = 0;
    return {
      id: own.id,
      async write(bytes) {
        await handle.writeFile(bytes);
        written += bytes.length;
      },
      pieces: () => piecesOf(handle, written),
      async giveTo(other) {
        if (own.uid !== other.uid || own.gid !== other.gid) await handle.chown(other.uid, other.gid);
        if (own.mode !== other.mode) await handle.chmod(other.mode);
      },
      // cut to microseconds, which is what libuv passes on: a number of seconds has room for no more, and
      // half of one is added since it may be a little less than what was meant
      setTimes: (mtimeNs, atimeMs) => handle.utimes(atimeMs / 1000, (Number(mtimeNs / 1000n) + 0.5) / 1e6),
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  replace(from, to, seen) {
    const now = lookNow(to);
    if (now === undefined || !isSame(now, seen)) return 'changed';
    fs.renameSync(bytesOf(from), bytesOf(to));
    return 'done';
  },
  rename(from, to) {
    if (lookNow(to) !== undefined) return 'taken';
    fs.renameSync(bytesOf(from), bytesOf(to));
    return 'done';
  },
  renameOver: (from, to) => fs.renameSync(bytesOf(from), bytesOf(to)),
  link: (from, to) => link(bytesOf(from), bytesOf(to)),
  unlink: (path) => unlink(bytesOf(path)),
  async syncDirectory(path) {
    const handle = await open(bytesOf(path), O_RDONLY | O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  openLocked: (path) => openLocked(bytesOf(path)),
  async free(path) {
    const { bavail, bsize } = await fs.promises.statfs(bytesOf(path));
    return bavail * bsize;
  },
};

/** Tells whether a file is the one that was seen, with the same content. */
export function isSame(now: Seen, seen: Seen): boolean {
  return now.id === seen.id && now.bytes === seen.bytes && now.mtimeNs === seen.mtimeNs;
}

/** Returns a path of bytes. */
export function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** Returns a path of ours, with one character for each byte. */
export function latin1Path(...names: readonly string[]): string {
  return Buffer.from(join(...names)).toString('latin1');
}

function lookNow(path: string): Seen | undefined {
  const stats = fs.lstatSync(bytesOf(path), { bigint: true, throwIfNoEntry: false });
  return stats && seenOf(stats);
}

function seenOf(stats: fs.BigIntStats): Seen {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
  const { dev, ino, size, mtimeNs, mode, uid, gid } = stats;
  const numbers = { bytes: Number(size), mode: Number(mode) & 0o7777, uid: Number(uid), gid: Number(gid) };
  return { kind, id: `${dev}:${ino}`, mtimeNs, ...numbers };
}

async function readFileOf(handle: FileHandle): Promise<ReadFile> {
  try {
    const seen = seenOf(await handle.stat({ bigint: true }));
    return { seen, pieces: () => piecesOf(handle, seen.bytes), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Yields so many bytes, or those that there are. */
async function* piecesOf(handle: FileHandle, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes; ) {
    const length = Math.min(PIECE, bytes - at);
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

async function unlessMissing<T>(answer: Promise<T>, or = 'ENOENT'): Promise<T | undefined> {
  return answer.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === or) return undefined;
    throw error;
  });
}
