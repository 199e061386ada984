/**
 * The directory of what is remembered about keys: made if only its last part is missing, and taken if nobody
 * else may write to it.
 */
import { mkdirSync, statSync } from 'node:fs';
import { Copies } from './copies.ts';
import { StateFiles } from './files.ts';
import { KeyLog, type KeyLogParts } from './keylog.ts';

const OTHERS_MAY_WRITE = 0o022;

/**
 * Opens the log and the copies for a command that changes keys. Throws, with a sentence, if they cannot be
 * used. The directory has to be there: whom it is to belong to, a command that root runs cannot know.
 */
export function openKeyLog(
  directory: string,
  parts: Omit<KeyLogParts, 'files'>,
): { readonly log: KeyLog; readonly copies: Copies; readonly files: StateFiles } {
  if (statSync(directory, { throwIfNoEntry: false }) === undefined)
    throw new Error(
      `${directory} does not exist: start the server once, or make it (install -d -m 700 -o sealdir ${directory})`,
    );
  const whyNot = whyUnfit(directory);
  if (whyNot !== undefined) throw new Error(whyNot);
  const files = new StateFiles(directory);
  return { log: new KeyLog({ ...parts, files }), copies: new Copies(files), files };
}

/** Throws, with a sentence for the operator, if it cannot be used. */
export function openKeyState(directory: string): void {
  try {
    mkdirSync(directory, 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const whyNot = whyUnfit(directory);
  if (whyNot !== undefined) throw new Error(whyNot);
}

/** Returns a sentence about why a directory that is there cannot be used; undefined if it can. */
export function whyUnfit(directory: string): string | undefined {
  const { uid, mode, isDirectory } = described(directory);
  const own = process.geteuid?.();
  if (!isDirectory) return `${directory} is no directory`;
  if ((mode & OTHERS_MAY_WRITE) !== 0) return `${directory} can be written by others`;
  return uid === own || uid === 0 || own === 0 ? undefined : `${directory} belongs to another user`;
}

function described(directory: string) {
  const stats = statSync(directory);
  return { uid: stats.uid, mode: stats.mode, isDirectory: stats.isDirectory() };
}
