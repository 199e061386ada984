/** Faults that keep the server from starting, each a sentence that names the setting to look at. */
import { statSync } from 'node:fs';

/** Something the operator must mend before the server can run. */
export class StartError extends Error {}

/** Returns the error as a StartError. */
export function startError(error: unknown): StartError {
  return error instanceof StartError ? error : new StartError(messageOf(error), { cause: error });
}

/** Waits for `work`; if it fails, throws a StartError that begins with the setting to look at. */
export function blamingSetting<T>(setting: string, work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw new StartError(`${setting}: ${messageOf(error)}`, { cause: error });
  });
}

/**
 * Throws StartError unless `path` is a directory. It is never made by us: a missing one may be a disk that is
 * not mounted.
 */
export function mustBeDirectory(setting: string, path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new StartError(`${setting}: ${path} is no directory (make it, or mount what belongs there)`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
