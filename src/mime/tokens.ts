/**
 * Structured header fields as words and comments (RFC 5322 §3.2). Comments nest, and quoted text may hold
 * brackets. Knows no field, and reads each character once.
 */

export interface Token {
  readonly kind: 'word' | 'comment';
  /** Of a comment what is between its brackets, with white space as one blank. */
  readonly text: string;
}

const MOST_TOKENS = 40;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;

/** Returns those before the first semicolon, and no more than a sensible field has. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let start = 0;
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length && tokens.length < MOST_TOKENS; at++) {
    const code = text.charCodeAt(at);
    if (code > SPACE && code !== QUOTE && code !== OPEN && code !== CLOSE && !isMark(code)) continue;
    if (code === BACKSLASH && (depth > 0 || isQuoted)) at++;
    else if (code === QUOTE && depth === 0) isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (code === OPEN) {
      if (depth++ > 0) continue;
      if (at > start) tokens.push({ kind: 'word', text: text.slice(start, at) });
      start = at + 1;
    } else if (code === CLOSE && depth > 0) {
      if (--depth > 0) continue;
      tokens.push({ kind: 'comment', text: unfolded(text.slice(start, at)) });
      start = at + 1;
    } else if (depth === 0 && (isBlank(code) || code === SEMICOLON)) {
      if (at > start) tokens.push({ kind: 'word', text: text.slice(start, at) });
      if (code === SEMICOLON) return tokens;
      start = at + 1;
    }
  }
  const isWhole = depth === 0 && !isQuoted && tokens.length < MOST_TOKENS;
  if (isWhole && start < text.length) tokens.push({ kind: 'word', text: text.slice(start) });
  return tokens;
}

function isMark(code: number): boolean {
  return code === SEMICOLON || code === BACKSLASH;
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB || code === CR || code === LF;
}

function unfolded(text: string): string {
  return text.includes('\n') ? text.replace(/[ \t\r\n]+/g, ' ').trim() : text;
}
