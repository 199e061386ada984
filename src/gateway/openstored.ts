/**
 * A stored message -> the message that its owner is shown. What Sealdir has sealed is shown as it was
 * received. What its sender has encrypted has an inside of its own, a MIME entity, and keeps the fields that
 * came with it: those inside are the sender's word alone, and no spam filter has seen them.
 */
import { NotOpenedError, type Opener } from '../keys/opening.ts';
import { fieldsOf, HeaderScanner, type RawField } from '../mime/header.ts';
import { withoutInsertions } from '../mime/insertions.ts';
import { SEALED_FIELD, SEALED_LATER_FIELD } from '../mime/sealedfield.ts';
import { openPackets } from '../opening/open.ts';
import { packetsIn } from '../opening/source.ts';

const MOST_HEADER_BYTES = 4 * 1024 * 1024;
const OURS = new Set([SEALED_FIELD.toLowerCase(), SEALED_LATER_FIELD.toLowerCase()]);
const OF_MIME = /^(content-|mime-version$)/;
/** What programs write in place of a subject that is inside (RFC 9788 §3.1.1, Thunderbird, Enigmail). */
const HIDDEN_SUBJECT = /^subject:\s*(\[\.\.\.\]|\.\.\.|…|encrypted (message|email))\s*$/i;

/** Throws NotOpenedError if it does not open, or is no sealed message. */
export async function openStored(stored: Buffer, opener: Opener): Promise<Buffer> {
  const outer = headerOf(stored);
  const opened = await openPackets(packetsIn(stored), opener);
  const change = withoutInsertions(opened.literalName, opened.bytes);
  if (change === undefined) throw new NotOpenedError('it is not known what was put into it');
  const pieces: Uint8Array[] = [];
  for await (const piece of opened.pieces()) pieces.push(...change(piece));
  if (opened.literalName !== '' || isOurs(outer)) return Buffer.concat(pieces);
  return withFieldsOf(outer, Buffer.concat(pieces));
}

function headerOf(message: Buffer): RawField[] {
  const scanner = new HeaderScanner(MOST_HEADER_BYTES);
  const scan = scanner.update(message.subarray(0, MOST_HEADER_BYTES));
  if (scan.state === 'tooBig') throw new NotOpenedError('its header is too large');
  return [...fieldsOf(scan.state === 'complete' ? scan.block : scanner.end())];
}

/**
 * Tells whether our field is where we put it: above it there is one Received at most, that of the delivery.
 * A sender can write the field too, but the mail servers on the way put theirs above it.
 */
function isOurs(fields: readonly RawField[]): boolean {
  const at = fields.findIndex(({ name }) => OURS.has(name));
  return at !== -1 && fields.slice(0, at).filter(({ name }) => name === 'received').length <= 1;
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
