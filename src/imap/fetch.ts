/** What a client asks of messages with FETCH (RFC 3501 §6.4.5), and how an answer names it. */

import type { Partial, Section } from '../core/section.ts';
import {
  type Section as Bracketed,
  bytesOf,
  type Segments,
  SyntaxFault,
  type Value,
  ValueReader,
  wordOf,
} from './values.ts';
import { checkedSet } from './write.ts';

export type FetchItem =
  /** What an answer has under this word. */
  | { readonly kind: 'word'; readonly word: string }
  | {
      readonly kind: 'section';
      readonly section: Section;
      readonly partial: Partial | undefined;
      /** The message is not marked as seen by it. */
      readonly isPeek: boolean;
      /** How an answer names it, such as `BODY[TEXT]<0>`. */
      readonly label: string;
      /** As the client asked for it. */
      readonly asked: Value;
    };

export interface FetchCommand {
  readonly set: string;
  readonly items: readonly FetchItem[];
  /** What follows the items, such as `(CHANGEDSINCE 5)`. */
  readonly modifiers: readonly Value[];
}

/** Items that say what a message holds: their answers depend on whether it is opened. */
const OF_CONTENT = ['RFC822.SIZE', 'ENVELOPE', 'BODYSTRUCTURE', 'BODY'];
const OF_MAILBOX = ['FLAGS', 'UID', 'INTERNALDATE', 'MODSEQ'];
const MACROS: Readonly<Record<string, readonly string[]>> = {
  ALL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE'],
  FAST: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'],
  FULL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY'],
};
const OLD: Readonly<Record<string, Pick<Section, 'kind'> & { readonly isPeek: boolean }>> = {
  RFC822: { kind: 'all', isPeek: false },
  'RFC822.HEADER': { kind: 'header', isPeek: true },
  'RFC822.TEXT': { kind: 'text', isPeek: false },
};

/** Reads what stands from a byte of the first line on. Throws SyntaxFault. */
export function fetchOf(segments: Segments, at = 0): FetchCommand {
  const [set, what, ...modifiers] = new ValueReader(segments, at, 'sections').rest();
  if (set?.kind !== 'atom' || what === undefined) throw new SyntaxFault('FETCH needs messages and items');
  return { set: checkedSet(set.text), items: itemsOf(what), modifiers };
}

/** Tells whether an answer to an item depends on what a message holds. */
export function isOfContent(item: FetchItem): boolean {
  return item.kind === 'section' || OF_CONTENT.includes(item.word);
}

function itemsOf(what: Value): FetchItem[] {
  if (what.kind === 'list') {
    if (what.items.length === 0) throw new SyntaxFault('FETCH needs items');
    return what.items.map(itemOf);
  }
  const macro = MACROS[wordOf(what) ?? ''];
  return macro === undefined ? [itemOf(what)] : macro.map((word) => ({ kind: 'word', word }));
}

function itemOf(value: Value): FetchItem {
  if (value.kind === 'section') return sectionItem(value);
  const word = wordOf(value) ?? '';
  const old = Object.hasOwn(OLD, word) ? OLD[word] : undefined;
  if (old !== undefined)
    return {
      kind: 'section',
      section: { part: [], kind: old.kind, names: [] },
      partial: undefined,
      isPeek: old.isPeek,
      label: word,
      asked: value,
    };
  if (!OF_CONTENT.includes(word) && !OF_MAILBOX.includes(word))
    throw new SyntaxFault('that is nothing that can be fetched here');
  return { kind: 'word', word };
}

function sectionItem(asked: Bracketed): FetchItem {
  const { name, inside, partial } = asked;
  const word = name.toUpperCase();
  if (word !== 'BODY' && word !== 'BODY.PEEK')
    throw new SyntaxFault('that is nothing that can be fetched here');
  const section = sectionOf(inside);
  const read = partial === undefined ? undefined : partialOf(partial);
  const origin = read === undefined ? '' : `<${read.origin}>`;
  return {
    kind: 'section',
    section,
    partial: read,
    isPeek: word === 'BODY.PEEK',
    label: `BODY[${labelOf(section)}]${origin}`,
    asked,
  };
}

const SPEC =
  /^((?:[1-9]\d{0,5}\.)*[1-9]\d{0,5})?(?:(?:^|\.)(HEADER|TEXT|MIME|HEADER\.FIELDS|HEADER\.FIELDS\.NOT))?$/i;
const KINDS: Readonly<Record<string, Section['kind']>> = {
  '': 'all',
  HEADER: 'header',
  TEXT: 'text',
  MIME: 'mime',
  'HEADER.FIELDS': 'fields',
  'HEADER.FIELDS.NOT': 'notFields',
};

function sectionOf([spec, list, extra]: readonly Value[]): Section {
  const [all, numbers, what = ''] = SPEC.exec(spec === undefined ? '' : (wordOf(spec) ?? '-')) ?? [];
  const kind = KINDS[what.toUpperCase()];
  const part = numbers === undefined ? [] : numbers.split('.').map(Number);
  const hasNames = kind === 'fields' || kind === 'notFields';
  const isFit = kind !== 'mime' || part.length > 0;
  if (all === undefined || kind === undefined || !isFit || extra !== undefined)
    throw new SyntaxFault('that is no section of a message');
  if (!hasNames && list === undefined) return { part, kind, names: [] };
  if (!hasNames || list?.kind !== 'list' || list.items.length === 0)
    throw new SyntaxFault('that is no section of a message');
  return { part, kind, names: list.items.map((name) => bytesOf(name).toString('latin1')) };
}

function partialOf(text: string): Partial {
  const [, origin, length] = /^(\d{1,10})\.(\d{1,10})$/.exec(text) ?? [];
  if (origin === undefined || Number(length) === 0) throw new SyntaxFault('that is no partial');
  return { origin: Number(origin), length: Number(length) };
}

const NAMES: Readonly<Record<Section['kind'], string>> = {
  all: '',
  header: 'HEADER',
  text: 'TEXT',
  mime: 'MIME',
  fields: 'HEADER.FIELDS',
  notFields: 'HEADER.FIELDS.NOT',
};

function labelOf({ part, kind, names }: Section): string {
  const spec = [...part.map(String), ...(kind === 'all' ? [] : [NAMES[kind]])].join('.');
  if (kind !== 'fields' && kind !== 'notFields') return spec;
  return `${spec} (${names.map(nameOf).join(' ')})`;
}

/** Dovecot quotes names too that are no atoms. */
function nameOf(name: string): string {
  if (/^[!#$&'*+\-./0-9:;<=>?@A-Z^_`a-z|}~]+$/.test(name)) return name;
  return `"${name.replaceAll(/[\r\n\0]/g, '').replaceAll(/["\\]/g, '\\$&')}"`;
}
