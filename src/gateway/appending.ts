/**
 * A message that a client puts into a folder (RFC 3501 §6.3.11), such as one that was sent. It is sealed
 * while it arrives, and what is held meanwhile is sealed already. Where that fails, nothing is stored.
 */
import { CopyFailure } from '../core/errors.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import { UNMETERED } from '../core/meter.ts';
import type { World } from '../core/world.ts';
import { isFor } from '../delivery/keeping.ts';
import { keepOrSealMessage } from '../delivery/keepmessage.ts';
import type { Command } from '../imap/command.ts';
import { type Announced, type Input, TooLongError, unclosed } from '../imap/input.ts';
import { SyntaxFault, type Value } from '../imap/values.ts';
import { segmentsOf } from '../imap/write.ts';
import { type Account, SealingError } from './account.ts';
import type { Caches } from './mailbox.ts';
import type { Output } from './output.ts';
import type { Answer, Sink, Upstream } from './upstream.ts';

export interface AppendOptions {
  readonly headerPolicy: HeaderPolicy;
  readonly maxHeaderBytes: number;
  /** Whether a message that is encrypted to the owner already stays as it is. */
  readonly keepsEncrypted: boolean;
  readonly world: World;
}

export interface AppendParts {
  readonly input: Input;
  readonly client: Output;
  readonly upstream: Upstream;
  readonly account: Account;
  readonly appending: AppendOptions;
  readonly caches: Pick<Caches, 'counts' | 'appending'>;
  readonly mostMessageBytes: number;
  readonly pass: Sink;
  complain(what: 'append', error: unknown): void;
}

const TOO_LARGE: Answer = { word: 'NO', text: 'NO [TOOBIG] that message is too large' };
const TOO_MANY: Answer = { word: 'NO', text: 'NO [LIMIT] too much is being stored at this moment' };
/** All messages of a user together have so many times the bytes of the largest one. */
const MOST_AT_ONCE = 2;
const NOT_SEALED: Answer = {
  word: 'NO',
  text: 'NO [CANNOT] the message cannot be sealed to your key, so it is not stored',
};

/** Answers all of it but for the tagged line. Whatever it answers, the message has been read. */
export async function appendSealed(command: Command, parts: AppendParts): Promise<Answer> {
  const { input, mostMessageBytes, caches } = parts;
  const { message } = command;
  if (message === undefined) throw new SyntaxFault('APPEND needs a message');
  const head = headOf(command);
  if ('word' in head) return skipped(message, input, head);
  if (message.bytes > mostMessageBytes) return skipped(message, input, TOO_LARGE);
  if (caches.appending + message.bytes > MOST_AT_ONCE * mostMessageBytes)
    return skipped(message, input, TOO_MANY);
  caches.appending += message.bytes; // each is held until it is sealed, however slowly it comes
  try {
    return await appendWhole(message, head, parts);
  } finally {
    caches.appending -= message.bytes;
  }
}

async function appendWhole(message: Announced, head: AppendHead, parts: AppendParts): Promise<Answer> {
  const { input, client, upstream, account, appending, pass, complain, caches } = parts;
  if (message.isAwaited) await client.line('+ OK');
  const pieces = input.pieces(message.bytes);
  let sealed: Buffer | undefined;
  try {
    sealed = await sealedForStore(unclosed(pieces), account, head.isDraft, appending);
  } catch (error) {
    if (!(error instanceof CopyFailure) && !(error instanceof SealingError)) throw error;
    complain('append', error);
  }
  for await (const piece of pieces) void piece; // what was not read after a failure
  await readEnd(input);
  caches.counts?.add(sealed === undefined ? 'refused' : 'sealed');
  if (sealed === undefined) return NOT_SEALED;
  const before = segmentsOf([{ kind: 'atom', text: 'APPEND' }, ...head.values]);
  const last = Buffer.concat([before.at(-1) ?? Buffer.alloc(0), Buffer.from(' ')]);
  return upstream.command([...before.slice(0, -1), last, sealed, Buffer.alloc(0)], pass);
}

/** What may follow the message on its line, which is nothing. */
const MOST_REST_BYTES = 1024;

/** What is not wanted is read if it comes all the same. */
async function skipped({ bytes, isAwaited }: Announced, input: Input, answer: Answer): Promise<Answer> {
  if (isAwaited) return answer;
  for await (const piece of input.pieces(bytes)) void piece;
  await readEnd(input);
  return answer;
}

/** A second message (MULTIAPPEND) is not offered, and cannot be told from commands if it comes unasked. */
async function readEnd(input: Input): Promise<void> {
  if ((await input.line(MOST_REST_BYTES)).length > 0) throw new TooLongError('one message at a time');
}

/** What stands before the message. */
interface AppendHead {
  readonly values: readonly Value[];
  readonly isDraft: boolean;
}

const NO_HEAD: Answer = { word: 'BAD', text: 'BAD APPEND needs a mailbox, flags and a message' };

/** Returns BAD for anything but a mailbox, flags and a date, which the server behind judges. */
function headOf(command: Command): AppendHead | Answer {
  const values = command.values(); // they were read once, to find the message
  const [mailbox, ...more] = values;
  const flags = more[0]?.kind === 'list' ? more.shift() : undefined;
  const date = more.shift();
  const isDate = date === undefined || date.kind === 'string';
  if (mailbox === undefined || mailbox.kind === 'list' || !isDate || more.length > 0) return NO_HEAD;
  const isDraft =
    flags?.kind === 'list' &&
    flags.items.some((each) => each.kind === 'atom' && each.text.toLowerCase() === '\\draft');
  return { values, isDraft };
}

/**
 * Returns the message as it is stored, with CRLF line ends. Throws SealingError, CopyFailure, or what
 * `message` throws.
 */
async function sealedForStore(
  message: AsyncIterable<Buffer>,
  account: Account,
  isDraft: boolean,
  { headerPolicy, maxHeaderBytes, keepsEncrypted, world }: AppendOptions,
): Promise<Buffer> {
  const keys = await account.keys();
  const pieces: Buffer[] = [];
  const sealed = keepOrSealMessage(message, {
    isTheirs: keepsEncrypted ? (keyIds) => isFor(keys, keyIds) : undefined,
    keys,
    // a program that goes on writing a draft takes its subject from outside
    headerPolicy: isDraft ? 'visible' : headerPolicy,
    maxHeaderBytes,
    from: 'the store',
    world,
    meter: UNMETERED,
  });
  for await (const piece of sealed) pieces.push(withCrlf(piece));
  return Buffer.concat(pieces);
}

function withCrlf(piece: Buffer): Buffer {
  return Buffer.from(piece.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
}
