/** argv -> options and operands. What somebody got wrong is said in one line, before anything is done. */
import { parseArgs } from 'node:util';
import { CommandError } from './errors.ts';

/**
 * The options of a command: those with a value, of which some may be there several times, and those without.
 */
export type OptionTable = Readonly<
  Record<string, { type: 'string' | 'boolean'; short?: string; multiple?: boolean }>
>;

export interface Arguments {
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly operands: readonly string[];
}

/** Throws a usage error for an option that does not exist, has no value, or is there twice. */
export function readArguments(args: string[], options: OptionTable): Arguments {
  try {
    const { values, positionals, tokens } = parseArgs({
      args,
      allowPositionals: true,
      tokens: true,
      options,
    });
    const names = tokens.flatMap((token) =>
      token.kind === 'option' && options[token.name]?.multiple !== true ? [token.name] : [],
    );
    const twice = names.find((name, n) => names.indexOf(name) !== n);
    if (twice !== undefined) throw new CommandError('usage', `--${twice} is given twice`);
    return { options: values as Arguments['options'], operands: positionals };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CommandError('usage', error.message.replaceAll(/([.?])\n/g, '$1 '));
  }
}

/** Refuses options that a command does not use, since somebody meant something by them. */
export function refuseStray(name: string, { options }: Arguments, takes: readonly string[]): void {
  const stray = Object.keys(options).find((option) => !takes.includes(option));
  if (stray !== undefined) throw new CommandError('usage', `${name} takes no --${stray}`);
}
