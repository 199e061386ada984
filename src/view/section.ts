/**
 * What stands between the brackets of BODY[...] (RFC 3501 §6.4.5), as the gateway's parser gives it and as
 * it is read from text.
 */

/** A section. `part` is empty for the message itself; `names` only matter with the two kinds of fields. */
export interface Section {
  readonly part: readonly number[];
  readonly kind: 'all' | 'header' | 'text' | 'mime' | 'fields' | 'notFields';
  /** Names of header fields, in any case. */
  readonly names: readonly string[];
}

/** `<origin.length>`, in bytes. */
export interface Partial {
  readonly origin: number;
  readonly length: number;
}

const KINDS: Readonly<Record<string, Section['kind']>> = {
  '': 'all',
  HEADER: 'header',
  TEXT: 'text',
  MIME: 'mime',
  'HEADER.FIELDS': 'fields',
  'HEADER.FIELDS.NOT': 'notFields',
};
const FORM = /^((?:[1-9]\d{0,8}(?:\.(?!$)|$))*)([A-Z.]*)(?: \(([^()]+)\))?$/i;

/** Returns undefined for what is no section: `0`, `1.`, `MIME` of the message, fields without names. */
export function parseSection(text: string): Section | undefined {
  const [, numbers = '', word = '', list] = FORM.exec(text) ?? [];
  const kind = FORM.test(text) ? KINDS[word.toUpperCase()] : undefined;
  if (kind === undefined) return undefined;
  const part = numbers.split('.').filter(Boolean).map(Number);
  const names = list?.split(' ').map((name) => name.replace(/^"(.*)"$/, '$1')) ?? [];
  const wantsNames = kind === 'fields' || kind === 'notFields';
  if (wantsNames !== (list !== undefined)) return undefined;
  if (kind === 'mime' && part.length === 0) return undefined;
  return { part, kind, names };
}
