/** Values as they are sent: strings, lists, sets of numbers. */
import { type Segments, SyntaxFault, type Value } from './values.ts';

// 8 bits, line ends and NUL are for literals (RFC 3501 §9, TEXT-CHAR), and other controls may be
const QUOTABLE = /^[ -~]{0,1024}$/;

/** Returns a string in quotes, or as a literal where quotes cannot hold it. For what a server says. */
export function stringOf(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  if (QUOTABLE.test(text)) return Buffer.from(`"${text.replaceAll(/["\\]/g, '\\$&')}"`, 'latin1');
  return literalOf(bytes);
}

export function literalOf(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`{${bytes.length}}\r\n`), bytes]);
}

/** Returns a value as segments: what a client sends, where each literal may have to be awaited. */
export function segmentsOf(values: readonly Value[]): Segments {
  const segments: Buffer[] = [];
  let text = '';
  const write = (value: Value): void => {
    switch (value.kind) {
      case 'atom':
        text += value.text;
        return;
      case 'string': {
        const written = value.bytes.toString('latin1');
        if (QUOTABLE.test(written)) {
          text += `"${written.replaceAll(/["\\]/g, '\\$&')}"`;
          return;
        }
        segments.push(Buffer.from(text, 'latin1'), value.bytes);
        text = '';
        return;
      }
      case 'list':
        text += '(';
        writeAll(value.items);
        text += ')';
        return;
      case 'section':
        text += `${value.name}[`;
        writeAll(value.inside);
        text += value.partial === undefined ? ']' : `]<${value.partial}>`;
        return;
      default:
        value satisfies never;
    }
  };
  const writeAll = (all: readonly Value[]): void => {
    for (const [n, value] of all.entries()) {
      if (n > 0) text += ' ';
      write(value);
    }
  };
  writeAll(values);
  segments.push(Buffer.from(text, 'latin1'));
  return segments;
}

/** Returns a set of numbers (RFC 3501 §9, sequence-set) in few characters; '' for none. */
export function setOf(numbers: Iterable<number>): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const ranges: string[] = [];
  for (let n = 0; n < sorted.length; ) {
    let end = n;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    ranges.push(end === n ? `${sorted[n]}` : `${sorted[n]}:${sorted[end]}`);
    n = end + 1;
  }
  return ranges.join(',');
}

/** The characters of a set that is sent in one command: RFC 7162 §4 has lines of 8192 at least. */
const MOST_SET_CHARS = 7000;

/** Returns sets that are short enough for one command each. */
export function setsOf(numbers: Iterable<number>): string[] {
  const sets: string[] = [];
  let set = '';
  for (const range of setOf(numbers).split(',').filter(Boolean)) {
    if (set.length + range.length > MOST_SET_CHARS) {
      sets.push(set);
      set = '';
    }
    set += set === '' ? range : `,${range}`;
  }
  return set === '' ? sets : [...sets, set];
}

const SET = /^(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*$/;

/** Returns a set as it was sent. Throws SyntaxFault if it is none. */
export function checkedSet(text: string): string {
  if (!SET.test(text)) throw new SyntaxFault('that is no set of messages');
  return text;
}
