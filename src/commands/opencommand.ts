/** `sealdir open`: one message to standard output, or files and folders into a directory. */
import { once } from 'node:events';
import type { Environment } from '../agent/agent.ts';
import type { World } from '../core/world.ts';
import { turnOffCoreDumps } from '../edge/coredumps.ts';
import { CommandError } from './errors.ts';
import { type Message, withMessage } from './inputfile.ts';
import { openerOf, openWith } from './open.ts';

interface Options {
  readonly key?: string;
  readonly 'passphrase-file'?: string;
  readonly original?: boolean;
  readonly agent?: boolean;
  readonly into?: string;
}

interface Standard {
  stdin(): AsyncIterable<Buffer>;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly world: Pick<World, 'micros'>;
  readonly environment: Environment;
}

/** Resolves to the exit code. Throws CommandError. */
export async function runOpen(
  options: Options,
  paths: readonly string[],
  standard: Standard,
): Promise<number> {
  const { stdin, stdout, stderr, world, environment } = standard;
  await turnOffCoreDumps(); // one that cannot be turned off is no reason to leave mail unread
  const how = {
    keyFile: options.key,
    passphraseFile: options['passphrase-file'],
    canAsk: stderr.isTTY === true,
    agent: options.agent === true ? environment : undefined,
    wanted: options.original === true ? 'original' : 'held',
  } as const;
  if (options.into !== undefined) {
    const { openInto } = await import('./into/into.ts');
    return openInto({ into: options.into, paths, stdout, stderr, world }, how);
  }
  const [file, another] = paths;
  if (another !== undefined)
    throw new CommandError('usage', 'open: one message is printed; several need --into DIR');
  const print = async (message: Message) => {
    const opener = await openerOf(how);
    try {
      for await (const piece of await openWith(opener, message, how.wanted))
        if (!stdout.write(piece)) await once(stdout, 'drain');
    } finally {
      opener.close();
    }
  };
  await (file === undefined ? print(stdin()) : withMessage(file, print));
  return 0;
}
