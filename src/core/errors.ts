/** An expected failure of one recipient's copy, thrown where a value cannot be returned; caught by the spine. */
import type { Why } from './outcome.ts';

export class CopyFailure extends Error {
  readonly why: Why;

  /** `cause` is for the log only. */
  constructor(why: Why, cause?: unknown) {
    super(why, { cause });
    this.why = why;
  }
}
