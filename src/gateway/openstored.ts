/**
 * A stored message -> the message that its owner is shown. What Sealdir has sealed is shown as it was
 * received. What its sender has encrypted has an inside of its own, a MIME entity, and keeps the fields that
 * came with it: those inside are the sender's word alone, and no spam filter has seen them.
 */
import { releaseMemory } from '../core/releasememory.ts';
import { Turns } from '../core/turns.ts';
import { NotOpenedError, type Opener } from '../keys/opening.ts';
import { fieldsOf, type HeaderScan, HeaderScanner, type RawField } from '../mime/header.ts';
import { isOfInsertions, withoutInsertions } from '../mime/insertions.ts';
import { SEALED_FIELD, SEALED_LATER_FIELD } from '../mime/sealedfield.ts';
import { saysKept } from '../mime/trace.ts';
import { type Opened, openPackets } from '../opening/open.ts';
import { packetsIn } from '../opening/source.ts';

const MOST_HEADER_BYTES = 4 * 1024 * 1024;
/** One Buffer has to hold it. */
const MOST_SHOWN_BYTES = 512 * 1024 * 1024;
const OURS = new Set([SEALED_FIELD.toLowerCase(), SEALED_LATER_FIELD.toLowerCase()]);
const OF_MIME = /^(content-|mime-version$)/;
/** What programs write in place of a subject that is inside (RFC 9788 §3.1.1, Thunderbird, Enigmail). */
const HIDDEN_SUBJECT = /^subject:\s*(\[\.\.\.\]|\.\.\.|…|encrypted (message|email))\s*$/i;

/** A stored message while it comes. */
export interface Coming {
  /** Comes once. What has memory of its own is given away. */
  readonly pieces: AsyncIterable<Buffer>;
  readonly bytes: number;
}

/** A message that only comes has to be read once more: it has a form that only the library knows. */
export class OnceMoreError extends Error {}

/**
 * Throws NotOpenedError if it does not open, or is no sealed message, OnceMoreError, or what opener and
 * pieces throw.
 */
export async function openStored(stored: Buffer | Coming, opener: Opener): Promise<Buffer> {
  const outer = new OuterHeader();
  const pieces = Buffer.isBuffer(stored) ? () => [stored] : onceOnly(passing(stored.pieces, outer));
  if (Buffer.isBuffer(stored)) outer.take(stored);
  const bytes = Buffer.isBuffer(stored) ? stored.length : stored.bytes;
  const opened = await openPackets(packetsIn(pieces), opener, {
    ...{ mostHeld: MOST_SHOWN_BYTES, most: MOST_SHOWN_BYTES },
    expected: Math.ceil((bytes * 3) / 4), // what is armored is base64
  });
  const fields = outer.fields();
  if (opened.bytes > MOST_SHOWN_BYTES) throw new NotOpenedError('it is too large to be shown');
  const inside = await insideOf(opened);
  return isOurs(fields, opened.literalName) ? inside : withFieldsOf(fields, inside);
}

function onceOnly(pieces: AsyncIterable<Buffer>): () => AsyncIterable<Buffer> {
  let isRead = false;
  return () => {
    if (isRead) throw new OnceMoreError();
    isRead = true;
    return pieces;
  };
}

/** Frees each piece that nobody else has a part of: else 32 MB of them pile up. */
async function* passing(pieces: AsyncIterable<Buffer>, header: OuterHeader): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    header.take(piece);
    yield piece;
    if (piece.buffer.byteLength === piece.length) releaseMemory(piece);
  }
}

/** Returns what a message holds, in the memory in which it was opened if that is one. */
async function insideOf(opened: Opened): Promise<Buffer> {
  const change = withoutInsertions(opened.literalName, opened.bytes);
  if (change === undefined) throw new NotOpenedError('it is not known what was put into it');
  const { whole } = opened;
  const inside = whole ?? Buffer.allocUnsafeSlow(opened.bytes);
  const turns = new Turns();
  let length = 0;
  for await (const piece of opened.pieces()) {
    await turns.next();
    for (const part of change(piece)) {
      const isInPlace = whole !== undefined && part.byteOffset === whole.byteOffset + length;
      if (!isInPlace) inside.set(part, length); // to the left, if it is the same memory
      length += part.length;
    }
    if (piece !== whole) releaseMemory(piece);
  }
  return inside.subarray(0, length);
}

/** The fields outside, of what is read anyhow. */
class OuterHeader {
  readonly #scanner = new HeaderScanner(MOST_HEADER_BYTES);
  #scan: HeaderScan = { state: 'more' };
  #fields: RawField[] | undefined;

  /** Keeps no part of the piece. */
  take(piece: Buffer): void {
    if (this.#scan.state !== 'more') return;
    this.#scan = this.#scanner.update(piece.subarray(0, MOST_HEADER_BYTES));
    if (this.#scan.state !== 'complete') return;
    const { bytes, isCertain } = this.#scan.block;
    this.#fields = [...fieldsOf({ bytes: Buffer.from(bytes), isCertain })];
  }

  /** Throws NotOpenedError. */
  fields(): RawField[] {
    if (this.#scan.state === 'tooBig') throw new NotOpenedError('its header is too large');
    return this.#fields ?? [...fieldsOf(this.#scanner.end())];
  }
}

function headerOf(message: Buffer): RawField[] {
  const header = new OuterHeader();
  header.take(message);
  return header.fields();
}

/**
 * Tells whether a message was sealed here. Where nothing was put into it, its literal packet has no name, and
 * our field stands outside. Else the name is ours, and our field is inside. A sender can write all of these,
 * but the mail servers on the way put their fields above them, and in what we write there is one Received at
 * most above: that of the delivery. Where none of them has written one, the delivery's says that the message
 * is stored as it came.
 */
function isOurs(fields: readonly RawField[], literalName: string): boolean {
  if (literalName !== '' && !isOfInsertions(literalName)) return false; // gpg's is that of a file
  const at = fields.findIndex(({ name }) => (literalName === '' ? OURS.has(name) : name === 'content-type'));
  const above = fields.slice(0, at).filter(({ name }) => name === 'received');
  return at !== -1 && above.length <= 1 && !above.some(({ bytes }) => saysKept(bytes));
}

function withFieldsOf(outer: readonly RawField[], inside: Buffer): Buffer {
  const inner = headerOf(inside);
  const subject = inner.find(({ name }) => name === 'subject');
  const isHidden = ({ name, bytes }: RawField) =>
    subject !== undefined && name === 'subject' && HIDDEN_SUBJECT.test(bytes.toString('latin1').trim());
  const kept = outer.filter((field) => !OF_MIME.test(field.name) && !isHidden(field));
  const shown = outer.some(isHidden) && subject !== undefined ? [...kept, subject] : kept;
  const mime = inner.filter(({ name }) => OF_MIME.test(name));
  const version = mime.some(({ name }) => name === 'mime-version')
    ? []
    : [Buffer.from('MIME-Version: 1.0\r\n')];
  return Buffer.concat([
    ...shown.map(({ bytes }) => bytes),
    ...version,
    ...mime.map(({ bytes }) => bytes),
    bodyOf(inside),
  ]);
}

/** Returns the body with the empty line before it. */
function bodyOf(entity: Buffer): Buffer {
  if (entity[0] === 0x0a || (entity[0] === 0x0d && entity[1] === 0x0a)) return entity;
  const lf = entity.indexOf('\n\n');
  const crlf = entity.indexOf('\n\r\n');
  const at = lf === -1 ? crlf : crlf === -1 ? lf : Math.min(lf, crlf);
  return at === -1 ? Buffer.from('\r\n') : entity.subarray(at + 1);
}
