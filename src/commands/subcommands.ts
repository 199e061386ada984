/** Commands with subcommands: one file for each, imported when it is chosen, and a table of them. */
import { type Arguments, type OptionTable, readArguments, refuseStray } from './arguments.ts';
import { CommandError } from './errors.ts';
import type { KeyArguments, Run, Streams } from './key/subcommand.ts';

export interface Subcommand {
  readonly takes: readonly string[];
  readonly maxOperands: number;
  load(): Promise<{ readonly run: Run }>;
}

/** The subcommands of one command, by the words that are typed. */
export interface Group {
  readonly name: string;
  readonly usage: string;
  readonly options: OptionTable;
  readonly subcommands: Readonly<Record<string, Subcommand>>;
}

export async function runSubcommand(
  group: Group,
  [name = '', ...rest]: readonly string[],
  streams: Streams,
): Promise<number> {
  if (['--help', '-h', 'help'].includes(name)) {
    streams.stdout.write(group.usage);
    return 0;
  }
  const subcommand = Object.hasOwn(group.subcommands, name) ? group.subcommands[name] : undefined;
  if (subcommand === undefined) throw new CommandError('usage', ...group.usage.trimEnd().split('\n'));
  return runWith(subcommand, `${group.name} ${name}`, readArguments([...rest], group.options), streams);
}

/** Runs one command with what was typed after its name. */
export async function runWith(
  command: Subcommand,
  name: string,
  given: Arguments,
  streams: Streams,
): Promise<number> {
  refuseStray(name, given, command.takes);
  const extra = given.operands[command.maxOperands];
  if (extra !== undefined) throw new CommandError('usage', `${name}: what is "${extra}"?`);
  const { run } = await command.load();
  return run(keyArguments(given), streams);
}

function keyArguments({ options, operands }: Arguments): KeyArguments {
  return {
    operands,
    text(option) {
      const value = options[option];
      return typeof value === 'string' ? value : undefined;
    },
    all(option) {
      const value = options[option];
      return Array.isArray(value) ? value : [];
    },
    has: (option) => options[option] === true,
  };
}
