/**
 * The directory of what is remembered about keys: made if only its last part is missing, and taken if nobody
 * else may write to it.
 */
import { mkdirSync, statSync } from 'node:fs';

const OTHERS_MAY_WRITE = 0o022;

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
