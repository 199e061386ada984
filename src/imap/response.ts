/**
 * Responses of a server (RFC 3501 §2.2.2). One begins with a line; what comes after it, literals above all,
 * is either collected or passed on as it comes, so that a large message needs no memory on its way through.
 */
import { announcedBy, type Input, TooLongError } from './input.ts';
import { type Segments, SyntaxFault, type Value, ValueReader } from './values.ts';

const HEAD = /^(\+|\*|[^ ]{1,120})(?: (\d{1,10})(?= ))?(?: ([A-Za-z-]{1,40}))?/;
/** After these there is text, in which braces mean nothing. */
const TEXTUAL = new Set(['OK', 'NO', 'BAD', 'BYE', 'PREAUTH']);
const CRLF = Buffer.from('\r\n');
const NOTHING = Buffer.alloc(0);

/** Is given the line before a literal, up to its announcement, and what reads it. */
export type TakeLiteral = (
  text: Buffer,
  bytes: number,
  pieces: () => AsyncIterable<Buffer>,
) => Promise<void> | undefined;

/** A line of ENVELOPE or BODYSTRUCTURE may be long. */
export const MOST_LINE_BYTES = 16 * 1024 * 1024;

export class Response {
  /** `*` for an untagged one, `+` for a continuation request. */
  readonly tag: string;
  /** The number before the word, of FETCH, EXISTS, EXPUNGE. */
  readonly number: number | undefined;
  /** In upper case; '' for a continuation request. */
  readonly word: string;
  /** The first line, without its end. */
  readonly line: Buffer;
  readonly #input: Input;
  #isTaken = false;
  #isRead = false;

  constructor(line: Buffer, input: Input) {
    const [, tag = '', number, word = ''] = HEAD.exec(line.toString('latin1', 0, 200)) ?? [];
    this.tag = tag;
    this.number = number === undefined ? undefined : Number(number);
    this.word = tag === '+' ? '' : word.toUpperCase();
    this.line = line;
    this.#input = input;
  }

  get isUntagged(): boolean {
    return this.tag === '*';
  }

  /** What follows the tag of a tagged response, or of an untagged one. */
  get text(): string {
    return this.line.toString('utf8', this.tag.length + 1);
  }

  /**
   * Collects the whole, with literals of `mostBytes` together. `take` may take literals in its place, of any
   * size: it returns undefined for one that it does not want, and else reads all its pieces. Throws
   * TooLongError, and what Input and `take` throw.
   */
  async segments(mostBytes: number, take?: TakeLiteral): Promise<Segments> {
    if (this.#isTextual || announcedBy(this.line) === undefined) {
      this.#isTaken = true;
      this.#isRead = true;
      return [this.line];
    }
    const segments: Buffer[] = [];
    let bytes = 0;
    for await (const part of this.#parts()) {
      if (part.literal === undefined) {
        segments.push(part.text);
        continue;
      }
      const taken = take?.(part.text, part.literal, () => this.#input.pieces(part.literal ?? 0));
      if (taken !== undefined) {
        await taken;
        segments.push(part.text, NOTHING);
        continue;
      }
      bytes += part.literal;
      if (bytes > mostBytes) throw new TooLongError(`a response has more than ${mostBytes} bytes`);
      segments.push(part.text, await this.#input.bytes(part.literal));
    }
    return segments;
  }

  /** Yields the whole as it came, in pieces. */
  async *raw(): AsyncGenerator<Buffer> {
    for await (const { line, literal } of this.#parts()) {
      yield line;
      yield CRLF;
      if (literal !== undefined) yield* this.#input.pieces(literal);
    }
  }

  /** Tells whether what comes next in the input is another response, once this one is finished. */
  get canFinish(): boolean {
    return this.#isRead || !this.#isTaken;
  }

  /** Reads what nobody wanted. */
  async finish(): Promise<void> {
    if (!this.#isTaken) for await (const piece of this.raw()) void piece;
  }

  async *#parts(): AsyncGenerator<{ line: Buffer; text: Buffer; literal: number | undefined }> {
    this.#isTaken = true;
    for (let line = this.line; ; line = await this.#input.line(MOST_LINE_BYTES)) {
      const announced = this.#isTextual ? undefined : announcedBy(line);
      yield { line, text: announced?.text ?? line, literal: announced?.bytes };
      if (announced === undefined) break;
    }
    this.#isRead = true;
  }

  get #isTextual(): boolean {
    return this.tag !== '*' || TEXTUAL.has(this.word);
  }
}

/** Reads the beginning of the next response. The one before has to be read to its end. */
export async function readResponse(input: Input): Promise<Response> {
  return new Response(await input.line(MOST_LINE_BYTES), input);
}

/** What FETCH says of a message: pairs of a name and a value. */
export interface Fetched {
  readonly number: number;
  readonly items: readonly { readonly name: Value; readonly value: Value }[];
}

/** Reads `* 5 FETCH (...)`. Returns undefined if it has another form. */
export function fetchedOf(segments: Segments, number: number): Fetched | undefined {
  const list = listOf(segments, `* ${number} FETCH`.length);
  if (list === undefined) return undefined;
  const items: { name: Value; value: Value }[] = [];
  if (list.kind !== 'list') return { number, items };
  for (let n = 0; n + 1 < list.items.length; n += 2) {
    const [name, value] = [list.items[n], list.items[n + 1]];
    if (name !== undefined && value !== undefined) items.push({ name, value });
  }
  return { number, items };
}

function listOf(segments: Segments, at: number): Value | undefined {
  try {
    return new ValueReader(segments, at, 'sections').next();
  } catch (error) {
    if (error instanceof SyntaxFault) return undefined;
    throw error;
  }
}

/** Returns the value of an item such as `UID`, or undefined. */
export function itemOf({ items }: Fetched, name: string): Value | undefined {
  return items.find((each) => each.name.kind === 'atom' && each.name.text.toUpperCase() === name)?.value;
}

/** Returns the numbers of `* SEARCH 1 2 3`. */
export function numbersOf(line: Buffer): number[] {
  const words = line.toString('latin1').split(' ').slice(2);
  const end = words.findIndex((each) => !/^\d{1,10}$/.test(each));
  return words.slice(0, end === -1 ? words.length : end).map(Number);
}
