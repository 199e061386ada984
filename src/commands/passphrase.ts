/**
 * Passphrases from a file, from a descriptor, or from whoever sits at the terminal. Never from the command
 * line or the environment, which others can read while the command runs.
 */
import { isUtf8 } from 'node:buffer';
import { CommandError } from './errors.ts';
import { readInput } from './inputfile.ts';
import { atTerminal } from './prompt.ts';

/** A passphrase is a line. */
const MOST_BYTES = 64 * 1024;

/** Where a new passphrase comes from. */
export interface PassphraseChoice {
  readonly file: string | undefined;
  readonly fd: string | undefined;
  /** Whether the key is to have none. */
  readonly none: boolean;
  /** Whether there is somebody at a terminal. */
  readonly canAsk: boolean;
}

/** Returns what a file holds without the line end at its end. Throws CommandError. */
export async function readPassphrase(file: string): Promise<string> {
  const bytes = await readInput(file, { what: 'passphrase file', most: MOST_BYTES });
  const text = isUtf8(bytes) ? bytes.toString('utf8') : undefined;
  bytes.fill(0);
  // each bad byte would become the same character, and other bytes would do as well
  if (text === undefined) throw new CommandError('data', `${file} is no text in UTF-8`);
  return text.replace(/\r?\n$/, '');
}

/**
 * Returns what `--passphrase-file` or `--passphrase-fd` name, for the option that `name` stands for;
 * undefined if neither was given. Throws CommandError.
 */
export async function givenSecret(
  { file, fd }: Pick<PassphraseChoice, 'file' | 'fd'>,
  name: string,
): Promise<string | undefined> {
  if (file !== undefined && fd !== undefined)
    throw new CommandError('usage', `give one of --${name}-file and --${name}-fd`);
  if (fd !== undefined && !/^\d{1,9}$/.test(fd))
    throw new CommandError('usage', `--${name}-fd takes the number of a descriptor, not "${fd}"`);
  const source = file ?? (fd === undefined ? undefined : `/dev/fd/${fd}`);
  return source === undefined ? undefined : readPassphrase(source);
}

/** Returns the passphrase for a new key, or undefined if it is to have none. Throws CommandError. */
export async function newPassphrase(choice: PassphraseChoice): Promise<string | undefined> {
  const { file, fd, none, canAsk } = choice;
  const given = [file !== undefined, fd !== undefined, none].filter(Boolean).length;
  if (given > 1)
    throw new CommandError('usage', 'give one of --passphrase-file, --passphrase-fd and --no-passphrase');
  if (none) return undefined;
  const read = await givenSecret({ file, fd }, 'passphrase');
  if (read !== undefined) return fit(read);
  if (!canAsk)
    throw new CommandError('usage', 'no terminal to ask for a passphrase: give --passphrase-file FILE');
  return askTwice();
}

function askTwice(): Promise<string> {
  return atTerminal(async (terminal) => {
    const first = fit(await terminal.ask('Passphrase for the new key: ', 'hidden'));
    if ((await terminal.ask('The same once more: ', 'hidden')) === first) return first;
    throw new CommandError('data', 'the two passphrases differ: nothing was made');
  });
}

function fit(passphrase: string): string {
  if (passphrase === '')
    throw new CommandError('data', 'the passphrase is empty: give one, or say --no-passphrase');
  // other programs read its first line only
  if (/[\r\n\0]/.test(passphrase)) throw new CommandError('data', 'the passphrase has more than one line');
  return passphrase;
}
