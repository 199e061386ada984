/** Looks for a message that may be in a mailbox, after its writer died and nobody knows how far it came. */
import { join } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import { isFolderName } from './maildirs.ts';

const MOST_FOLDERS = 10_000;

/**
 * Whether the message whose final name `isIt` accepts is whole in the mailbox or in a folder of it, since the
 * rules that choose the folder may have changed: in new/, or in cur/, where an IMAP server moves it and adds
 * its flags. If so, fsyncs that directory, which its writer may not have come to.
 */
export async function holds(disk: Disk, mailbox: string, isIt: (name: string) => boolean): Promise<boolean> {
  if (await holdsItself(disk, mailbox, isIt)) return true;
  const folders: string[] = [];
  await nameIn(disk, mailbox, (name) => {
    if (isFolderName(name) && folders.length < MOST_FOLDERS) folders.push(join(mailbox, name));
    return false;
  });
  for (const folder of folders) if (await holdsItself(disk, folder, isIt)) return true;
  return false;
}

async function holdsItself(disk: Disk, maildir: string, isIt: (name: string) => boolean): Promise<boolean> {
  for (const part of ['new', 'cur']) {
    const directory = join(maildir, part);
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
    // a file with the name of a folder is none
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}

/** maildir(5): a name in cur/ has ":2," and the flags at its end. */
function withoutFlags(name: string): string {
  return name.replace(/:2,[^,:]*$/, '');
}
