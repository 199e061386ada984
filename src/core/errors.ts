/**
 * An expected failure of one recipient's copy. It is thrown where a value cannot be returned, and the spine
 * catches it.
 */
import type { Why } from './outcome.ts';

export class CopyFailure extends Error {
  readonly why: Why;

  /** `cause` goes to the log only. */
  constructor(why: Why, cause?: unknown) {
    super(why, { cause });
    this.why = why;
  }
}
