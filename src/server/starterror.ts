/** What must hold before the server can run, each failure a sentence that names the setting to look at. */
import { statSync } from 'node:fs';

/** Anything the operator must mend before the server can run. */
export class StartError extends Error {}

export function startError(error: unknown): StartError {
  return error instanceof StartError ? error : new StartError(messageOf(error), { cause: error });
}

/** Says which setting is to be looked at. */
export function blamingSetting<T>(setting: string, work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw new StartError(`${setting}: ${messageOf(error)}`, { cause: error });
  });
}

/** Never made by us: a missing one may be a disk that is not mounted. */
export function mustBeDirectory(setting: string, path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new StartError(`${setting}: ${path} is no directory (make it, or mount what belongs there)`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
