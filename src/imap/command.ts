/**
 * Commands of a client (RFC 3501 §2.2.1): the line, and the literals in it. What a command holds is bounded
 * but for the message of APPEND, which is left to whoever handles it.
 */
import { type Announced, announcedBy, type Input, TooLongError } from './input.ts';
import { type Segments, SyntaxFault, type Value, ValueReader } from './values.ts';

export interface Command {
  /** As the client wrote it. */
  readonly tag: string;
  /** In upper case; of a UID command both words, such as `UID FETCH`. */
  readonly name: string;
  readonly segments: Segments;
  /** Where the first line goes on after the name. */
  readonly argumentsAt: number;
  /** Returns the values after the name. Throws SyntaxFault. */
  values(): Value[];
  /** The message of APPEND, which has not been read yet. */
  readonly message: Announced | undefined;
}

/** A command that is not one. The client is answered BAD, and the session goes on. */
export class CommandFault extends Error {
  readonly tag: string;

  constructor(tag: string, sentence: string) {
    super(sentence);
    this.tag = tag;
  }
}

export interface CommandLimits {
  /** Of all lines of a command together: literals may be empty. */
  readonly lineBytes: number;
  /** Of all literals of a command together. */
  readonly literalBytes: number;
}

export const COMMAND_LIMITS: CommandLimits = { lineBytes: 64 * 1024, literalBytes: 64 * 1024 };

const TAG = /^[!#$&',\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]{1,100}$/;
const HEAD = /^([^ ]{1,100}) +([A-Za-z]{1,30})(?= |$)(?: +([A-Za-z]{1,30})(?= |$))?/;

/**
 * Reads the next command. `ask` tells the client to send a literal it waits with. Throws CommandFault, and
 * what Input throws: a literal that is too long and comes unasked is a TooLongError.
 */
export async function readCommand(
  input: Input,
  ask: () => Promise<void>,
  limits: CommandLimits = COMMAND_LIMITS,
): Promise<Command> {
  const first = await input.line(limits.lineBytes);
  const head = headOf(first);
  const segments: Buffer[] = [];
  let line = first;
  let left = limits.literalBytes;
  let lineLeft = limits.lineBytes - first.length;
  for (;;) {
    const announced = announcedBy(line);
    if (announced === undefined) {
      segments.push(line);
      return commandOf(head, segments, undefined);
    }
    segments.push(announced.text);
    if (head.name === 'APPEND' && hasMailbox(segments, head.end)) return commandOf(head, segments, announced);
    left -= announced.bytes;
    if (left < 0) {
      if (announced.isAwaited) throw new CommandFault(head.tag, '[TOOBIG] That literal is too long');
      throw new TooLongError('that literal is too long'); // what comes unasked looks like commands
    }
    if (announced.isAwaited) await ask();
    segments.push(await input.bytes(announced.bytes));
    line = await input.line(lineLeft);
    lineLeft -= line.length;
  }
}

const SP = 0x20;
const MOST_HEAD_BYTES = 300;

interface Head {
  readonly tag: string;
  readonly name: string;
  /** Where the arguments begin. */
  readonly end: number;
}

function headOf(line: Buffer): Head {
  const [all = '', tag = '', name = '', second] =
    HEAD.exec(line.toString('latin1', 0, endOfWords(line))) ?? [];
  if (!TAG.test(tag)) {
    const [alone = ''] = /^[^ ]{1,100}(?= |$)/.exec(line.toString('latin1', 0, endOfWords(line))) ?? [];
    throw new CommandFault(TAG.test(alone) ? alone : '*', 'A command begins with a tag and a name');
  }
  const upper = name.toUpperCase();
  if (upper === 'UID' && second !== undefined)
    return { tag, name: `UID ${second.toUpperCase()}`, end: all.length };
  return { tag, name: upper, end: all.length - (second === undefined ? 0 : second.length) };
}

/** Three words at most become text: what follows may be a password. */
function endOfWords(line: Buffer): number {
  let at = 0;
  for (let word = 0; word < 3 && at < MOST_HEAD_BYTES; word++) {
    while (line[at] === SP) at++;
    const end = line.indexOf(SP, at);
    if (end === -1) return Math.min(line.length, MOST_HEAD_BYTES);
    at = end;
  }
  return Math.min(at + 1, MOST_HEAD_BYTES);
}

/** Tells whether the mailbox stands before a literal of APPEND, which is the message then. */
function hasMailbox(segments: Segments, at: number): boolean {
  try {
    return new ValueReader(segments, at).rest().length > 0;
  } catch (error) {
    if (error instanceof SyntaxFault) return false;
    throw error;
  }
}

function commandOf({ tag, name, end }: Head, segments: Segments, message: Announced | undefined): Command {
  const values = () => new ValueReader(segments, end).rest();
  return { tag, name, segments, argumentsAt: end, message, values };
}
