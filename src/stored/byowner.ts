/**
 * As root, the files of a mailbox are touched as the user whose it is: a user can put links into their own
 * mailbox, and must not have others' files changed by them. A process is one user at a time, so those of one
 * user come after those of another.
 */
import { lstat } from 'node:fs/promises';

/** Does work for all items of each owner; `pathOf` names a directory that is theirs. */
export async function byOwner<T>(
  items: readonly T[],
  pathOf: (item: T) => string,
  work: (items: readonly T[]) => Promise<void>,
): Promise<void> {
  if (process.geteuid?.() !== 0) return work(items);
  const groups = new Map<string, { uid: number; gid: number; items: T[] }>();
  for (const item of items) {
    const { uid, gid } = await lstat(pathOf(item));
    const group = groups.get(`${uid}:${gid}`) ?? { uid, gid, items: [] };
    group.items.push(item);
    groups.set(`${uid}:${gid}`, group);
  }
  for (const group of groups.values()) await as(group, () => work(group.items));
}

async function as({ uid, gid }: { uid: number; gid: number }, work: () => Promise<void>): Promise<void> {
  if (uid === 0) return work();
  const groups = process.getgroups?.() ?? [];
  const ownGid = process.getegid?.() ?? 0;
  process.setgroups?.([gid]);
  process.setegid?.(gid);
  process.seteuid?.(uid);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(ownGid);
    process.setgroups?.(groups);
  }
}
