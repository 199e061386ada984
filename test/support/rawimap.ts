// The smallest IMAP client: enough to log in, open a mailbox and fetch whole messages as bytes (RFC 3501).

import { once } from 'node:events';
import { connect } from 'node:net';

export interface ImapResponse {
  /** One response, with `{n}` in place of a literal. */
  text: string;
  literals: Buffer[];
  /** All of it as it came, with its literals, without the last CRLF. */
  wire: Buffer;
}

export interface FetchedMessage {
  /** RFC822.SIZE. Dovecot takes it from `,W=` in the file name if it is there. */
  size: number;
  bytes: Buffer;
}

export interface ImapClient {
  /** Resolves to the untagged responses to one command. Rejects unless the server says OK. */
  command(text: string): Promise<ImapResponse[]>;
  login(user: string, password: string): Promise<void>;
  /** Resolves to the number of messages. */
  select(mailbox: string): Promise<number>;
  /** Fetches a message and leaves it unseen. */
  fetch(sequenceNumber: number): Promise<FetchedMessage>;
  logout(): Promise<void>;
}

/** `silentMs`: for how long neither side may say anything. */
export async function connectImap(port: number, silentMs = 30_000): Promise<ImapClient> {
  const socket = connect(port, '127.0.0.1').setTimeout(silentMs);
  socket.on('timeout', () => socket.destroy(new Error(`port ${port}: no response within ${silentMs} ms`)));
  await once(socket, 'connect');
  const responses = responsesOf(socket);
  await next(responses); // the greeting
  let commands = 0;

  async function command(text: string): Promise<ImapResponse[]> {
    const tag = `a${++commands}`;
    socket.write(`${tag} ${text}\r\n`);
    const untagged: ImapResponse[] = [];
    for (;;) {
      const response = await next(responses);
      if (response.text.startsWith(`${tag} OK`)) return untagged;
      if (response.text.startsWith(`${tag} `)) throw new Error(`${text}: ${response.text}`);
      untagged.push(response);
    }
  }

  return {
    command,
    login: async (user, password) => void (await command(`LOGIN "${user}" "${password}"`)),
    async select(mailbox) {
      const responses = await command(`SELECT "${mailbox}"`);
      return numberIn(responses, /^\* (\d+) EXISTS/);
    },
    async fetch(sequenceNumber) {
      const responses = await command(`FETCH ${sequenceNumber} (RFC822.SIZE BODY.PEEK[])`);
      const bytes = responses.flatMap((response) => response.literals)[0];
      if (bytes === undefined) throw new Error(`message ${sequenceNumber} came without a literal`);
      return { size: numberIn(responses, /RFC822\.SIZE (\d+)/), bytes };
    },
    async logout() {
      await command('LOGOUT');
      socket.destroy();
    },
  };
}

const NOTHING = Buffer.alloc(0);
const CRLF = Buffer.from('\r\n');

async function next(responses: AsyncGenerator<ImapResponse, undefined>): Promise<ImapResponse> {
  const { value } = await responses.next();
  if (value === undefined) throw new Error('the IMAP server closed the connection');
  return value;
}

function numberIn(responses: readonly ImapResponse[], pattern: RegExp): number {
  const found = responses.map(({ text }) => pattern.exec(text)?.[1]).find((match) => match !== undefined);
  if (found === undefined) throw new Error(`no response matches ${pattern}`);
  return Number(found);
}

async function* responsesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<ImapResponse, undefined> {
  let pending: Buffer = Buffer.alloc(0);
  let response: ImapResponse = { text: '', literals: [], wire: NOTHING };
  let came: Buffer[] = [];
  let literalLength = -1; // -1 if a line comes next
  for await (const chunk of chunks) {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const lineEnd = pending.indexOf('\r\n');
      const isWhole = literalLength === -1 ? lineEnd !== -1 : pending.length >= literalLength;
      if (!isWhole) break;
      if (literalLength !== -1) {
        response.literals.push(pending.subarray(0, literalLength));
        came.push(pending.subarray(0, literalLength));
        pending = pending.subarray(literalLength);
        literalLength = -1;
        continue;
      }
      response.text += pending.subarray(0, lineEnd).toString('latin1');
      came.push(pending.subarray(0, lineEnd));
      pending = pending.subarray(lineEnd + 2);
      const literal = /\{(\d+)\}$/.exec(response.text)?.[1];
      if (literal !== undefined) {
        literalLength = Number(literal);
        came.push(CRLF);
        continue;
      }
      yield { ...response, wire: Buffer.concat(came) };
      response = { text: '', literals: [], wire: NOTHING };
      came = [];
    }
  }
}
