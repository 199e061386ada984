// Builds and runs barefiles.c, which shows what a disk can do with the files of a delivery. This needs a C
// compiler, as `npm ci` does.

import { join } from 'node:path';
import { hasProgram } from '../test/support/peers.ts';
import { run } from '../test/support/process.ts';
import { repositoryRoot } from '../test/support/shared.ts';
import type { Bed } from './bed.ts';

/** The files are as large as messages of this size are when Sealdir has sealed them. */
export const BARE_MESSAGE_BYTES = 10_000;
const BYTES = 14_000;
const SOURCE = join(repositoryRoot(), 'bench/barefiles.c');

export type Way = 'threads' | 'batches' | 'serving';

export interface BareReport {
  readonly perSecond: number;
  /** Milliseconds from the creation of a file to the fsync of its directory. */
  readonly p50: number;
  readonly p99: number;
}

/** Runs in a fresh `directory`, with `atOnce` files under way, in one of the ways of barefiles.c. */
export type BareFiles = (
  way: Way,
  atOnce: number,
  load: { readonly directory: string; readonly mailboxes: number; readonly seconds: number },
) => Promise<BareReport>;

/** Undefined where there is no compiler. */
export async function buildBareFiles(bed: Bed): Promise<BareFiles | undefined> {
  if (!hasProgram('cc')) return undefined;
  const program = join(await bed.directory('bare'), 'barefiles');
  await output('cc', ['-O2', '-pthread', '-o', program, SOURCE]);
  return async (way, atOnce, { directory, mailboxes, seconds }) => {
    const args = [way, atOnce, seconds, directory, mailboxes, BYTES].map(String);
    return JSON.parse(await output(program, args)) as BareReport;
  };
}

async function output(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program}: exit ${code}: ${stderr}`);
  return stdout.toString();
}
