/**
 * A stored message -> the message that its owner is shown. What Sealdir has sealed is shown as it was
 * received. What its sender has encrypted has an inside of its own, a MIME entity, and keeps the fields that
 * came with it: those inside are the sender's word alone, and no spam filter has seen them.
 */
import { releaseMemory } from '../core/releasememory.ts';
import { NotOpenedError, type Opener } from '../keys/opening.ts';
import { fieldsOf, type HeaderScan, HeaderScanner, type RawField } from '../mime/header.ts';
import { isOfInsertions, withoutInsertions } from '../mime/insertions.ts';
import { SEALED_FIELD, SEALED_LATER_FIELD } from '../mime/sealedfield.ts';
import { type Opened, openPackets } from '../opening/open.ts';
import { type MessagePieces, packetsIn } from '../opening/source.ts';

const MOST_HEADER_BYTES = 4 * 1024 * 1024;
/** Of a message that is longer the text is decrypted twice, so that no more than once of it is held. */
const MOST_HELD = 64 * 1024 * 1024;
/** One Buffer has to hold it. */
const MOST_SHOWN_BYTES = 512 * 1024 * 1024;
const OURS = new Set([SEALED_FIELD.toLowerCase(), SEALED_LATER_FIELD.toLowerCase()]);
const OF_MIME = /^(content-|mime-version$)/;
/** What programs write in place of a subject that is inside (RFC 9788 §3.1.1, Thunderbird, Enigmail). */
const HIDDEN_SUBJECT = /^subject:\s*(\[\.\.\.\]|\.\.\.|…|encrypted (message|email))\s*$/i;

/** A stored message: whole, or in pieces that may be gone once `release` was called. */
export type Stored = Buffer | { readonly pieces: MessagePieces; release(): void };

/**
 * Throws NotOpenedError if it does not open, or is no sealed message, and BeyondError if more than `most`
 * bytes may come out.
 */
export async function openStored(stored: Stored, opener: Opener, most?: number): Promise<Buffer> {
  const { pieces, release } = Buffer.isBuffer(stored) ? { pieces: () => [stored] } : stored;
  const opened = await openPackets(packetsIn(pieces), opener, MOST_HELD, most);
  const outer = await headerOf(pieces());
  if (opened.bytes > MOST_SHOWN_BYTES) throw new NotOpenedError('it is too large to be shown');
  if (opened.bytes <= MOST_HELD) release?.();
  const inside = await insideOf(opened);
  return isOurs(outer, opened.literalName) ? inside : withFieldsOf(outer, inside);
}

/** Joins what a message holds, of which each piece goes when it has been copied. */
async function insideOf(opened: Opened): Promise<Buffer> {
  const change = withoutInsertions(opened.literalName, opened.bytes);
  if (change === undefined) throw new NotOpenedError('it is not known what was put into it');
  const inside = Buffer.allocUnsafeSlow(opened.bytes);
  let length = 0;
  let last: Uint8Array | undefined;
  for await (const piece of opened.pieces()) {
    for (const part of change(piece)) {
      inside.set(part, length);
      length += part.length;
    }
    // several pieces may lie in the same memory, one after the other
    if (last !== undefined && last.buffer !== piece.buffer) releaseMemory(last);
    last = piece;
  }
  return inside.subarray(0, length);
}

async function headerOf(pieces: ReturnType<MessagePieces>): Promise<RawField[]> {
  const scanner = new HeaderScanner(MOST_HEADER_BYTES);
  let scan: HeaderScan = { state: 'more' };
  for await (const piece of pieces) {
    scan = scanner.update(piece.subarray(0, MOST_HEADER_BYTES));
    if (scan.state !== 'more') break;
  }
  if (scan.state === 'tooBig') throw new NotOpenedError('its header is too large');
  return [...fieldsOf(scan.state === 'complete' ? scan.block : scanner.end())];
}

/**
 * Tells whether a message was sealed here. Where nothing was put into it, its literal packet has no name, and
 * our field stands outside. Else the name is ours, and our field is inside. A sender can write all of these,
 * but the mail servers on the way put their fields above them, and in what we write there is one Received at
 * most above: that of the delivery.
 */
function isOurs(fields: readonly RawField[], literalName: string): boolean {
  if (literalName !== '' && !isOfInsertions(literalName)) return false; // gpg's is that of a file
  const at = fields.findIndex(({ name }) => (literalName === '' ? OURS.has(name) : name === 'content-type'));
  return at !== -1 && fields.slice(0, at).filter(({ name }) => name === 'received').length <= 1;
}

async function withFieldsOf(outer: readonly RawField[], inside: Buffer): Promise<Buffer> {
  const inner = await headerOf([inside]);
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
