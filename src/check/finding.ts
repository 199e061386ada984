/** What a check finds: a sentence about what is wrong, and another about how to mend it. */
import { visible } from '../core/visible.ts';

export interface Finding {
  /** `error`: mail is not delivered, or not safe. `warning`: one user's trouble, or one that may come. */
  readonly level: 'error' | 'warning';
  readonly what: string;
  readonly fix: string;
}

export function error(what: string, fix: string): Finding {
  return { level: 'error', what: visible(what), fix: visible(fix) };
}

export function warning(what: string, fix: string): Finding {
  return { level: 'warning', what: visible(what), fix: visible(fix) };
}

/** Quotes a path for a shell. */
export function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
