/**
 * A directory of wrapped files, one for each address. A file is exchanged whole: the new one is written under
 * a hidden name, fsynced, renamed over the old one, and the directory fsynced, all of it under the lock of
 * the directory. Nothing of an old file is kept: a slot that was revoked must not be found beside it.
 */
import { dirname, join } from 'node:path';
import { pathSegment } from '../core/address.ts';
import type { World } from '../core/world.ts';
import { type Calls, realCalls } from './calls.ts';
import {
  MOST_FILE_BYTES,
  parseWrappedFile,
  textOf,
  type WrappedFile,
  WrappedFileError,
} from './wrappedfile.ts';

/** Another process is changing a file of the directory. */
export class LockedError extends Error {}

const ON_ITS_WAY = /^\.sealdir-[0-9a-f]{16}\.tmp$/;

/** Where a file is, and whose it has to be. */
export interface Named {
  readonly path: string;
  /** Left out for a file that its owner has named in a way of their own. */
  readonly address?: string;
}

/** Returns where the wrapped file of an address is. */
export function placeOf(directory: string, address: string): Required<Named> {
  return { path: join(directory, pathSegment(address)), address };
}

/** Lists the names of the wrapped files in a directory: `pathSegment` makes none that begins with a dot. */
export async function namesIn(directory: string, calls: Calls = realCalls): Promise<string[]> {
  return (await calls.list(directory)).filter((name) => !name.startsWith('.')).sort();
}

/** Returns undefined if there is none. Throws WrappedFileError, or what the file system says. */
export async function readWrapped(place: Named, calls: Calls = realCalls): Promise<WrappedFile | undefined> {
  const bytes = await calls.read(place.path, MOST_FILE_BYTES);
  if (bytes === undefined) return undefined;
  try {
    if (bytes.length > MOST_FILE_BYTES) throw new WrappedFileError('is too large for a wrapped key');
    const file = parseWrappedFile(bytes.toString('utf8'));
    if (place.address !== undefined && file.address !== place.address)
      throw new WrappedFileError(`holds the key of ${file.address}`);
    return file;
  } catch (error) {
    if (!(error instanceof WrappedFileError)) throw error;
    throw new WrappedFileError(`${place.path} ${error.message}`);
  }
}

export interface ChangeParts {
  readonly world: Pick<World, 'random'>;
  readonly calls?: Calls;
  /** Is waited for when all is ready but the rename. Whatever it throws, the file is the old one. */
  ready?(): Promise<void>;
}

/**
 * Exchanges a wrapped file for the one that `work` makes of it, once that is durable. `work` runs under the
 * lock, and is given what is there then. Throws LockedError at once if another process has the lock. Whatever
 * it throws, the file is the old one or the new one.
 */
export async function changeWrapped(
  { path }: Named,
  work: () => Promise<WrappedFile>,
  { world, calls = realCalls, ready }: ChangeParts,
): Promise<WrappedFile> {
  const directory = dirname(path);
  const lock = calls.lock(directory);
  if (lock === undefined) throw new LockedError(`another command is changing ${directory}`);
  try {
    const next = await work();
    const text = textOf(next);
    parseWrappedFile(text); // throws before it is written what could not be read any more
    await removeLeftOvers(directory, calls);
    const temporary = join(directory, `.sealdir-${world.random(8).toString('hex')}.tmp`);
    await writeWhole(temporary, Buffer.from(text), calls);
    if (ready !== undefined)
      await ready().catch(async (error: unknown) => {
        await calls.unlink(temporary).catch(() => undefined); // removed by the next change
        throw error;
      });
    await calls.rename(temporary, path);
    await calls.syncDirectory(directory);
    return next;
  } finally {
    lock.release();
  }
}

async function writeWhole(path: string, bytes: Buffer, calls: Calls): Promise<void> {
  const file = await calls.create(path);
  try {
    await file.write(bytes);
    // a file that root makes is for the user of the directory
    const owner = process.geteuid?.() === 0 ? await calls.ownerOf(dirname(path)) : undefined;
    if (owner !== undefined) await file.chown(owner.uid, owner.gid);
    await file.sync();
  } catch (error) {
    await calls.unlink(path).catch(() => undefined); // told by the first failure
    throw error;
  } finally {
    await file.close();
  }
}

/** Removes what a process left that was killed. It is under the lock, so nobody is writing it. */
async function removeLeftOvers(directory: string, calls: Calls): Promise<void> {
  for (const name of await calls.list(directory))
    if (ON_ITS_WAY.test(name)) await calls.unlink(join(directory, name));
}
