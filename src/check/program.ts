/** Asks a program of the mail server what its settings are. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const ANSWER_MS = 5000;
const MOST_BYTES = 4 * 1024 * 1024;

export type ProgramAnswer =
  | { readonly output: string }
  | { readonly why: string; readonly isMissing: boolean };

/** Runs it with a limit of time and of output. Never throws. */
export async function ask(program: string, args: readonly string[]): Promise<ProgramAnswer> {
  try {
    const options = { timeout: ANSWER_MS, maxBuffer: MOST_BYTES };
    return { output: (await promisify(execFile)(program, [...args], options)).stdout };
  } catch (failure) {
    const {
      code,
      killed,
      stderr = '',
    } = failure as NodeJS.ErrnoException & {
      readonly killed?: boolean;
      readonly stderr?: string;
    };
    const why =
      killed === true ? `no answer in ${ANSWER_MS / 1000} s` : (stderr.trim().split('\n').at(-1) ?? '');
    // a directory of PATH that is closed makes EACCES of it
    return {
      why: why === '' ? `it failed (${code})` : why,
      isMissing: code === 'ENOENT' || code === 'EACCES',
    };
  }
}
