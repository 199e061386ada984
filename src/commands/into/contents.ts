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

/** Returns the message with the fields that stand outside only, if it was encrypted by somebody else. */
export function withOuterFields(head: Buffer, pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const outer = headerOf(head.toString('latin1'));
  if (ARMOR.test(outer) || OURS.test(outer)) return pieces;
  const start = Buffer.concat(pieces.slice(0, 8)).subarray(0, MOST_HEADER).toString('latin1');
  const inner = new Set(fieldsOf(/^\r?\n/.test(start) ? '' : headerOf(start)).map(nameOf));
  if (inner.has('from')) return pieces;
  const lineEnd = /\r\n/.test(start) ? '\r\n' : '\n';
  const kept = fieldsOf(outer).filter((field) => {
    const name = nameOf(field);
    return !name.startsWith('content-') && !inner.has(name);
  });
  const text = kept.map((field) => `${field.replaceAll(/\r?\n/g, lineEnd)}${lineEnd}`).join('');
  return [Buffer.from(text, 'latin1'), ...pieces];
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
