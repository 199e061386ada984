/** What a check finds: what is wrong, why that matters, and how to mend it, each on one line. */
import { visible } from '../core/visible.ts';
import { CATALOGUE, type FindingId } from './catalogue.ts';

export interface Finding {
  readonly id: FindingId;
  /**
   * `error`: mail is not delivered, or not safe. `warning`: one user's trouble, or one that may come. `note`:
   * what was chosen, and an operator should not forget.
   */
  readonly level: 'error' | 'warning' | 'note';
  readonly what: string;
  readonly why: string;
  readonly fix: string;
  /** The fix as a line for a shell of root, if it is one. */
  readonly command?: string;
}

/** A fix that is a line for a shell; `or` is another way, in words. */
export interface Command {
  readonly command: string;
  readonly or?: string;
}

export function error(id: FindingId, what: string, fix: string | Command): Finding {
  return finding('error', id, what, fix);
}

export function warning(id: FindingId, what: string, fix: string | Command): Finding {
  return finding('warning', id, what, fix);
}

export function note(
  id: FindingId,
  what: string,
  fix: string | Command = 'none is needed, if that is meant',
): Finding {
  return finding('note', id, what, fix);
}

function finding(level: Finding['level'], id: FindingId, what: string, fix: string | Command): Finding {
  const found = { id, level, what: visible(what), why: CATALOGUE[id] };
  if (typeof fix === 'string') return { ...found, fix: visible(fix) };
  const { command, or } = fix;
  const line = visible(or === undefined ? command : `${command}  # or ${or}`);
  // a name that cannot be shown as it is cannot be pasted either
  return visible(command) === command ? { ...found, fix: line, command } : { ...found, fix: line };
}

/** Quotes a path for a shell. */
export function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
