/** What a check finds: a sentence about what is wrong, and another about how to mend it. */
import { visible } from '../core/visible.ts';

export interface Finding {
  /**
   * `error`: mail is not delivered, or not safe. `warning`: one user's trouble, or one that may come. `note`:
   * what was chosen, and an operator should not forget.
   */
  readonly level: 'error' | 'warning' | 'note';
  readonly what: string;
  readonly fix: string;
}

export function error(what: string, fix: string): Finding {
  return { level: 'error', what: visible(what), fix: visible(fix) };
}

export function warning(what: string, fix: string): Finding {
  return { level: 'warning', what: visible(what), fix: visible(fix) };
}

export function note(what: string): Finding {
  return { level: 'note', what: visible(what), fix: 'none is needed, if that is meant' };
}

/** Quotes a path for a shell. */
export function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
