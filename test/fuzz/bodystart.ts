// Where the body of a message begins, for readers that disagree: a small model of each one's rule. Each takes
// the message as it came, one character a byte, and returns the place of the first byte that it takes for
// body, or the length of the message if it takes none.

export type BodyStart = (message: string) => number;

const STRICT_FIELD = /^[!-9;-~]+:/;
const OLD_FIELD = /^[!-9;-~]+[ \t]*:/; // RFC 5322 §4.5
const FOLDED = /^[ \t]/;

/** RFC 4155: the line that separates messages in an mbox is no part of the message. */
const SEPARATOR_START = /^From \S+ +[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}/;
const SEPARATOR = new RegExp(`${SEPARATOR_START.source}\\r?\\n`);

/** A line and the place after it. */
type Line = readonly [text: string, next: number];

function* linesOf(message: string, lineEnd: RegExp, from = 0): Generator<Line> {
  const pattern = new RegExp(lineEnd, 'g');
  for (let start = from; start < message.length; ) {
    pattern.lastIndex = start;
    const match = pattern.exec(message);
    const end = match?.index ?? message.length;
    const next = end + (match?.[0].length ?? 0);
    yield [message.slice(start, end), next];
    start = next;
  }
}

interface Rule {
  readonly lineEnd: RegExp;
  readonly field: RegExp;
  /** What of a line a reader sees. */
  readonly seen?: (line: string) => string;
  /** A folded line of white space ends the header too. */
  readonly endsAtBlank?: true;
}

/**
 * A reader whose header ends with an empty line, or before the first line that is neither a field nor folded.
 */
function reader({ lineEnd, field, seen = (line) => line, endsAtBlank }: Rule): BodyStart {
  return (message) => {
    let start = SEPARATOR.exec(message)?.[0].length ?? 0;
    let isFirst = true;
    for (const [text, next] of linesOf(message, lineEnd, start)) {
      const line = seen(text);
      if (line === '' || (endsAtBlank && line.trim() === '')) return next;
      if (!field.test(line) && (isFirst || !FOLDED.test(line))) return start;
      isFirst = false;
      start = next;
    }
    return message.length;
  };
}

/**
 * email.feedparser of Python 3: a name may be empty, a first line may be folded, and mbox lines are skipped,
 * except one at the end of the header, which is body. In front of that one it loses an empty line.
 */
const python: BodyStart = (message) => {
  let start = 0;
  let mboxStart: number | undefined; // of the last line, if it is an mbox line
  const from = (place: number, lost: number) => (mboxStart === undefined ? place : mboxStart + lost);
  for (const [line, next] of linesOf(message, /\r\n|\r|\n/)) {
    if (line === '') return from(next, next - start);
    if (!/^(From |[!-9;-~]*:|[\t ])/.test(line)) return from(start, 0);
    mboxStart = start > 0 && line.startsWith('From ') ? start : undefined;
    start = next;
  }
  return from(message.length, 0);
};

/**
 * mutt_rfc822_read_header of NeoMutt: strings of C, any byte in a name but a blank, and dated mbox lines are
 * skipped.
 */
const neomutt: BodyStart = (message) => {
  let start = 0;
  let isContinued = false;
  for (const [text, next] of linesOf(message, /\n/)) {
    const line = text.split('\0')[0] ?? '';
    const isField = /^[^: \t]*:/.test(line);
    const isMbox = /^>From /.test(line) || SEPARATOR_START.test(line);
    if (!isContinued) {
      if (/^([\t-\r ]|$)/.test(line)) return next; // it drops the line, whatever else is in it
      if (!isField && !isMbox) return start;
    }
    start = next;
    isContinued = FOLDED.test(message.slice(next));
  }
  return message.length;
};

export const BODY_STARTS: Readonly<Record<string, BodyStart>> = {
  'RFC 5322': reader({ lineEnd: /\r\n/, field: STRICT_FIELD }),
  'RFC 5322 with its obsolete syntax': reader({ lineEnd: /\r\n/, field: OLD_FIELD }),
  'a bare LF ends a line': reader({ lineEnd: /\r?\n/, field: OLD_FIELD }),
  'a bare CR ends a line': reader({ lineEnd: /\r\n|\r|\n/, field: OLD_FIELD }),
  'VT, FF, FS, GS and RS end a line': reader({
    lineEnd: new RegExp(['\r\n', '\r', '\n', '\v', '\f', '\x1c', '\x1d', '\x1e'].join('|')),
    field: OLD_FIELD,
  }),
  'a NUL ends a line': reader({ lineEnd: /\r?\n|\0/, field: OLD_FIELD }),
  'strings of C': reader({
    lineEnd: /\r?\n/,
    field: OLD_FIELD,
    seen: (line) => line.split('\0')[0] ?? '',
  }),
  'a blank line ends the header': reader({ lineEnd: /\r?\n/, field: OLD_FIELD, endsAtBlank: true }),
  'a bare CR ends a line, a blank one the header': reader({
    lineEnd: /\r\n|\r|\n/,
    field: OLD_FIELD,
    endsAtBlank: true,
  }),
  'Python email': python,
  NeoMutt: neomutt,
};
