// Reads TOML and remembers the line of each key. The only importer of smol-toml. smol-toml decides what is
// valid and what the values are, but gives no positions. A second, much smaller pass over the same text finds
// them. It only sees text that smol-toml has accepted, so it trusts it, and knows just enough of TOML to skip
// strings, arrays and comments.

import { parse, TomlError } from 'smol-toml';

export type TomlTable = { readonly [key: string]: unknown };
export type Toml =
  | { readonly ok: true; readonly table: TomlTable; readonly lineOf: LineOf }
  | { readonly ok: false; readonly line: number; readonly message: string };

/**
 * Returns the line (from 1) of a key, a table or an array's element; for an unknown path that of its parent.
 */
export type LineOf = (path: readonly string[]) => number;

export function readToml(text: string): Toml {
  try {
    const table = parse(text);
    return { ok: true, table, lineOf: locate(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return { ok: false, line: error.line, message: `syntax error: ${reasonOf(error)}` };
  }
}

/** Returns the first line of the message, since the other lines quote the file. */
function reasonOf(error: TomlError): string {
  const [reason = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
  // The usual mistake is 50MiB without quotes, which reads as a broken number.
  return /numeric literal|invalid (number|value)/.test(reason) ? `${reason} (text needs quotes)` : reason;
}

export function isTable(value: unknown): value is TomlTable {
  // Arrays and dates are objects too.
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function unquote(written: string): string {
  const { text } = parse(`text = ${written}`);
  return String(text);
}

// Table, table in it, key, index: no setting is nested deeper, so deeper lines are not kept.
const MAX_DEPTH = 4;

function locate(text: string): LineOf {
  const lines = new Map<string, number>();
  let at = 0;
  let line = 1;
  let counted = 0;

  function note(path: readonly string[], offset: number): void {
    for (; counted < offset; counted++) if (text[counted] === '\n') line++;
    for (let depth = 1; depth <= Math.min(path.length, MAX_DEPTH); depth++) {
      const key = JSON.stringify(path.slice(0, depth));
      if (!lines.has(key)) lines.set(key, line);
    }
  }

  function skip(characters: string): void {
    while (at < text.length && characters.includes(text.charAt(at))) at++;
  }

  function skipUntil(characters: string): void {
    while (at < text.length && !characters.includes(text.charAt(at))) at++;
  }

  function skipBlank(): void {
    skip(' \t\r\n');
    while (text[at] === '#') {
      skipUntil('\n');
      skip(' \t\r\n');
    }
  }

  function skipString(): void {
    const quote = text.charAt(at);
    const isMultiline = text.startsWith(quote.repeat(3), at);
    const end = isMultiline ? quote.repeat(3) : quote;
    at += end.length;
    while (at < text.length && !text.startsWith(end, at)) at += quote === '"' && text[at] === '\\' ? 2 : 1;
    at += end.length;
    // The text of a multi-line string may end in quotes of its own.
    if (isMultiline) skip(quote);
  }

  function scanKey(): string[] {
    const parts: string[] = [];
    do {
      if (parts.length > 0) at++;
      skip(' \t');
      const start = at;
      const isQuoted = text[at] === '"' || text[at] === "'";
      if (isQuoted) skipString();
      else skipUntil(' \t\n.=]');
      const written = text.slice(start, at);
      parts.push(isQuoted ? unquote(written) : written);
      skip(' \t');
    } while (text[at] === '.');
    return parts;
  }

  function scanPair(table: readonly string[]): void {
    const start = at;
    const path = [...table, ...scanKey()];
    note(path, start);
    at++;
    skip(' \t');
    scanValue(path);
  }

  function scanValue(path: readonly string[]): void {
    const first = text[at];
    if (first === '"' || first === "'") {
      skipString();
    } else if (first === '[') {
      scanList(']', (index) => scanElement([...path, String(index)]));
    } else if (first === '{') {
      scanList('}', () => scanPair(path));
    } else {
      at++;
      skipUntil(',]}#\n');
    }
  }

  function scanElement(path: readonly string[]): void {
    note(path, at);
    scanValue(path);
  }

  function scanList(end: string, scanItem: (index: number) => void): void {
    at++;
    skipBlank();
    for (let index = 0; at < text.length && text[at] !== end; index++) {
      scanItem(index);
      skipBlank();
      if (text[at] === ',') at++;
      skipBlank();
    }
    at++;
  }

  let table: readonly string[] = [];
  skip('\uFEFF');
  for (skipBlank(); at < text.length; skipBlank()) {
    if (text[at] !== '[') {
      scanPair(table);
      continue;
    }
    const start = at;
    skip('[');
    table = scanKey();
    note(table, start);
    skip(']');
  }

  return (path) => {
    for (let depth = path.length; depth > 0; depth--) {
      const found = lines.get(JSON.stringify(path.slice(0, depth)));
      if (found !== undefined) return found;
    }
    return 1;
  };
}
