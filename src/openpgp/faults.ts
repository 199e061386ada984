/** Why encrypted packets are not opened: whoever tries another way next has to tell these apart. */

/** It has a form or an algorithm that is not known here. Nothing is said of whether it is whole. */
export class UnsupportedError extends Error {}

/** It was changed, or cut off: nobody can open it. */
export class ChangedError extends Error {
  constructor(cause?: unknown) {
    super('it was changed on its way, or cut off', { cause });
  }
}

/** It is whole, and would take more than a message may: no other way is tried. Its message says what. */
export class ExcessError extends Error {}
