/**
 * How `seal` and `deliver` fail, which mail servers run: what they print may end in a bounce that a stranger
 * reads, and what they exit with decides whether there is one.
 */
import { spawnSync } from 'node:child_process';
import { CommandError, EXIT } from './errors.ts';

/** Facts about the recipient or the message. All else is ours, or may pass. */
const PERMANENT: readonly string[] = ['data', 'noUser'];
const LOGGER_MS = 1000;

/** Returns what to print, without a path or a key in it, and what to exit with. The system's log gets all. */
export function failureForMta(error: unknown): { readonly lines: readonly string[]; readonly code: number } {
  const known = error instanceof CommandError ? error : new CommandError('software', String(error));
  const isFit = PERMANENT.includes(known.kind) || known.kind === 'tempFail';
  tellSystemLog(known.inLog ?? known.everything.join('; '));
  if (!isFit) return { lines: ['local trouble, try again later'], code: EXIT.tempFail };
  return { lines: known.lines, code: EXIT[known.kind] };
}

/** logger(1) is on every system with a syslog or a journal; without it only the operator loses something. */
function tellSystemLog(text: string): void {
  const args = ['-t', 'sealdir', '-p', 'mail.err', '--', text.replaceAll(/\s+/g, ' ')];
  spawnSync('/usr/bin/logger', args, { stdio: 'ignore', timeout: LOGGER_MS });
}
