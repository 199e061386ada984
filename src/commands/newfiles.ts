/**
 * Makes files that were not there: those of a new key, on the machine of its owner. All of them or none, and
 * never over one that is there.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CommandError } from './errors.ts';
import { whyNoFile } from './inputfile.ts';

export interface NewFile {
  readonly path: string;
  readonly content: string | Buffer;
  readonly mode: number;
}

/** Refuses files that could not be made, before anybody is asked for a passphrase. Throws CommandError. */
export async function refuseUnmakeable(directory: string, paths: readonly string[]): Promise<void> {
  refuseUnwritable(directory);
  for (const path of paths) await refuseTaken(path);
}

function refuseUnwritable(directory: string): void {
  const place = existsSync(directory) ? directory : dirname(directory);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    if (statSync(place).isDirectory()) return;
  } catch {
    // told below
  }
  throw new CommandError('data', `no file can be made in ${directory}: nothing was made`);
}

async function refuseTaken(path: string): Promise<void> {
  if ((await whyNoFile(path, 'key file')) === undefined)
    throw new CommandError('data', `${path} is there already: nothing was made`);
}

/**
 * Writes all files, in one directory, or none: first under hidden names, then each gets its own. In one turn
 * of the event loop, so that no signal comes between. Throws CommandError.
 */
export function writeAll(files: readonly NewFile[], tag: string): void {
  const made: string[] = [];
  try {
    const [{ path: first } = { path: '' }] = files;
    makeDirectory(dirname(first));
    const hidden = files.map((file, n) => ({
      ...file,
      temporary: join(dirname(file.path), `.sealdir-${tag}-${n}.tmp`),
    }));
    for (const { temporary, content, mode } of hidden) {
      made.push(temporary);
      const fd = openSync(temporary, 'wx', mode);
      try {
        writeFileSync(fd, content);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
    for (const { temporary, path } of hidden) {
      linkSync(temporary, path); // never over a file that is there
      made.push(path);
    }
    for (const { temporary } of hidden) unlinkSync(temporary);
    syncDirectory(dirname(first));
  } catch (error) {
    for (const path of made) removeQuietly(path);
    throw new CommandError(
      'data',
      `the key could not be written: ${(error as Error).message}; nothing was made`,
    );
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it was not made
  }
}
