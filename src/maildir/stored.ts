/** Looks for a message that may be in a mailbox, after its writer died and nobody knows how far it came. */
import { join } from 'node:path';
import type { Disk } from '../disk/disk.ts';

/**
 * Whether the message whose final name `isIt` accepts is whole in the mailbox: in new/, or in cur/, where an
 * IMAP server moves it and adds its flags. If so, fsyncs that directory, which its writer may not have come
 * to.
 */
export async function holds(disk: Disk, mailbox: string, isIt: (name: string) => boolean): Promise<boolean> {
  for (const folder of ['new', 'cur']) {
    const directory = join(mailbox, folder);
    const name = await nameIn(disk, directory, (each) => isIt(withoutFlags(each)));
    if (name === undefined) continue;
    const { bytes } = await disk.stat(join(directory, name));
    if (!name.includes(`,S=${bytes},`)) return false;
    await disk.syncDirectory(directory);
    return true;
  }
  return false;
}

async function nameIn(
  disk: Disk,
  directory: string,
  isIt: (name: string) => boolean,
): Promise<string | undefined> {
  return disk.find(directory, isIt).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** maildir(5): a name in cur/ has ":2," and the flags at its end. */
function withoutFlags(name: string): string {
  return name.replace(/:2,[^,:]*$/, '');
}
