/** The two jobs of `Disk`, call by call. */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { OpenFile, SingleCalls } from './disk.ts';

/** See `Disk.writeWhole`. */
export async function writeWholeInSteps(
  calls: SingleCalls,
  path: string,
  mode: number,
  pieces: readonly Buffer[],
): Promise<number> {
  const file = await calls.create(path, mode);
  try {
    const fsyncMs = await fill(file, pieces);
    await file.close();
    return fsyncMs;
  } catch (error) {
    await calls.unlink(path).catch(() => {}); // the first error is the one to tell; what stays is swept
    throw error;
  }
}

async function fill(file: OpenFile, pieces: readonly Buffer[]): Promise<number> {
  try {
    await writeAll(file, pieces);
    const start = performance.now();
    await file.sync();
    return performance.now() - start;
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

/** A write may be short; the rest is written again, and an error then says why it was. */
export async function writeAll(file: OpenFile, pieces: readonly Buffer[]): Promise<void> {
  let rest = [...pieces];
  while (rest.length > 0) {
    let written = await file.writev(rest);
    if (written === 0) throw new Error('write made no progress');
    while (written > 0 && rest[0] !== undefined && written >= rest[0].length) {
      written -= rest[0].length;
      rest = rest.slice(1);
    }
    const [first, ...others] = rest;
    if (first !== undefined && written > 0) rest = [first.subarray(written), ...others];
  }
}

/** See `Disk.renameAndSync`. */
export async function renameAndSyncInSteps(calls: SingleCalls, from: string, to: string): Promise<void> {
  await calls.rename(from, to);
  try {
    await calls.syncDirectory(dirname(to));
  } catch (error) {
    await calls.unlink(to).catch(() => {});
    throw error;
  }
}
