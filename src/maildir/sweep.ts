/**
 * Removes what crashes left in tmp/: files neither read nor written for 36 hours (maildir(5)).
 * Never looks into new/ or cur/, never follows a link, goes on past what it cannot read.
 */
import { lstat, opendir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { splitTemplate } from './template.ts';

const STALE_MS = 36 * 60 * 60 * 1000;

export interface SweepResult {
  readonly removed: number;
  readonly failed: number;
}

/** Sweeps the tmp/ of every mailbox under the template. `nowMs`: milliseconds since the epoch. */
export async function sweep(template: string, nowMs: number): Promise<SweepResult> {
  const { root, segments } = splitTemplate(template);
  let removed = 0;
  let failed = 0;
  for await (const mailbox of mailboxes(root, segments)) {
    const tmp = join(mailbox, 'tmp');
    if (!(await isDirectory(tmp))) continue;
    for await (const name of namesIn(tmp)) {
      const path = join(tmp, name);
      try {
        const stats = await lstat(path);
        if (!stats.isFile() || nowMs - Math.max(stats.mtimeMs, stats.atimeMs) < STALE_MS) continue;
        await unlink(path);
        removed++;
      } catch {
        failed++; // counted and logged by the caller; the next sweep tries again
      }
    }
  }
  return { removed, failed };
}

async function* mailboxes(directory: string, segments: readonly string[]): AsyncGenerator<string> {
  const [segment, ...rest] = segments;
  if (segment === undefined) {
    yield directory;
    return;
  }
  for await (const name of segment.includes('{') ? namesIn(directory) : [segment]) {
    const path = join(directory, name);
    if (await isDirectory(path)) yield* mailboxes(path, rest);
  }
}

/** False for a link to one, and for what is gone or not ours to look at. */
async function isDirectory(path: string): Promise<boolean> {
  return lstat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

async function* namesIn(directory: string): AsyncGenerator<string> {
  try {
    for await (const entry of await opendir(directory)) yield entry.name;
  } catch {
    // gone meanwhile, not ours to read, or a failing disk: nothing to sweep there today
  }
}
