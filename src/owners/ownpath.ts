/**
 * Whether a directory is a user's own: nobody else but root can have a hand in where it leads. A writer has
 * only the rights of its user, so this is not what keeps others safe from them; it keeps a user's mail from
 * going where they, or somebody else, did not mean it to go.
 */
import { lstatSync, realpathSync, type Stats } from 'node:fs';
import { join } from 'node:path';

const MAX_LINKS = 40;
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * Throws, with a sentence, unless each directory down to this one is root's, or belongs to the user and is
 * writable by nobody else; links count only if they are root's. What is not there yet is nobody's.
 */
export function mustBeOwn(directory: string, uid: number): void {
  let names = directory.split('/').filter((name) => name !== '');
  let path = '/';
  for (let links = 0; names.length > 0; ) {
    const next = join(path, names.shift() ?? '');
    const stats = lstatSync(next, { throwIfNoEntry: false });
    if (stats === undefined) return;
    if (stats.isSymbolicLink()) {
      if (stats.uid !== 0) throw new Error(`${next} is a symbolic link`);
      if (++links > MAX_LINKS) throw new Error(`${next} is one link too many`);
      names = [
        ...realpathSync(next)
          .split('/')
          .filter((name) => name !== ''),
        ...names,
      ];
      path = '/';
    } else {
      const why = stats.isDirectory() ? whyNot(stats, uid) : 'is no directory';
      if (why !== undefined) throw new Error(`${next} ${why}`);
      path = next;
    }
  }
}

function whyNot({ uid, mode }: Stats, own: number): string | undefined {
  // what root lets a group write is the business of root, as /var/mail
  if (uid === 0)
    return (mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0 ? undefined : 'is writable by everybody';
  if (uid !== own) return `belongs to user ${uid}, not to user ${own}`;
  if ((mode & OTHERS_WRITE) !== 0) return 'is writable by everybody';
  return (mode & GROUP_WRITES) === 0 ? undefined : 'is writable by its group';
}
