/**
 * What a client searches for (RFC 3501 §6.4.4), as a tree. Keys about the text of a message are told apart
 * from those that the server behind can answer, whatever is sealed.
 */
import { TextDecoder } from 'node:util';
import { bytesOf, SyntaxFault, type Value, wordOf } from './values.ts';

/** A key whose answer depends on what a message holds. */
export type TextKey =
  | {
      readonly kind: 'text';
      readonly key: 'BODY' | 'TEXT' | 'SUBJECT' | 'FROM' | 'TO' | 'CC' | 'BCC';
      readonly wanted: string;
    }
  | { readonly kind: 'header'; readonly field: string; readonly wanted: string }
  | { readonly kind: 'size'; readonly key: 'LARGER' | 'SMALLER'; readonly bytes: number }
  /** The date as it was sent, such as `1-Feb-2026`. */
  | { readonly kind: 'date'; readonly key: 'SENTBEFORE' | 'SENTON' | 'SENTSINCE'; readonly day: string };

export type SearchTree =
  | { readonly kind: 'and'; readonly all: readonly SearchTree[] }
  | { readonly kind: 'or'; readonly either: SearchTree; readonly other: SearchTree }
  | { readonly kind: 'not'; readonly tree: SearchTree }
  /** A key for the server behind. */
  | { readonly kind: 'stored'; readonly values: readonly Value[] }
  /** `values`: the key, as the server behind is asked for messages that are not opened. */
  | { readonly kind: 'opened'; readonly key: TextKey; readonly values: readonly Value[] };

export interface SearchCommand {
  readonly tree: SearchTree;
  /** As it is called here, whatever the client has written; undefined if it has named none. */
  readonly charset: string | undefined;
  /** The answer ends with the highest mod-sequence of what is found (RFC 7162 §3.1.5). */
  readonly asksForModseq: boolean;
}

/** A charset that is not known. */
export class CharsetFault extends Error {}

const MOST_DEPTH = 100;
const STRINGS = ['BODY', 'TEXT', 'SUBJECT', 'FROM', 'TO', 'CC', 'BCC'] as const;
const SIZES = ['LARGER', 'SMALLER'] as const;
const DATES = ['SENTBEFORE', 'SENTON', 'SENTSINCE'] as const;
/** Keys that the server behind answers, by the number of their arguments. */
const STORED: Readonly<Record<string, number>> = {
  ...flags('ALL', 'ANSWERED', 'DELETED', 'DRAFT', 'FLAGGED', 'NEW', 'OLD', 'RECENT', 'SEEN'),
  ...flags('UNANSWERED', 'UNDELETED', 'UNDRAFT', 'UNFLAGGED', 'UNSEEN'),
  ...{ BEFORE: 1, ON: 1, SINCE: 1, KEYWORD: 1, UNKEYWORD: 1, UID: 1, OLDER: 1, YOUNGER: 1 },
};
const SET = /^[\d*][\d*,:]*$/;

function flags(...names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, 0]));
}

/** Throws SyntaxFault, or CharsetFault. */
export function searchOf(values: readonly Value[]): SearchCommand {
  const named = wordOf(values[0]) === 'CHARSET';
  const charset = named ? bytesOf(values[1]).toString('latin1') : undefined;
  const decoder = decoderOf(charset);
  const tree = new Keys(values.slice(named ? 2 : 0), decoder).all(0);
  return { tree, charset: named ? decoder.encoding : undefined, asksForModseq: hasModseq(tree) };
}

/** Tells whether any key depends on what a message holds. */
export function isAboutText(tree: SearchTree): boolean {
  switch (tree.kind) {
    case 'and':
      return tree.all.some(isAboutText);
    case 'or':
      return isAboutText(tree.either) || isAboutText(tree.other);
    case 'not':
      return isAboutText(tree.tree);
    default:
      return tree.kind === 'opened';
  }
}

function hasModseq(tree: SearchTree): boolean {
  switch (tree.kind) {
    case 'and':
      return tree.all.some(hasModseq);
    case 'or':
      return hasModseq(tree.either) || hasModseq(tree.other);
    case 'not':
      return hasModseq(tree.tree);
    default:
      return tree.kind === 'stored' && wordOf(tree.values[0]) === 'MODSEQ';
  }
}

/** Returns the values that ask a server for what a tree says. */
export function valuesOf(tree: SearchTree): readonly Value[] {
  switch (tree.kind) {
    case 'and':
      return [{ kind: 'list', items: tree.all.flatMap(valuesOf) }];
    case 'or':
      return [atom('OR'), ...valuesOf(tree.either), ...valuesOf(tree.other)];
    case 'not':
      return [atom('NOT'), ...valuesOf(tree.tree)];
    default:
      return tree.values;
  }
}

function atom(text: string): Value {
  return { kind: 'atom', text };
}

function decoderOf(charset = 'utf-8'): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch {
    throw new CharsetFault('that charset is not known');
  }
}

class Keys {
  readonly #values: readonly Value[];
  readonly #decoder: TextDecoder;
  #at = 0;

  constructor(values: readonly Value[], decoder: TextDecoder) {
    this.#values = values;
    this.#decoder = decoder;
  }

  all(depth: number): SearchTree {
    if (depth > MOST_DEPTH) throw new SyntaxFault('keys stand too deep in keys');
    const all: SearchTree[] = [];
    while (this.#at < this.#values.length) all.push(this.#key(depth));
    const [first, second] = all;
    if (first === undefined) throw new SyntaxFault('SEARCH needs a key');
    return second === undefined ? first : { kind: 'and', all };
  }

  #key(depth: number): SearchTree {
    if (depth > MOST_DEPTH) throw new SyntaxFault('keys stand too deep in keys');
    const begin = this.#at;
    const value = this.#take();
    if (value.kind === 'list') return new Keys(value.items, this.#decoder).all(depth + 1);
    const word = wordOf(value) ?? '';
    if (word === 'OR') return { kind: 'or', either: this.#key(depth + 1), other: this.#key(depth + 1) };
    if (word === 'NOT') return { kind: 'not', tree: this.#key(depth + 1) };
    const key = this.#textKey(word);
    if (key !== undefined) return { kind: 'opened', key, values: this.#values.slice(begin, this.#at) };
    if (word === 'MODSEQ') {
      this.#modseq();
      return { kind: 'stored', values: this.#values.slice(begin, this.#at) };
    }
    const count = SET.test(word) ? 0 : Object.hasOwn(STORED, word) ? STORED[word] : undefined;
    if (count === undefined) throw new SyntaxFault('that is no key of SEARCH');
    for (let n = 0; n < count; n++) this.#take();
    return { kind: 'stored', values: this.#values.slice(begin, this.#at) };
  }

  #textKey(word: string): TextKey | undefined {
    const text = STRINGS.find((each) => each === word);
    if (text !== undefined) return { kind: 'text', key: text, wanted: this.#text() };
    if (word === 'HEADER') return { kind: 'header', field: this.#text(), wanted: this.#text() };
    const size = SIZES.find((each) => each === word);
    if (size !== undefined) return { kind: 'size', key: size, bytes: this.#number() };
    const date = DATES.find((each) => each === word);
    return date === undefined ? undefined : { kind: 'date', key: date, day: this.#text() };
  }

  #take(): Value {
    const value = this.#values[this.#at++];
    if (value === undefined) throw new SyntaxFault('a key of SEARCH is cut off');
    return value;
  }

  /** A number, after the name of a flag and whose it is, if they stand there. */
  #modseq(): void {
    if (this.#values[this.#at]?.kind === 'string') {
      this.#take();
      if (!/^(priv|shared|all)$/i.test(wordOf(this.#take()) ?? ''))
        throw new SyntaxFault('that is no MODSEQ');
    }
    if (!/^\d{1,19}$/.test(wordOf(this.#take()) ?? '')) throw new SyntaxFault('that is no MODSEQ');
  }

  #text(): string {
    return this.#decoder.decode(bytesOf(this.#take()));
  }

  #number(): number {
    const text = bytesOf(this.#take()).toString('latin1');
    if (!/^\d{1,12}$/.test(text)) throw new SyntaxFault('that is no number');
    return Number(text);
  }
}
