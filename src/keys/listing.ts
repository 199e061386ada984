/**
 * Lists the key directory for `check`: every name in it but dotfiles, with the address that it stands for and
 * its keys, or why it makes no recipient and what to do about it. Reads names as bytes, since not all of them
 * are UTF-8.
 */
import { opendir } from 'node:fs/promises';
import { pathSegment, type SameAddress } from '../core/address.ts';
import { KeyFileError } from './blocks.ts';
import { parseCertificates } from './certificates.ts';
import { addressOf, addressOfText, isKeyFile, misnamed } from './names.ts';
import { type ParsedFiles, readKeyFile } from './parsedfiles.ts';
import type { KeyEntry } from './source.ts';
import { WORDS } from './words.ts';

export interface DirectoryEntry {
  /** The name; one that is not UTF-8 as if it were Latin-1. */
  readonly file: string;
  /** The recipient whose keys it holds; undefined if it makes none. */
  readonly address: string | undefined;
  readonly entry: KeyEntry;
  /** Why it makes no recipient, and what to do; undefined if it makes one. */
  readonly ignored: { readonly why: string; readonly fix: string } | undefined;
}

const NOTHING: KeyEntry = { certificates: [], problems: [] };

interface Name {
  readonly bytes: Buffer;
  readonly text: string;
  readonly isUtf8: boolean;
  readonly isDirectory: boolean;
}

export async function listDirectory(
  directory: string,
  same: SameAddress,
  files: ParsedFiles,
): Promise<DirectoryEntry[]> {
  const names = await readNames(directory);
  const taken = new Set(names.flatMap(({ text, isUtf8 }) => (isUtf8 ? [text] : [])));
  const entries: DirectoryEntry[] = [];
  for (const name of names) {
    const { text: file, isUtf8, isDirectory } = name;
    const address = isUtf8 && isKeyFile(file) ? addressOf(file, same) : undefined;
    if (address === undefined) {
      const ignored = isDirectory
        ? { why: 'is a directory', fix: 'move it elsewhere' }
        : await misfit(directory, name, same, taken);
      entries.push({ file, address, entry: NOTHING, ignored });
      continue;
    }
    const [entry] = await files
      .load([file])
      .catch((error: NodeJS.ErrnoException) => [
        { certificates: [], problems: [`${file} ${WORDS.unreadable(error.code)}`] },
      ]);
    // one that is gone by now is not listed
    if (entry !== undefined) entries.push({ file, address, entry, ignored: undefined });
  }
  return entries;
}

async function readNames(directory: string): Promise<Name[]> {
  const names: Name[] = [];
  // its type declarations want a string here (@types/node 20); names come as buffers
  const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 1000 };
  for await (const entry of await opendir(directory, options)) {
    const bytes = Buffer.from(entry.name as string | Buffer as Buffer);
    if (bytes[0] === 0x2e) continue; // a dot
    const isUtf8 = Buffer.from(bytes.toString('utf8')).equals(bytes);
    names.push({
      bytes,
      text: bytes.toString(isUtf8 ? 'utf8' : 'latin1'),
      isUtf8,
      isDirectory: entry.isDirectory(),
    });
  }
  return names.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
}

async function misfit(
  directory: string,
  { bytes, text, isUtf8 }: Name,
  same: SameAddress,
  taken: ReadonlySet<string>,
): Promise<{ why: string; fix: string }> {
  const path = Buffer.concat([Buffer.from(`${directory}/`), bytes]);
  const { why, stem } = misnamed(text, isUtf8, same);
  const content = await readKeyFile(path).then(
    (file) => file.content,
    () => '',
  );
  const isBinary = typeof content !== 'string' && ((content[0] ?? 0) & 0x80) !== 0;
  const wanted = stem ?? (typeof content === 'string' ? undefined : await stemOfKeys(content, same));
  if (wanted === undefined)
    return { why, fix: 'rename it to <address>.asc if it holds a key, or move it elsewhere' };
  const name = `${wanted}${isBinary ? '.pgp' : '.asc'}`;
  return { why, fix: taken.has(name) ? `remove it, or add its keys to ${name}` : `rename it to ${name}` };
}

/** Returns the name for the one address that the keys in a file are for, if there is exactly one. */
async function stemOfKeys(content: Buffer, same: SameAddress): Promise<string | undefined> {
  const certificates = await parseCertificates(content).catch((error: unknown) => {
    if (!(error instanceof KeyFileError)) throw error;
    return [];
  });
  const addresses = certificates
    .flatMap(({ userIds }) => userIds)
    .map((id) => addressOfText(/<([^<>]+)>\s*$/.exec(id)?.[1] ?? id, same));
  const [only, ...others] = new Set(addresses.filter((address) => address !== undefined));
  return only === undefined || others.length > 0 ? undefined : pathSegment(only);
}
