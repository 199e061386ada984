// Reads data of IMAP (RFC 3501 §9) that is on one line or has literals: lists, strings, NIL, numbers.

import assert from 'node:assert/strict';

/** NIL is null. A number is a text without quotation marks. */
export type ImapData = string | null | readonly ImapData[];

/** `text`: a byte in each character. Throws if it is not exactly one value. */
export function readImapData(text: string): ImapData {
  let at = 0;
  const value = readValue();
  assert.equal(at, text.length, `there is more after ${text.slice(0, at)}`);
  return value;

  function readValue(): ImapData {
    if (text[at] === '(') return readList();
    if (text[at] === '"') return take(/"((?:[^"\\\r\n\u0080-\u00ff]|\\["\\])*)"/y).replace(/\\(.)/g, '$1');
    if (text[at] === '{') {
      const length = Number(take(/\{(\d+)\}\r\n/y));
      at += length;
      assert.ok(at <= text.length, 'a literal is cut off');
      return text.slice(at - length, at);
    }
    const atom = take(/(NIL|\d+)/y);
    return atom === 'NIL' ? null : atom;
  }

  /** Between the parts of a multipart, and between addresses, there is no blank. */
  function readList(): readonly ImapData[] {
    const values: ImapData[] = [];
    at++;
    while (text[at] !== ')') {
      values.push(readValue());
      if (text[at] === ' ') at++;
      else assert.ok(text[at] === ')' || text[at] === '(', `${text.slice(at - 20, at + 20)} at ${at}`);
    }
    at++;
    return values;
  }

  function take(pattern: RegExp): string {
    pattern.lastIndex = at;
    const [all, inside] = pattern.exec(text) ?? [];
    assert.ok(all !== undefined && inside !== undefined, `no value: ${text.slice(at, at + 40)}`);
    at += all.length;
    return inside;
  }
}
