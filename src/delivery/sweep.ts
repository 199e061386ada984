/**
 * Removes what crashes left in tmp/: files neither read nor written for 36 hours (maildir(5)).
 * Never looks into new/ or cur/, never follows a link, goes on past what it cannot read.
 */
import { lstat, opendir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

const STALE_MS = 36 * 60 * 60 * 1000;

export interface SweepResult {
  readonly removed: number;
  readonly failed: number;
}

/** The fixed directory in front of a Maildir template's first placeholder, and the segments behind it. */
export function splitTemplate(template: string): { root: string; segments: string[] } {
  const parts = template.split('/');
  const first = parts.findIndex((part) => part.includes('{'));
  return { root: parts.slice(0, first).join('/') || '/', segments: parts.slice(first) };
}

/** Sweeps the tmp/ of every mailbox under the template. `nowMs`: milliseconds since the epoch. */
export async function sweep(template: string, nowMs: number): Promise<SweepResult> {
  const { root, segments } = splitTemplate(template);
  let removed = 0;
  let failed = 0;
  for await (const mailbox of mailboxes(root, segments)) {
    for await (const name of namesIn(join(mailbox, 'tmp'))) {
      const path = join(mailbox, 'tmp', name);
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
  } else if (!segment.includes('{')) {
    yield* mailboxes(join(directory, segment), rest);
  } else {
    for await (const name of namesIn(directory)) yield* mailboxes(join(directory, name), rest);
  }
}

async function* namesIn(directory: string): AsyncGenerator<string> {
  try {
    for await (const entry of await opendir(directory)) yield entry.name;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // not a mailbox, gone meanwhile, or not ours to read
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') throw error;
  }
}
