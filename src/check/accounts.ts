/**
 * Users and groups of this machine: their names, and what a user may do with a file. Reads /etc/passwd and
 * /etc/group, so that users of a directory service have a number only.
 */
import { readFileSync, type Stats } from 'node:fs';

export interface Account {
  readonly uid: number;
  readonly groups: readonly number[];
}

/** Returns the user this process runs as. */
export function ownAccount(): Account {
  const gid = process.getegid?.() ?? 0;
  return { uid: process.geteuid?.() ?? 0, groups: [gid, ...(process.getgroups?.() ?? [])] };
}

/** Returns the account of a name, with all groups it is a member of, or undefined if there is none. */
export function accountNamed(name: string): Account | undefined {
  const user = rowsOf('/etc/passwd').find(([each]) => each === name);
  if (user === undefined) return undefined;
  const memberOf = rowsOf('/etc/group').filter(([, , , members = '']) => members.split(',').includes(name));
  return { uid: Number(user[2]), groups: [Number(user[3]), ...memberOf.map(([, , gid]) => Number(gid))] };
}

/** Returns what people call a user: `user sealdir (uid 998)`. */
export function userText(uid: number): string {
  const name = nameOfUser(uid);
  return name === undefined ? `the user with uid ${uid}` : `user ${name} (uid ${uid})`;
}

/** Returns the name of a user, or undefined for one that has a number only. */
export function nameOfUser(uid: number): string | undefined {
  return rowsOf('/etc/passwd').find(([, , each]) => Number(each) === uid)?.[0];
}

/** Returns the name of a group, or undefined for one that has a number only. */
export function nameOfGroup(gid: number): string | undefined {
  return rowsOf('/etc/group').find(([, , each]) => Number(each) === gid)?.[0];
}

/** Returns the number of a group. */
export function groupNamed(name: string): number | undefined {
  const row = rowsOf('/etc/group').find(([each]) => each === name);
  return row === undefined ? undefined : Number(row[2]);
}

/** Returns what people call a group. */
export function groupText(gid: number): string {
  const name = nameOfGroup(gid);
  return name === undefined ? `the group with gid ${gid}` : `group ${name}`;
}

/** Tells whether a user may do all of `wanted` (4 read, 2 write, 1 search) with a file or directory. */
export function mayUse({ uid, groups }: Account, stats: Pick<Stats, 'mode' | 'uid' | 'gid'>, wanted: number) {
  if (uid === 0) return true;
  const shift = stats.uid === uid ? 6 : groups.includes(stats.gid) ? 3 : 0;
  return ((stats.mode >> shift) & wanted) === wanted;
}

function rowsOf(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return []; // numbers will do
  }
}
