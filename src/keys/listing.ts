/**
 * Lists the key directory for `check`: every name in it, with the address that it stands for and its keys, or
 * why it makes no recipient and what to do about it. Of dotfiles, which are other programs' own, only those
 * with a key in them. Reads names as bytes, since not all of them are UTF-8.
 */
import { opendir } from 'node:fs/promises';
import type { SameAddress } from '../core/address.ts';
import { addressOf, addressOfUserId, isKeyFile, misnamed, stemFor } from './names.ts';
import { type ParsedFiles, parseKeyFile, readKeyFile } from './parsedfiles.ts';
import type { KeyEntry } from './source.ts';
import { WORDS } from './words.ts';

export interface DirectoryEntry {
  /** The name; one that is not UTF-8 as if it were Latin-1. */
  readonly file: string;
  /** The recipient whose keys it holds; undefined if it makes none. */
  readonly address: string | undefined;
  readonly entry: KeyEntry;
  /** Why it makes no recipient, and what to do; undefined if it makes one. */
  readonly ignored: Ignored | undefined;
}

export interface Ignored {
  readonly why: string;
  readonly fix: string;
  /** There is a secret key in it. */
  readonly isExposed: boolean;
}

const NOTHING: KeyEntry = { certificates: [], problems: [] };

interface Name {
  readonly bytes: Buffer;
  readonly text: string;
  readonly isUtf8: boolean;
  readonly isDirectory: boolean;
}

/** The files of a directory in groups, so that not all of their keys are in memory at a time. */
export interface Walk {
  /** How many names there are. */
  readonly count: number;
  /** The addresses that they stand for. */
  readonly addresses: readonly string[];
  /** Yields all files that stand for one address together, and each that stands for none on its own. */
  groups(): AsyncGenerator<readonly DirectoryEntry[]>;
}

export async function listDirectory(
  directory: string,
  same: SameAddress,
  files: ParsedFiles,
): Promise<DirectoryEntry[]> {
  const names = await readNames(directory);
  const entryOf = entryReader(directory, names, same, files);
  const entries: DirectoryEntry[] = [];
  for (const name of names) {
    const entry = await entryOf(name);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

/** `wanted`: the addresses whose files are read. Left out: everything. */
export async function walkDirectory(
  directory: string,
  same: SameAddress,
  files: ParsedFiles,
  wanted?: ReadonlySet<string>,
): Promise<Walk> {
  const names = await readNames(directory);
  const entryOf = entryReader(directory, names, same, files);
  const groups = new Map<string, Name[]>();
  for (const name of names) {
    const address = addressOfName(name, same);
    if (wanted !== undefined && (address === undefined || !wanted.has(address))) continue;
    const key = address ?? `/${groups.size}`; // no address begins like that
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [name]);
    else group.push(name);
  }
  return {
    addresses: [...groups.keys()].filter((key) => !key.startsWith('/')),
    count: [...groups.values()].reduce((sum, group) => sum + group.length, 0),
    async *groups() {
      for (const group of groups.values()) {
        const entries = await Promise.all(group.map(entryOf));
        yield entries.filter((entry) => entry !== undefined);
        for (const { text } of group) files.forget(text);
      }
    },
  };
}

function addressOfName({ text, isUtf8 }: Name, same: SameAddress): string | undefined {
  return isUtf8 && isKeyFile(text) ? addressOf(text, same) : undefined;
}

/** Returns what reads the file of a name. That returns undefined for what is not listed. */
function entryReader(
  directory: string,
  names: readonly Name[],
  same: SameAddress,
  files: ParsedFiles,
): (name: Name) => Promise<DirectoryEntry | undefined> {
  const taken = new Set(names.flatMap(({ text, isUtf8 }) => (isUtf8 ? [text] : [])));
  return async (name) => {
    const { text: file, isDirectory } = name;
    const address = addressOfName(name, same);
    if (address === undefined) {
      const ignored = isDirectory
        ? { why: 'is a directory', fix: 'move it elsewhere', isExposed: false }
        : await misfit(directory, name, same, taken);
      return ignored && { file, address, entry: NOTHING, ignored };
    }
    const [entry] = await files
      .load([file])
      .catch((error: NodeJS.ErrnoException) => [
        { certificates: [], problems: [`${file} ${WORDS.unreadable(error.code)}`] },
      ]);
    // one that is gone by now is not listed
    return entry && { file, address, entry, ignored: undefined };
  };
}

async function readNames(directory: string): Promise<Name[]> {
  const names: Name[] = [];
  // its type declarations want a string here (@types/node 20); names come as buffers
  const options = { encoding: 'buffer' as BufferEncoding, bufferSize: 1000 };
  for await (const entry of await opendir(directory, options)) {
    const bytes = Buffer.from(entry.name as string | Buffer as Buffer);
    if (bytes[0] === 0x2e && entry.isDirectory()) continue; // a dot
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

/** Returns undefined for a dotfile without a key. */
async function misfit(
  directory: string,
  { bytes, text, isUtf8 }: Name,
  same: SameAddress,
  taken: ReadonlySet<string>,
): Promise<Ignored | undefined> {
  const path = Buffer.concat([Buffer.from(`${directory}/`), bytes]);
  const content = await readKeyFile(path).then(
    (file) => file.content,
    () => undefined, // it may hold a key
  );
  const { certificates, problems } = await keysIn(text, content);
  const [what = '', todo = ''] = WORDS.secret.split(': ');
  if (problems.some((problem) => problem.endsWith(WORDS.secret)))
    return { why: what, fix: todo, isExposed: true };
  // others are on their way to another name
  if (text.startsWith('.') && !(isKeyFile(text.slice(1)) && certificates.length > 0)) return undefined;
  const { why, stem } = misnamed(text, isUtf8, same);
  const userIds = certificates.flatMap((certificate) => certificate.userIds);
  const addresses = userIds.flatMap((id) => addressOfUserId(id, same) ?? []);
  const wanted = stemFor(text, addresses, stem);
  return { why, fix: fixOf(wanted, content, problems.length === 0, taken), isExposed: false };
}

function fixOf(
  stem: string | undefined,
  content: Buffer | string | undefined,
  isKey: boolean,
  taken: ReadonlySet<string>,
): string {
  if (stem === undefined) return 'rename it to <address>.asc if it holds a key, or move it elsewhere';
  const isBinary = isKey && typeof content === 'object' && ((content[0] ?? 0) & 0x80) !== 0;
  const name = `${stem}${isBinary ? '.pgp' : '.asc'}`;
  if (taken.has(name)) return `remove it, or add its keys to ${name}`;
  return isKey
    ? `rename it to ${name}`
    : `put the exported public key in ${name}, and move this file elsewhere`;
}

async function keysIn(name: string, content: Buffer | string | undefined): Promise<KeyEntry> {
  if (content === undefined) return NOTHING;
  return typeof content === 'string'
    ? { certificates: [], problems: [content] }
    : parseKeyFile(name, content);
}
