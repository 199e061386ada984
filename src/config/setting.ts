// What is declared of one setting.

import type { Kind } from './kinds.ts';

/** What the settings need to know about the machine. The caller provides it (`os.hostname()`). */
export type Context = { readonly hostname: string };

export type Written = string | number | boolean | readonly string[];
export type FromMachine = { readonly machine: keyof Context };

export type Setting = {
  readonly kind: Kind<unknown>;
  /** The value as written in a file, or the name of the value that the machine provides. */
  readonly default: Written | FromMachine;
  readonly doc: string;
  /** A running server keeps the old value until it is restarted. */
  readonly restart?: true;
};
