/**
 * Makes text safe to show. Addresses, names of files, and user IDs of keys are written by others: in a log or
 * on a terminal they must neither act nor hide.
 */

/** Controls, marks that turn the direction of text, all else that cannot be seen, and Unicode's line ends. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The same but for what JSON escapes by itself, and for code points that only a newer Unicode has. */
const INVISIBLE_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Returns the text as one line, with `\u001b` in place of ESC, and so on. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, escaped);
}

/** Does so for a path with one character for each byte (latin1), since names of files need not be UTF-8. */
export function visiblePath(path: string): string {
  return visible(Buffer.from(path, 'latin1').toString('utf8'));
}

/** Returns the same JSON, without a character that a terminal obeys or a reader does not see. */
export function visibleJson(line: string): string {
  return line.replace(INVISIBLE_IN_JSON, escaped);
}

/** Returns each unit of UTF-16 as JSON writes it. */
function escaped(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
