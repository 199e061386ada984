/**
 * The state directory of a server: made if it is missing, checked, and locked for as long as the server runs,
 * so that no server takes the deliveries of another one for its own. The workers of one server share it.
 *
 * All calls on its files are synchronous and would stop the process if the file system hung. So only file
 * systems are taken that wait neither for a network nor for another process.
 */
import { closeSync, constants, lstatSync } from 'node:fs';
import { mkdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import { openOwn } from './ownfile.ts';
import { makeSecret, readSecret } from './secret.ts';

/** How long the directory may take to answer at the start. */
const ANSWER_MS = 5000;
const OTHERS_MAY_WRITE = 0o002;

/** f_type of statfs(2). */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
  0xca451a4e, // bcachefs
  0x794c7630, // overlayfs, in containers
  0x3153464a, // jfs
  0x52654973, // reiserfs
]);

export interface StateOptions {
  /** Takes an exclusive flock(2) without waiting; false if another process has it. */
  readonly lock: (fd: number) => boolean;
  readonly world: Pick<World, 'random'>;
}

export interface OwnedDirectory {
  /** Lets another server have it. */
  release(): void;
}

/** Makes the directory ours. Throws, with a sentence for the operator, if it is another server's or unfit. */
export async function ownStateDirectory(directory: string, options: StateOptions): Promise<OwnedDirectory> {
  let isLate = false;
  const owning = own(directory, options);
  owning.then(
    (owned) => {
      if (isLate) owned.release();
    },
    () => {},
  );
  const owned = await within(owning, ANSWER_MS);
  if (owned !== 'late') return owned;
  isLate = true;
  throw new Error(`${directory} does not answer`);
}

async function own(directory: string, { lock, world }: StateOptions): Promise<OwnedDirectory> {
  await mkdir(directory, 0o700).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await mustBeFit(directory);
  const fd = openOwn(join(directory, 'lock'), constants.O_RDWR | constants.O_CREAT);
  try {
    if (!lock(fd))
      throw new Error(`${directory} is in use by another server (give each its own store.state)`);
    makeSecret(directory, world);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  let isOpen = true;
  return {
    release() {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}

/**
 * Returns a sentence about what keeps a directory that is there from being ours; undefined if nothing does.
 */
export async function whyUnfit(directory: string): Promise<string | undefined> {
  try {
    await mustBeFit(directory);
    for (const [name, look] of [
      ['lock', () => closeSync(openOwn(join(directory, 'lock'), constants.O_RDWR))],
      ['secret', () => readSecret(directory)],
    ] as const)
      if (existsAt(join(directory, name))) look();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function existsAt(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

async function mustBeFit(directory: string): Promise<void> {
  const { type } = await statfs(directory);
  if (!LOCAL_FILE_SYSTEMS.has(type >>> 0))
    throw new Error(
      `${directory} is on a file system of type 0x${type.toString(16)}, which may hang (put it into /run)`,
    );
  const stats = await stat(directory);
  if (!stats.isDirectory()) throw new Error(`${directory} is no directory`);
  if ((stats.mode & OTHERS_MAY_WRITE) !== 0) throw new Error(`${directory} can be written by everybody`);
  if (stats.uid !== process.geteuid?.() && stats.uid !== 0)
    throw new Error(`${directory} belongs to another user`);
}
