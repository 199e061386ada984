/**
 * Opens the files that a command is given by name. What is no file is refused in plain words, before a read
 * of it could wait for ever.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { getSystemErrorMap } from 'node:util';
import { CommandError } from './errors.ts';

export interface Wanted {
  /** What the file is, in words: `key file`. */
  readonly what: string;
  /** The most bytes that are read. */
  readonly most: number;
  /** Says that there are more, after the name of the file. */
  readonly tooLarge?: string;
}

/** Bytes of a key file: a key ring may have all the keys of an office. */
export const MOST_KEYS = 16 * 1024 * 1024;

/** Names of descriptors that the shell has opened, as in `-k <(gpg --export ADDRESS)`: they have a writer. */
const INHERITED = /^\/(?:dev\/stdin|(?:dev|proc\/self)\/fd\/(\d+))$/;

/** Returns all bytes of a file. Throws CommandError. */
export async function readInput(path: string, { what, most, tooLarge }: Wanted): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of await openInput(path, what)) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > most) throw new CommandError('data', `${path} ${tooLarge ?? `is too large for a ${what}`}`);
  }
  return Buffer.concat(pieces);
}

/** Opens a file to be read in pieces. Throws CommandError, here or while it is read. */
export async function openInput(path: string, what: string): Promise<AsyncIterable<Buffer>> {
  const why = await whyNoFile(path, what);
  if (why !== undefined) throw noInput(path, why);
  return piecesOf(path);
}

async function* piecesOf(path: string): AsyncGenerator<Buffer> {
  const [inherited, fd = 0] = INHERITED.exec(path) ?? [];
  try {
    // a socket cannot be opened by its name, but it can be read
    yield* inherited ? createReadStream('', { fd: Number(fd) }) : createReadStream(path);
  } catch (error) {
    throw noInput(path, whyUnreadable(error));
  }
}

/** What can be read from its beginning as often as it takes. */
export interface Rereadable {
  read(): AsyncIterable<Buffer>;
}

/** A message in a file, or one that comes once. */
export type Message = AsyncIterable<Buffer> | Rereadable;

export function isRereadable(message: Message): message is Rereadable {
  return !(Symbol.asyncIterator in message);
}

/**
 * Opens a file for `use`: as one that can be read twice, whatever its name is by then, or once if it has been
 * opened by the shell. Throws CommandError, here or while it is read.
 */
export async function withMessage<T>(path: string, use: (message: Message) => Promise<T>): Promise<T> {
  const once = await openInput(path, 'message');
  if (INHERITED.test(path)) return use(once);
  const handle = await open(path).catch((error: unknown) => {
    throw noInput(path, whyUnreadable(error));
  });
  try {
    return await use({ read: () => piecesIn(handle, path) });
  } finally {
    await handle.close();
  }
}

const PIECE_BYTES = 64 * 1024;

/**
 * Yields all bytes of an open file, each piece in the memory of the one before. Throws CommandError, with
 * `path` in it.
 */
export async function* piecesIn(handle: FileHandle, path?: string): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, PIECE_BYTES, at).catch((error: Error) => {
      if (path !== undefined) throw noInput(path, whyUnreadable(error));
      throw new CommandError('noInput', error.message);
    });
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function noInput(path: string, why: string): CommandError {
  return new CommandError('noInput', `${path === '' ? '""' : path} ${why}`);
}

/** Says why there is no file of that name, or returns undefined if there is one. */
export async function whyNoFile(path: string, what: string): Promise<string | undefined> {
  if (path === '') return `is no name of a ${what}`;
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return `is a directory, not a ${what}`;
    if (stats.isBlockDevice()) return `is a disk, not a ${what}`;
    if (INHERITED.test(path)) return undefined;
    if (stats.isFIFO()) return `is a named pipe, not a ${what}`;
    return stats.isSocket() ? `is a socket, not a ${what}` : undefined;
  } catch (error) {
    return whyUnreadable(error);
  }
}

function whyUnreadable(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return `cannot be read: ${getSystemErrorMap().get(errno ?? 0)?.[1] ?? message}`;
}
