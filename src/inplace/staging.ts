/**
 * The first half of sealing a message where it is: its sealed form, whole and verified, in tmp/. It is
 * fsynced together with others, which then share a commit of the journal. The message itself is only read.
 */
import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import type { World } from '../core/world.ts';
import { uniqueName } from '../maildir/filename.ts';
import { withSizes } from '../maildir/messagename.ts';
import type { Calls, ReadFile, Seen, WrittenFile } from './calls.ts';

/** What is done to messages. Given from outside: this room knows no keys. */
export interface Form {
  /** Yields the sealed form, with LF line ends. Throws if it cannot be sealed. `name`: of its file. */
  seal(message: AsyncIterable<Buffer>, name: string): AsyncIterable<Buffer>;
  /** Tells whether a message is an encrypted one, whole, and nothing else. */
  isSealed(message: AsyncIterable<Buffer>): Promise<boolean>;
  /**
   * Says why a message is left as it is; undefined: its new form takes its place. Throws if neither can be.
   * Left out: what is sealed is left.
   */
  whyLeft?(message: AsyncIterable<Buffer>): Promise<Left | undefined>;
}

export interface StagingParts {
  readonly calls: Calls;
  readonly world: World;
  readonly form: Form;
  /** Numbers the files of this process. */
  count(): number;
  /** Throws DiskFull if so many bytes more are not to be written. */
  checkRoom(bytes: number): Promise<void>;
  /** Seals nothing: tells what would be done. */
  readonly isTrial: boolean;
}

/** A message that is to be replaced. */
export interface Staged {
  /** `new` or `cur`, where it was seen. */
  readonly part: string;
  readonly name: string;
  readonly seen: Seen;
  /** Its sealed form in tmp/; undefined if it is sealed already, and only its name tells wrong sizes. */
  readonly path: string | undefined;
  /** Fsyncs and closes the sealed form. To be called once. */
  finish(): Promise<void>;
  readonly bytes: number;
  /** Its name, with the sizes that it will have. */
  readonly newName: string;
}

/** A message that is left, and why. */
export type Left = 'sealed already' | 'gone' | 'no file' | 'in clear' | 'for another key';

/** There is too little room left: nothing more is to be written anywhere. */
export class DiskFull extends Error {}

/** Throws if the message cannot be sealed; what was written is removed then. */
export async function stage(
  folder: string,
  part: string,
  name: string,
  parts: StagingParts,
): Promise<Staged | Left> {
  const { calls, form } = parts;
  const path = join(folder, part, name);
  const message = await calls.open(path);
  if (message === undefined) return (await calls.look(path)) === undefined ? 'gone' : 'no file';
  try {
    const counted = new Counted(message.pieces());
    const { seen } = message;
    if (seen.kind !== 'file') return 'no file';
    const why = await whyLeft(form, counted);
    if (why === 'sealed already') {
      const newName = withSizes(name, seen.bytes, counted.wireBytes);
      if (!tellsWrongSize(name, seen.bytes)) return why;
      return { part, name, seen, path: undefined, bytes: seen.bytes, newName, finish: done };
    }
    if (why !== undefined) return why;
    if (parts.isTrial) return { part, name, seen, path: undefined, bytes: 0, newName: name, finish: done };
    await parts.checkRoom(2 * seen.bytes);
    return await seal(folder, { part, name, message }, parts);
  } finally {
    await message.close();
  }
}

async function done(): Promise<void> {}

async function whyLeft(form: Form, message: AsyncIterable<Buffer>): Promise<Left | undefined> {
  if (form.whyLeft !== undefined) return form.whyLeft(message);
  return (await form.isSealed(message)) ? 'sealed already' : undefined;
}

interface Source {
  readonly part: string;
  readonly name: string;
  readonly message: ReadFile;
}

async function seal(folder: string, { part, name, message }: Source, parts: StagingParts): Promise<Staged> {
  const { calls, world, form } = parts;
  const { seen } = message;
  const path = join(folder, 'tmp', uniqueName(world, parts.count()));
  const file = await calls.create(path);
  try {
    const counted = new Counted(form.seal(message.pieces(), name));
    for await (const piece of gathered(counted)) await file.write(piece);
    await verify(file, counted, form);
    await file.giveTo(seen);
    // by the time of the last access, the sweep of tmp/ sees that somebody is at work
    await file.setTimes(seen.mtimeNs, world.now());
    const newName = withSizes(name, counted.bytes, counted.wireBytes);
    const finish = () => file.sync().finally(() => file.close());
    return { part, name, seen, path, bytes: counted.bytes, newName, finish };
  } catch (error) {
    await file.close().catch(() => undefined); // the first error is the one to tell
    await discard(path, calls);
    if (['ENOSPC', 'EDQUOT'].includes(errorName(error))) throw new DiskFull((error as Error).message);
    throw error;
  }
}

/** Removes a file from tmp/. Never throws: what cannot be removed is swept later. */
export async function discard(path: string, calls: Pick<Calls, 'unlink'>): Promise<void> {
  await calls.unlink(path).catch(() => undefined);
}

/** The file has to be what was sealed, and by its packets a whole encrypted message. */
async function verify(file: WrittenFile, written: Counted, form: Form): Promise<void> {
  const read = new Counted(file.pieces());
  const isSealed = await form.isSealed(read);
  if (!isSealed || read.digest() !== written.digest())
    throw new Error('the sealed form cannot be read back as it was written');
}

/** Passes bytes on, and knows then how many they were, and their hash. */
class Counted implements AsyncIterable<Buffer> {
  readonly #source: AsyncIterable<Buffer>;
  readonly #hash: Hash = createHash('sha256');
  #digest: string | undefined;
  bytes = 0;
  /** With CRLF at the end of each line. */
  wireBytes = 0;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    let last = 0;
    for await (const piece of this.#source) {
      this.#hash.update(piece);
      this.bytes += piece.length;
      this.wireBytes += piece.length;
      for (let at = piece.indexOf(0x0a); at !== -1; at = piece.indexOf(0x0a, at + 1))
        if ((at === 0 ? last : piece[at - 1]) !== 0x0d) this.wireBytes += 1;
      last = piece.at(-1) ?? last;
      yield piece;
    }
  }

  digest(): string {
    this.#digest ??= this.#hash.digest('hex');
    return this.#digest;
  }
}

const WRITE_BYTES = 256 * 1024;

/** Yields the same bytes in larger pieces. */
async function* gathered(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source) {
    held.push(piece);
    bytes += piece.length;
    if (bytes < WRITE_BYTES) continue;
    yield Buffer.concat(held);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held);
}

function tellsWrongSize(name: string, bytes: number): boolean {
  const [, told] = /,S=(\d+)/.exec(name) ?? [];
  return told !== undefined && Number(told) !== bytes;
}

/** EDQUOT has no name in libuv. */
function errorName(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException;
  return errno === -122 ? 'EDQUOT' : (code ?? '');
}
