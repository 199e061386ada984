/**
 * What `key add` and `key remove` have in common: whoever changes a key that is there is asked first, then
 * the changes are made under a lock. Every change goes through keys/exchange.ts.
 */
import { ChangedMeanwhileError, type Exchanged, exchangeKeyFile } from '../../keys/exchange.ts';
import { CommandError } from '../errors.ts';
import { untilInterrupted } from '../interrupt.ts';
import { atTerminal } from '../prompt.ts';
import { type How, openLogged } from './logged.ts';
import type { Plan } from './planned.ts';
import type { KeySite } from './site.ts';
import type { KeyArguments, Streams } from './subcommand.ts';

/** Asks whether a change is meant, unless --yes says so. Throws CommandError if it is not. */
export async function confirm(
  plans: readonly Pick<Plan, 'toConfirm'>[],
  given: KeyArguments,
  { stderr }: Streams,
): Promise<void> {
  const asking = plans.filter(({ toConfirm }) => toConfirm.length > 0);
  if (asking.length === 0 || given.has('yes')) return;
  const lines = [...new Set(asking.flatMap(({ toConfirm }) => toConfirm))];
  if (stderr.isTTY !== true)
    throw new CommandError('data', ...lines, 'say --yes if that is meant; nothing was changed');
  await atTerminal(async (terminal) => {
    const all = lines.map((line) => line.replace(/\n/g, ' ')).join('\n');
    const answer = await terminal.ask(`${all}\nIs that meant? (yes/no) `, 'shown');
    if (answer.trim().toLowerCase() !== 'yes') throw new CommandError('data', 'nothing was changed');
  });
}

/**
 * Makes the changes, one recipient after the other; Ctrl-C ends it between two of them. Throws CommandError
 * if one could not be made, which says what is done already.
 */
export async function apply(
  plans: readonly Plan[],
  site: KeySite,
  how: How,
  tell: (done: readonly Exchanged[]) => void,
): Promise<void> {
  if (plans.every(({ changes }) => changes.length === 0)) return;
  const { path, former, world } = site;
  const logged = openLogged(site, how);
  try {
    await untilInterrupted(async (pause) => {
      for (const plan of plans.filter(({ changes }) => changes.length > 0)) {
        pause();
        const done: Exchanged[] = [];
        await logged.change(plan, site, async () => {
          for (const change of plan.changes)
            done.push(await exchangeKeyFile({ ...change, directory: path, former }, world).catch(notMade));
        });
        tell(done);
      }
    });
  } finally {
    logged.close();
  }
}

function notMade(error: unknown): never {
  if (error instanceof ChangedMeanwhileError)
    throw new CommandError('tempFail', `${error.message}: look at it, and try again`);
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  throw new CommandError('tempFail', `the key could not be changed: ${message}`);
}
