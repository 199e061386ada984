/**
 * What is sealed, and what it becomes. A message that somebody else has encrypted has most of its header
 * fields outside only: they are kept, or it would be no message any more.
 */
import { contentTypeOf } from '../../edge/contenttype.ts';

const ARMOR = /^\s*-----BEGIN PGP MESSAGE-----\r?\n/;
/** The boundary of our own frame (mime/frame.ts). */
const OURS = /boundary="?sealdir_[0-9a-f]{32}/;
const HEADER_END = /\r?\n\r?\n/;
const MOST_HEADER = 256 * 1024;

/** Tells from its first bytes whether a file is a sealed message. */
export async function isSealed(head: Buffer): Promise<boolean> {
  const text = head.toString('latin1');
  if (ARMOR.test(text)) return true;
  const header = headerOf(text);
  if (!/multipart/i.test(header)) return false;
  return (await contentTypeOf(Buffer.from(header, 'latin1'))).value === 'multipart/encrypted';
}

/** Yields the message with the fields that stand outside only, if it was encrypted by somebody else. */
export async function* withOuterFields(
  head: Buffer,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const outer = headerOf(head.toString('latin1'));
  if (ARMOR.test(outer) || OURS.test(outer)) {
    yield* pieces;
    return;
  }
  const rest = pieces[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  for (let isEnded = false; !isEnded && start.length < MOST_HEADER; ) {
    const next = await rest.next();
    isEnded = next.done === true;
    if (next.done !== true) start = Buffer.concat([start, next.value]);
  }
  yield fieldsBefore(start.subarray(0, MOST_HEADER).toString('latin1'), outer);
  yield start;
  yield* { [Symbol.asyncIterator]: () => rest };
}

/** Returns those fields of the outer header that the message has not, unless it has them all. */
function fieldsBefore(start: string, outer: string): Buffer {
  const inner = new Set(fieldsOf(/^\r?\n/.test(start) ? '' : headerOf(start)).map(nameOf));
  if (inner.has('from')) return Buffer.alloc(0);
  const lineEnd = /\r\n/.test(start) ? '\r\n' : '\n';
  const kept = fieldsOf(outer).filter((field) => {
    const name = nameOf(field);
    return !name.startsWith('content-') && !inner.has(name);
  });
  const text = kept.map((field) => `${field.replaceAll(/\r?\n/g, lineEnd)}${lineEnd}`).join('');
  return Buffer.from(text, 'latin1');
}

function headerOf(text: string): string {
  return text.slice(0, HEADER_END.exec(text)?.index);
}

/** Returns each field with its folded lines, without the line end after it. */
function fieldsOf(header: string): string[] {
  return header.split(/\r?\n(?![ \t])/).filter((field) => /^[!-9;-~]+:/.test(field));
}

function nameOf(field: string): string {
  return field.slice(0, field.indexOf(':')).toLowerCase();
}
