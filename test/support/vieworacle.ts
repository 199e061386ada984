// What a real Dovecot answers about messages in clear: the oracle of `src/view`. All of them lie in one
// mailbox, each under the bytes it has, and values of FETCH come back as they were on the wire.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dovecot, type DovecotVersion, startDovecotImap } from './dovecot.ts';
import { connectImap, type ImapClient } from './rawimap.ts';

export interface ViewOracle {
  /** The password of view@example.com is `pass`. */
  readonly port: number;
  /** Values of FETCH items by their names, a byte of the wire in each character. */
  fetch(sequenceNumber: number, items: readonly string[]): Promise<Map<string, string>>;
  /** Sequence numbers, ascending. */
  search(criteria: string): Promise<number[]>;
  log(): string;
  stop(): Promise<void>;
}

/** `dir` has to be an empty directory below the temporary one; it is removed in the end. */
export async function startOracle(
  dir: string,
  messages: readonly Buffer[],
  version: DovecotVersion = '2.3',
): Promise<ViewOracle> {
  const folder = join(dir, 'mail/example.com/view');
  for (const part of ['cur', 'new', 'tmp']) await mkdir(join(folder, part), { recursive: true });
  for (const [n, bytes] of messages.entries())
    await writeFile(join(folder, 'cur', `${1_000_000_000 + n}.M1P1.host:2,S`), bytes);
  const dovecot = await startDovecotImap({ dir, version });
  await dovecot.adopt(join(dir, 'mail'));
  return oracleOf(dir, dovecot, messages.length);
}

/** Returns values of FETCH items by their names, a byte of the wire in each character. */
export async function fetchValues(
  { command }: Pick<ImapClient, 'command'>,
  sequenceNumber: number,
  items: readonly string[],
): Promise<Map<string, string>> {
  const responses = await command(`FETCH ${sequenceNumber} (${items.join(' ')})`);
  const [fetched] = responses.filter(({ text }) => text.startsWith(`* ${sequenceNumber} FETCH (`));
  if (fetched === undefined) throw new Error(`no FETCH of ${sequenceNumber}`);
  return valuesIn(fetched.wire.toString('latin1'));
}

function oracleOf(dir: string, dovecot: Dovecot, messages: number): ViewOracle {
  let connected: ImapClient | undefined;
  async function command(text: string) {
    connected ??= await connect(dovecot.port, messages);
    try {
      return await connected.command(text);
    } catch (error) {
      connected = undefined; // there are messages of which Dovecot says BYE
      throw error;
    }
  }
  return {
    port: dovecot.port,
    fetch: (sequenceNumber, items) => fetchValues({ command }, sequenceNumber, items),
    async search(criteria) {
      const responses = await command(`SEARCH ${criteria}`);
      const [found] = responses.filter(({ text }) => text.startsWith('* SEARCH'));
      return (found?.text.slice('* SEARCH'.length).match(/\d+/g) ?? []).map(Number);
    },
    log: () => dovecot.log(),
    async stop() {
      await connected?.logout();
      await dovecot.stop();
      await rm(dir, { recursive: true });
    },
  };
}

async function connect(port: number, messages: number): Promise<ImapClient> {
  const client = await connectImap(port);
  await client.login('view@example.com', 'pass');
  const count = await client.select('INBOX');
  if (count !== messages) throw new Error(`${count} messages, not ${messages}`);
  return client;
}

/** Takes `* n FETCH (NAME value NAME value ...)` apart. */
function valuesIn(response: string): Map<string, string> {
  const values = new Map<string, string>();
  let at = response.indexOf('(') + 1;
  while (at < response.length && response[at] !== ')') {
    const nameEnd = endOfName(response, at);
    const valueEnd = endOfValue(response, nameEnd + 1);
    values.set(response.slice(at, nameEnd), response.slice(nameEnd + 1, valueEnd));
    at = response[valueEnd] === ' ' ? valueEnd + 1 : valueEnd;
  }
  return values;
}

function endOfName(text: string, from: number): number {
  let at = from;
  for (let depth = 0; depth > 0 || text[at] !== ' '; at++) {
    if (text[at] === '[') depth++;
    else if (text[at] === ']') depth--;
  }
  return at;
}

function endOfValue(text: string, from: number): number {
  let at = from;
  let depth = 0;
  do {
    const literal = /\{(\d+)\}\r\n/y;
    literal.lastIndex = at;
    const [header, length] = literal.exec(text) ?? [];
    if (header !== undefined) at += header.length + Number(length);
    else if (text[at] === '"') at = endOfQuoted(text, at);
    else {
      if (text[at] === '(') depth++;
      else if (text[at] === ')') depth--;
      at++;
    }
  } while (depth > 0 || (text[at] !== ' ' && text[at] !== ')'));
  return at;
}

function endOfQuoted(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
