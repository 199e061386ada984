/**
 * Dovecot's `dovecot-uidlist`, version 3: which base name has which UID. A header, then a line for each
 * message: `UID [FIELD ...] :BASE`. A field is a capital letter and a value: S and W sizes, G the message's
 * id where it is not the base name, P its POP3 UIDL (empty: the base name). Pure text.
 */
import { baseOf, keyOf } from '../maildir/messagename.ts';

export const UIDLIST = 'dovecot-uidlist';

const LINE = /^(\d+)((?: +[A-Z][^ \n]*)*) +:(.+)$/gm;

/** Tells whether a file is of the form that is known here. */
export function isUidlist(text: string): boolean {
  return text.startsWith('3 ') && text.endsWith('\n');
}

/**
 * Returns the list with other base names, for messages whose bytes have changed: without their sizes, and
 * with the id that was the base name until now. `renamed`: base name -> the new one, which may be the same.
 */
export function withNames(text: string, renamed: ReadonlyMap<string, string>): string {
  return text.replaceAll(LINE, (line: string, uid: string, fields: string, base: string) => {
    const name = renamed.get(base);
    return name === undefined ? line : `${uid}${fieldsAfter(fields, base, name)} :${name}`;
  });
}

function fieldsAfter(text: string, base: string, name: string): string {
  const fields = text.split(' ').filter((field) => field !== '' && !/^[SW]/.test(field));
  const isWord = !/[ \n]/.test(base);
  if (name !== base && isWord) {
    const uidl = fields.indexOf('P');
    if (uidl !== -1) fields[uidl] = `P${base}`;
    if (!fields.some((field) => field.startsWith('G'))) fields.push(`G${base}`);
  }
  return fields.map((field) => ` ${field}`).join('');
}

/**
 * Finds what a run that was killed has renamed without noting it: lines whose message has another base name
 * now, which differs in its sizes alone. `names`: what is in the folder.
 */
export function namesLost(text: string, names: readonly string[]): ReadonlyMap<string, string> {
  const listed = new Set([...text.matchAll(LINE)].map(([, , , base = '']) => base));
  const unlisted = new Map<string, string>();
  const there = new Set<string>();
  for (const base of names.map(baseOf)) {
    there.add(base);
    if (!listed.has(base)) unlisted.set(keyOf(base), base);
  }
  const lost = new Map<string, string>();
  if (unlisted.size === 0) return lost;
  for (const base of listed) {
    const name = there.has(base) ? undefined : unlisted.get(keyOf(base));
    if (name !== undefined) lost.set(base, name);
  }
  return lost;
}
