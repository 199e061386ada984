/**
 * fs-ext, the one package that is compiled: for one version of Node, at installation. Where it does not fit,
 * Node's own words are a page of dlopen; here they are a sentence for the operator.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

/** CommonJS without types; the functions we use. Other commands than its own names are given as numbers. */
interface FsExt {
  flockSync(fd: number, flags: 'exnb'): void;
  fcntlSync(fd: number, command: number, argument: number): number;
  /** With F_SETLK, the lock is for the whole file. */
  fcntl(fd: number, command: number, argument: number, done: (error: Error | null) => void): void;
}

export const { flockSync, fcntlSync, fcntl } = load();

function load(): FsExt {
  try {
    return createRequire(import.meta.url)('fs-ext') as FsExt;
  } catch (error) {
    const directory = resolve(import.meta.dirname, '../../..');
    const what = `fs-ext is not built for Node ${process.version}: run "npm rebuild fs-ext" in ${directory}`;
    throw new Error(what, { cause: error });
  }
}
