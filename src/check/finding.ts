/** What a check finds: one sentence about what is wrong, and one about how to mend it. */

export interface Finding {
  /** `error`: mail is not delivered, or not safe. `warning`: it may come to that. */
  readonly level: 'error' | 'warning';
  readonly what: string;
  readonly fix: string;
}

export function error(what: string, fix: string): Finding {
  return { level: 'error', what, fix };
}

export function warning(what: string, fix: string): Finding {
  return { level: 'warning', what, fix };
}
