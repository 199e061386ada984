/**
 * A query as an operator writes it, with `:address`, `:local` and `:domain` -> the text for a
 * driver, with its own placeholders, and which value goes to each. No value ever becomes part of the text.
 */
import { partsOf } from '../core/address.ts';

/** What may be asked for. */
export interface QueryValues {
  readonly address: string;
  readonly local: string;
  readonly domain: string;
}

export interface Query {
  readonly text: string;
  /** The values for the placeholders of `text`, in order. */
  valuesFor(values: QueryValues): string[];
}

// what is no parameter comes first: strings, quoted names, comments, PostgreSQL's casts and dollar quotes
const TOKEN =
  /'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\1\$|::|:(address|local|domain)\b/g;

/** `numbered`: $1, $2 ...; else each placeholder is a question mark. */
export function compileQuery(written: string, style: 'numbered' | 'questions'): Query {
  const names: (keyof QueryValues)[] = [];
  const text = written.replace(TOKEN, (token: string, _quote, name: keyof QueryValues | undefined) => {
    if (name === undefined) return token;
    names.push(name);
    return style === 'numbered' ? `$${names.length}` : '?';
  });
  if (names.length === 0) throw new Error('the query has none of :address, :local and :domain');
  return { text, valuesFor: (values) => names.map((name) => values[name]) };
}

/** Returns the values for a canonical address. */
export function valuesOf(address: string): QueryValues {
  return { address, ...partsOf(address) };
}
