/**
 * The lock that Dovecot has for each folder, `dovecot-uidlist.lock`, taken and given back as Dovecot does: a
 * file that appears with the pid of whoever has it, which others remove when that process is no more. Whoever
 * has it is the only one who moves, renames or expunges messages: Dovecot does none of these without it.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import type { World } from '../core/world.ts';
import type { Calls, Seen } from './calls.ts';

/** Dovecot takes a lock that does not say whose it is for stale after two minutes. */
const STALE_MS = 120_000;
const MOST_WAIT_MS = STALE_MS + 10_000;
const TRY_MS = 20;
/** Before it, a lock may not have been written to yet. */
const NEW_MS = 2000;
/** Dovecot waits so after it has removed a lock, since others may want to do that too. */
const AFTER_REMOVAL_MS = 150;

export interface LockParts {
  readonly calls: Calls;
  readonly world: World;
  /** A path in tmp/ that nobody uses: the lock is written there, so that it is never seen empty. */
  readonly staged: string;
}

export interface UidLock {
  release(): Promise<void>;
}

/** Throws if another process keeps the lock, or it cannot be made. */
export async function takeUidLock(path: string, { calls, world, staged }: LockParts): Promise<UidLock> {
  const begunAt = world.micros();
  let unchanged: { seen: Seen; since: number } | undefined;
  for (;;) {
    const id = await make(path, staged, calls, world);
    if (id !== undefined) return { release: () => release(path, id, calls, world) };
    const waitedMs = (world.micros() - begunAt) / 1000;
    if (waitedMs > MOST_WAIT_MS) throw new Error(`${path} is held by another program`);
    const seen = await calls.look(path);
    if (seen === undefined) continue;
    if (unchanged === undefined || unchanged.seen.id !== seen.id || unchanged.seen.mtimeNs !== seen.mtimeNs)
      unchanged = { seen, since: waitedMs };
    if (await isLeft(path, seen, waitedMs - unchanged.since, calls, world)) {
      await removeIf(path, calls, (now) => now.id === seen.id && now.mtimeNs === seen.mtimeNs);
      await wait(AFTER_REMOVAL_MS);
    } else await wait(TRY_MS);
  }
}

async function make(path: string, staged: string, calls: Calls, world: World): Promise<string | undefined> {
  const file = await calls.create(staged);
  try {
    await file.write(Buffer.from(textOf(world))).finally(() => file.close());
    await calls.link(staged, path);
    return file.id;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  } finally {
    await calls.unlink(staged).catch(() => undefined); // swept later
  }
}

/** Tells whether nobody has the lock any more. */
async function isLeft(path: string, seen: Seen, unchangedMs: number, calls: Calls, world: World) {
  const ageMs = world.now() - Number(seen.mtimeNs / 1_000_000n);
  if (ageMs < NEW_MS) return false;
  const [, pid, host] = /^(\d+):(.+?)\n?$/.exec(String((await calls.content(path)) ?? '')) ?? [];
  if (pid !== undefined && host === hostname()) return Number(pid) === world.pid || !isAlive(Number(pid));
  return unchangedMs > STALE_MS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
  return !isZombie(pid);
}

/** A process that has ended, and that nobody has asked about, holds nothing. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/**
 * Tried twice, since Dovecot waits for as long as this process lives. The number of the inode may be another
 * file's by now: what it says counts too.
 */
async function release(path: string, id: string, calls: Calls, world: World): Promise<void> {
  const remove = async () => {
    if (String((await calls.content(path)) ?? '') !== textOf(world)) return;
    await removeIf(path, calls, (now) => now.id === id);
  };
  await remove().catch(remove);
}

function textOf({ pid }: World): string {
  return `${pid}:${hostname()}`;
}

async function removeIf(path: string, calls: Calls, isIt: (now: Seen) => boolean): Promise<void> {
  const now = await calls.look(path);
  if (now !== undefined && isIt(now))
    await calls.unlink(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
}
