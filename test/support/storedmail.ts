// Mail that lies in a Dovecot in clear, put there by IMAP, and what a client sees of it.

import { existsSync } from 'node:fs';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FetchMessageObject, ImapFlow } from 'imapflow';
import { folderDirectory } from '../../src/core/foldername.ts';
import { type CorpusMessage, openCorpus } from './corpus.ts';

export interface SeenMessage {
  readonly flags: readonly string[];
  readonly date: string;
  readonly source: Buffer;
}

/** Folder -> UID -> message. */
export type Snapshot = ReadonlyMap<string, ReadonlyMap<number, SeenMessage>>;

export async function connectClient(port: number, user: string): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port,
    secure: false,
    auth: { user, pass: 'pass' },
    logger: false,
  });
  client.on('error', () => undefined); // the command that fails says it
  await client.connect();
  return client;
}

/** Returns `count` messages: those of the corpus, or short ones of our own. */
export function sampleMessages(count: number): Buffer[] {
  const { messages } = openCorpus();
  const wires = messages.map((each: CorpusMessage) => each.wire());
  // APPEND takes no NUL, and nothing empty
  const usable = wires
    .filter(({ length }) => length > 0 && length < 200_000)
    .filter((wire) => !wire.includes(0));
  return Array.from({ length: count }, (_, n) => {
    const wire = usable[n % Math.max(1, usable.length)];
    if (wire !== undefined && n < usable.length) return wire;
    const text = `From: a@example.com\r\nTo: b@example.com\r\nSubject: number ${n}\r\nMessage-ID: <${n}@example.com>\r\n`;
    return Buffer.from(`${text}\r\n${`Text of message ${n}.\r\n`.repeat(1 + (n % 400))}`);
  });
}

const FLAGS = [
  [],
  ['\\Seen'],
  ['\\Seen', '\\Answered'],
  ['\\Flagged', '$Label1'],
  ['\\Draft'],
  ['Later', '\\Seen'],
];

/** Puts messages into folders, in turn, with all kinds of flags and dates. */
export async function fill(client: ImapFlow, folders: readonly string[], messages: readonly Buffer[]) {
  for (const folder of folders) if (folder !== 'INBOX') await client.mailboxCreate(folder);
  for (const [n, message] of messages.entries()) {
    const date = new Date(Date.UTC(2001 + (n % 20), n % 12, 1 + (n % 28), n % 24, n % 60, n % 60));
    await client.append(folders[n % folders.length] ?? 'INBOX', message, FLAGS[n % FLAGS.length], date);
  }
}

/**
 * Puts messages into the same folders without IMAP, which takes a hundredth of the time: files as Dovecot
 * would have made them, with the keywords of `fill`. `maildir` has to be handed over to Dovecot then.
 */
export async function fillMaildir(maildir: string, folders: readonly string[], messages: readonly Buffer[]) {
  for (const folder of folders) {
    const directory = join(maildir, folderPath(folder));
    for (const part of ['tmp', 'new', 'cur']) await mkdir(join(directory, part), { recursive: true });
    if (folder !== 'INBOX') await writeFile(join(directory, 'maildirfolder'), '');
    const keywords = join(directory, 'dovecot-keywords');
    if (!existsSync(keywords)) await writeFile(keywords, '0 $Label1\n1 Later\n');
  }
  for (const [n, wire] of messages.entries()) {
    const text = Buffer.from(wire.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
    const lines = text.toString('latin1').match(/(?<!\r)\n/g)?.length ?? 0;
    const name = `${1_000_000_000 + n}.M${n}P1.host,S=${text.length},W=${text.length + lines}:2,${LETTERS[n % 6]}`;
    const path = join(maildir, folderPath(folders[n % folders.length] ?? 'INBOX'), 'cur', name);
    await writeFile(path, text);
    await utimes(path, 1e9 + n, 1e9 + n);
  }
}

/** The flags of `fill` in the names of files. */
const LETTERS = ['', 'S', 'RS', 'Fa', 'D', 'Sb'];

function folderPath(folder: string): string {
  return folderDirectory(folder, 'utf-7');
}

export async function snapshotOf(client: ImapFlow, folders: readonly string[]): Promise<Snapshot> {
  const all = new Map<string, Map<number, SeenMessage>>();
  for (const folder of folders) {
    const lock = await client.getMailboxLock(folder);
    try {
      await client.noop(); // it may be open already, and not know of what came last
      const seen = new Map<number, SeenMessage>();
      const wanted = { uid: true, flags: true, internalDate: true, source: true, size: true } as const;
      for await (const message of client.fetch('1:*', wanted)) seen.set(message.uid, seenOf(message));
      all.set(folder, seen);
    } finally {
      lock.release();
    }
  }
  return all;
}

function seenOf({ flags, internalDate, source, size }: FetchMessageObject): SeenMessage {
  if (source === undefined || size !== source.length)
    throw new Error(`a message of ${size} bytes has ${source?.length}`);
  const kept = [...(flags ?? [])].filter((flag) => flag !== '\\Recent').sort();
  return { flags: kept, date: new Date(internalDate ?? 0).toISOString(), source };
}

/** Lines of Dovecot's log that complain. */
export function complaints(log: string): string[] {
  return log.split('\n').filter((line) => /\b(Error|Warning|Panic|Fatal)\b/.test(line));
}
