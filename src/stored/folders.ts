/** The folders of a mailbox (Maildir++), how much is in them, and where Dovecot has their indexes. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { partsOf } from '../core/address.ts';
import { bytesOf, latin1Path } from '../inplace/calls.ts';
import { isFolderName } from '../maildir/maildirs.ts';

export interface Folder {
  /** Its name in the mailbox, such as `.Sent`; '' for the inbox. */
  readonly directory: string;
  /** One character for each byte, as is `index`. */
  readonly path: string;
  readonly index: string;
  readonly messages: number;
  readonly bytes: number;
}

export interface Wanted {
  /** The directories of folders, such as `.Sent`, '' for the inbox; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Where Dovecot's indexes are, with {local} and {domain}; undefined: beside the messages. */
  readonly index: string | undefined;
}

export async function foldersOf(
  mailbox: { readonly address: string; readonly path: string },
  { only, index }: Wanted,
): Promise<Folder[]> {
  const root = latin1Path(mailbox.path);
  const names = (await readdir(bytesOf(root), { encoding: 'latin1' })).filter(isFolderName).sort();
  const wanted = only?.map((name) => latin1Path(name).replace(/^\.$/, ''));
  const folders: Folder[] = [];
  for (const name of ['', ...names]) {
    if (wanted !== undefined && !wanted.includes(name)) continue;
    const path = join(root, name);
    if (!(await isMaildir(path))) continue;
    const { messages, bytes } = await contentOf(path);
    folders.push({
      directory: name,
      path,
      index: indexOf(mailbox.address, path, name, index),
      messages,
      bytes,
    });
  }
  return folders;
}

/** Returns where the index of a folder is, whose directory is called `name`. */
export function indexOf(address: string, path: string, name: string, index: string | undefined): string {
  return index === undefined ? path : join(filled(index, address), name === '' ? '.INBOX' : name);
}

function filled(template: string, address: string): string {
  const { local, domain } = partsOf(address);
  return latin1Path(template.replaceAll('{local}', local).replaceAll('{domain}', domain));
}

async function contentOf(folder: string): Promise<{ messages: number; bytes: number }> {
  let [messages, bytes] = [0, 0];
  for (const part of ['new', 'cur'])
    for (const name of await readdir(bytesOf(join(folder, part)), { encoding: 'latin1' })) {
      if (name.startsWith('.')) continue;
      messages += 1;
      bytes += await lstat(bytesOf(join(folder, part, name))).then(
        ({ size }) => size,
        () => 0, // moved meanwhile
      );
    }
  return { messages, bytes };
}

/** A folder that is a link may lead to another mailbox, and is left out. */
export async function isMaildir(path: string): Promise<boolean> {
  for (const each of [path, join(path, 'new'), join(path, 'cur'), join(path, 'tmp')]) {
    const stats = await lstat(bytesOf(each)).catch(() => undefined);
    if (!stats?.isDirectory()) return false;
  }
  return true;
}
