/** What a check finds: a sentence about what is wrong, and another about how to mend it. */

export interface Finding {
  /** `error`: mail is not delivered, or not safe. `warning`: one user's trouble, or one that may come. */
  readonly level: 'error' | 'warning';
  readonly what: string;
  readonly fix: string;
}

export function error(what: string, fix: string): Finding {
  return { level: 'error', what: printable(what), fix: printable(fix) };
}

export function warning(what: string, fix: string): Finding {
  return { level: 'warning', what: printable(what), fix: printable(fix) };
}

/** Quotes a path for a shell. */
export function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}

/** Shows control characters as text: names of files and user IDs of keys are not written by us. */
function printable(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
