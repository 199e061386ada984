/**
 * The only place that changes a file of the key directory: puts another in its place, or takes it away. The
 * bytes that were there are kept aside first, then the new ones are whole and fsynced under a hidden name
 * before they get their own. Whoever is to know of every change that Sealdir makes looks here: `Exchanged`
 * says which certificates were there and which are now.
 */
import { constants } from 'node:fs';
import { link, lstat, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { World } from '../core/world.ts';
import { KeyFileError } from './blocks.ts';
import { parseCertificates } from './certificates.ts';
import { WORDS } from './words.ts';

/** What is to become of one file. */
export interface Exchange {
  readonly directory: string;
  /** The name of the file in it. */
  readonly file: string;
  /** Whose key it is. */
  readonly address: string;
  /** What was there when the change was decided on; undefined if nothing was. */
  readonly expected: Buffer | undefined;
  /** What is to be there; undefined to remove the file. */
  readonly content: Buffer | undefined;
  /** The directory for what was there. It is made if it is missing. */
  readonly former: string;
}

/** What was done. Fingerprints in upper-case hex; none of a file that cannot be read as keys. */
export interface Exchanged {
  readonly address: string;
  readonly file: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Where the bytes are that were there before. */
  readonly kept: string | undefined;
}

/** The file is not any more what the change was decided on. Nothing was done. */
export class ChangedMeanwhileError extends Error {}

/** Names of files that are on their way to another name. One that is there under the lock was left over. */
const ON_ITS_WAY = /^\.sealdir-[0-9a-f]{16}\.tmp$/;
const LONGEST_STEM = 200;

/**
 * Exchanges one file. The caller holds the lock of the directory. Throws ChangedMeanwhileError, or what the
 * file system says; the file is then what it was.
 */
export async function exchangeKeyFile(
  exchange: Exchange,
  world: Pick<World, 'now' | 'random'>,
): Promise<Exchanged> {
  const { directory, file, address, expected, content, former } = exchange;
  const path = join(directory, file);
  await removeLeftOvers(directory);
  const present = await bytesAt(path);
  const isSame = present === undefined ? expected === undefined : expected?.equals(present);
  if (isSame !== true) throw new ChangedMeanwhileError(`${path} has changed meanwhile`);
  const kept = present && (await keepAside(former, file, present, world));
  if (content === undefined) await unlink(path);
  else await replace(path, content, world);
  await syncDirectory(directory);
  const [before, after] = await Promise.all([fingerprintsIn(present), fingerprintsIn(content)]);
  return { address, file, before, after, kept };
}

/** Returns the bytes of a file, or undefined if there is none. A link to nothing has none, but is there. */
export async function bytesAt(path: string): Promise<Buffer | undefined> {
  try {
    if (!(await stat(path)).isFile()) throw new Error(`${path} ${WORDS.notAFile}`);
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return (await isThere(path)) ? Buffer.alloc(0) : undefined;
  }
}

function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function fingerprintsIn(bytes: Buffer | undefined): Promise<string[]> {
  if (bytes === undefined) return [];
  const certificates = await parseCertificates(bytes).catch((error: unknown) => {
    if (error instanceof KeyFileError) return [];
    throw error;
  });
  return certificates.map(({ fingerprint }) => fingerprint);
}

async function replace(path: string, content: Buffer, world: Pick<World, 'random'>): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.sealdir-${world.random(8).toString('hex')}.tmp`);
  try {
    await writeWhole(temporary, content, 0o644, await ownerFor(directory));
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined); // it may not have been made
    throw error;
  }
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Returns the owner of a directory if this process may give files away. */
async function ownerFor(directory: string): Promise<Owner | undefined> {
  return process.getuid?.() === 0 ? stat(directory) : undefined;
}

async function writeWhole(path: string, bytes: Buffer, mode: number, owner?: Owner): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.chmod(mode); // whatever the umask is
    if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes `alice@example.com.20260131T120000Z.asc`. Returns its path. */
async function keepAside(
  former: string,
  file: string,
  bytes: Buffer,
  world: Pick<World, 'now' | 'random'>,
): Promise<string> {
  if ((await mkdir(former, { recursive: true, mode: 0o750 })) !== undefined) {
    const owner = await ownerFor(dirname(former));
    if (owner !== undefined) await open(former, constants.O_RDONLY).then((handle) => giveAway(handle, owner));
  }
  const stem = Buffer.from(basename(file).slice(0, -'.asc'.length)).subarray(0, LONGEST_STEM).toString();
  const time = new Date(world.now()).toISOString().replace(/[-:]|\.\d+/g, '');
  const temporary = join(former, `.sealdir-${world.random(8).toString('hex')}.tmp`);
  await writeWhole(temporary, bytes, 0o640, await ownerFor(former));
  try {
    for (let n = 0; ; n++) {
      const path = join(former, `${stem}.${time}${n === 0 ? '' : `-${n}`}.asc`);
      if (!(await isTaken(temporary, path))) {
        await syncDirectory(former);
        return path;
      }
    }
  } finally {
    await unlink(temporary);
  }
}

async function giveAway(handle: Awaited<ReturnType<typeof open>>, { uid, gid }: Owner): Promise<void> {
  try {
    await handle.chown(uid, gid);
  } finally {
    await handle.close();
  }
}

/** Gives a file a second name, unless there is one of that name. */
async function isTaken(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return true;
    throw error;
  }
}

async function removeLeftOvers(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (ON_ITS_WAY.test(name)) await unlink(join(directory, name)).catch(() => undefined); // not ours
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
