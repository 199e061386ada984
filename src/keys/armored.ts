/**
 * Finds the armored parts of a text (RFC 9580 §6) and decodes them. Reads what other programs read too: any
 * line ends, no blank line under the headers, no-break spaces, a wrong checksum or none. What is damaged
 * comes back with a sentence about it and with all that could be decoded, so that a secret key in it is still
 * found.
 */
import { WORDS } from './words.ts';

export interface ArmorPart {
  /** `PUBLIC KEY BLOCK`, as in its BEGIN line. */
  readonly type: string;
  /** Offsets in the text: of its BEGIN line, and of what follows its END line. */
  readonly from: number;
  readonly to: number;
  /** Its headers, which are not part of what its base64 stands for. */
  readonly head: string;
  /** What its base64 stands for: one chunk, unless it is damaged. */
  readonly chunks: readonly Uint8Array[];
  readonly problem: string | undefined;
}

const LINE = /-----(BEGIN|END) PGP ([A-Z][A-Z0-9 ,/]{0,60})-----/g;
// blanks of ASCII, and those of UTF-8 and Latin-1 that come along when a key is copied from a web page
const BLANK = /[\s\0\u00a0]|\u00c2\u00a0|\u00e2\u0080[\u0080-\u008f\u00af]|\u00ef\u00bb\u00bf/g;

const MOST_BLANKS = 100;

/** Returns the armored parts of a text that has one character for each byte. */
export function readArmor(text: string): ArmorPart[] {
  // RFC 9580 §7: what follows that line is text, and no armor
  const lines = [...text.matchAll(LINE)].filter(([, , type]) => type !== 'SIGNED MESSAGE');
  return lines.flatMap((line, n) => {
    const [whole, side, type = ''] = line;
    const previous = lines[n - 1];
    const next = lines[n + 1];
    const isClosed = next?.[1] === 'END' && next[2] === type;
    if (side === 'END') {
      const isOpened = previous?.[1] === 'BEGIN' && previous[2] === type;
      if (isOpened) return [];
      const to = line.index + whole.length;
      return [{ type, from: line.index, to, head: '', chunks: [], problem: WORDS.noBeginLine }];
    }
    const from = line.index;
    const bodyFrom = from + whole.length;
    const bodyTo = next?.index ?? text.length;
    const to = isClosed ? bodyTo + next[0].length : bodyTo;
    const { head, chunks, problem } = decode(text.slice(bodyFrom, bodyTo));
    const isCut = isClosed ? undefined : WORDS.truncated;
    return [{ type, from, to, head, chunks, problem: isCut ?? indentOf(text, from) ?? problem }];
  });
}

/** Returns a sentence if there are only blanks, or marks of a quotation, before the BEGIN line. */
function indentOf(text: string, from: number): string | undefined {
  const [before = ''] = /[^\r\n]*$/.exec(text.slice(Math.max(0, from - MOST_BLANKS), from)) ?? [];
  return /^[ \t>|\u00a0\u00c2]+$/.test(before) ? WORDS.indented : undefined;
}

function decode(body: string): Pick<ArmorPart, 'head' | 'chunks' | 'problem'> {
  const lines = body.split(/\r\n|\n|\r/).map((line) => line.replace(BLANK, ''));
  const first = lines.findIndex((line) => line !== '' && !line.includes(':'));
  const chunks: string[] = [''];
  let isEnded = false;
  let problem: string | undefined;
  for (const line of first === -1 ? [] : lines.slice(first)) {
    if (/^=[A-Za-z0-9+/]{4}$/.test(line)) {
      isEnded = true; // the checksum, which is not looked at (§6.1)
      continue;
    }
    if (line === '') continue;
    if (isEnded || !/^[A-Za-z0-9+/]+={0,2}$/.test(line)) problem = WORDS.damaged;
    if (isEnded) chunks.push('');
    chunks.push((chunks.pop() ?? '') + line.replace(/[^A-Za-z0-9+/]/g, ''));
    isEnded = line.endsWith('=');
  }
  const base64 = chunks.join('');
  if (base64 === '' || base64.length % 4 === 1) problem ??= WORDS.damaged;
  const head = lines.slice(0, first === -1 ? lines.length : first).join('\n');
  return { head, chunks: chunks.map((chunk) => Buffer.from(chunk, 'base64')), problem };
}
