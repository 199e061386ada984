/**
 * The id under which the mail server in front has a message in its own log. It stands in the topmost Received
 * field, which that server wrote; those below it may be anybody's, and are not looked at. Nothing else of the
 * field is kept, and no id that does not look like one.
 */
import { fieldsOf, type HeaderBlock } from './header.ts';

/** A filter may have put fields of its own above the topmost Received. */
const MOST_FIELDS_ABOVE = 50;
const MOST_FIELD_BYTES = 4096;
const ID = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;

/** Returns the id, such as `4b9PtX2VkSz1Y` (Postfix) or `1vOqpK-000000003Bc-0hTf` (Exim); else undefined. */
export function queueIdOf(header: HeaderBlock): string | undefined {
  let above = 0;
  for (const { name, bytes } of fieldsOf(header)) {
    if (name === 'received') return bytes.length > MOST_FIELD_BYTES ? undefined : idIn(bytes);
    if (++above > MOST_FIELDS_ABOVE) return undefined;
  }
  return undefined;
}

/**
 * RFC 5321 §4.4: `from NAME (...) by NAME (...) with PROTOCOL id ID for <...>; date`. The client chose the
 * name after `from`, and comments hold what it said of itself: an `id` there is none.
 */
function idIn(field: Buffer): string | undefined {
  const text = field.toString('latin1');
  const clauses = withoutComments(text.slice(text.indexOf(':') + 1));
  const words = clauses.split(/[ \t\r\n]+/).filter((word) => word !== '');
  const names = words.map((word) => word.toLowerCase());
  const by = names.indexOf('by', names[0] === 'from' ? 2 : 0);
  const id = by === -1 ? -1 : names.indexOf('id', by + 2);
  if (id === -1 || names.slice(by + 2, id).includes('for')) return undefined;
  const found = words[id + 1] ?? '';
  return ID.test(found) ? found : undefined;
}

/** Returns the clauses before the date. Comments nest, and quoted text may hold brackets (RFC 5322 §3.2). */
function withoutComments(text: string): string {
  let depth = 0;
  let isQuoted = false;
  let kept = '';
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\' && (depth > 0 || isQuoted)) at++;
    else if (character === '"' && depth === 0) isQuoted = !isQuoted;
    else if (character === '(' && !isQuoted) {
      depth++;
      kept += ' '; // a comment parts words
    } else if (character === ')' && !isQuoted && depth > 0) depth--;
    else if (character === ';' && depth === 0 && !isQuoted) break;
    else if (depth === 0) kept += isQuoted ? '?' : character;
  }
  return kept;
}
