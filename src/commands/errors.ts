/** How commands fail: with a sentence for the terminal and an exit code of sysexits.h. */

export const EXIT = {
  usage: 64,
  data: 65,
  noInput: 66,
  noUser: 67,
  software: 70,
  /** What was printed could not be written. */
  ioError: 74,
  tempFail: 75,
  config: 78,
  /** Not of sysexits.h: what a shell has for a command that Ctrl-C ended. */
  interrupted: 130,
} as const;

/** What `check` exits with: no codes of sysexits.h, so that a script can tell warnings from errors. */
export const CHECK_EXIT = { clean: 0, warnings: 1, errors: 2 } as const;

/** What `key log --verify` exits with if the log is not what it was. */
export const BROKEN_LOG_EXIT = 1;

export class CommandError extends Error {
  readonly kind: keyof typeof EXIT;
  readonly lines: readonly string[];
  /** What is for operators only: it may name files and keys. */
  reason: string | undefined;
  /** What the log of the system gets instead of all, where that would name addresses. */
  inLog: string | undefined;

  /** A line end inside of a line is shown as text, since it came with a value. */
  constructor(kind: keyof typeof EXIT, ...lines: readonly string[]) {
    super(lines.join('\n'));
    this.kind = kind;
    this.lines = lines;
  }

  get everything(): readonly string[] {
    return this.reason === undefined ? this.lines : [...this.lines, this.reason];
  }

  /** Adds what is for operators only. */
  because(reason: string): this {
    this.reason = reason;
    return this;
  }
}
