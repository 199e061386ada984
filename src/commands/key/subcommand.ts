/** What a subcommand, such as those of `sealdir key`, is given. Types only. */

/** Where a command reads and writes. */
export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Returns standard input, or throws if there is none that can be read. */
  stdin(): AsyncIterable<Buffer>;
}

/** The options and operands of a subcommand. */
export interface KeyArguments {
  readonly operands: readonly string[];
  text(option: string): string | undefined;
  /** Returns the values of an option that may be there several times. */
  all(option: string): readonly string[];
  has(option: string): boolean;
}

export type Run = (given: KeyArguments, streams: Streams) => Promise<number>;
