/**
 * Passwords and codes of those who use `sealdir enroll`, `slots` and `recover`. A secret comes from the
 * terminal without echo, from a file, or from a descriptor; a code that is made goes to the terminal, or to
 * standard output where that was asked for.
 */
import { fstatSync, statSync } from 'node:fs';
import { visible } from '../../core/visible.ts';
import { type Derivations, usualLimits } from '../../custody/kdf.ts';
import { isWholeText, type Opened, openSlot, type Secret, secretOf } from '../../custody/slot.ts';
import { weaknessOf } from '../../custody/strength.ts';
import type { WrappedFile } from '../../custody/wrappedfile.ts';
import { turnOffCoreDumps } from '../../edge/coredumps.ts';
import { CommandError } from '../errors.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { givenSecret } from '../passphrase.ts';
import { atTerminal } from '../prompt.ts';
import { asCommandError } from './target.ts';

/** For a command alone on the machine of its user: nobody else waits for a derivation. */
export const ALONE = { ...usualLimits(), patienceMs: 600_000 };

export async function withoutCores({ stderr }: Streams): Promise<void> {
  const trouble = await turnOffCoreDumps();
  if (trouble !== undefined)
    stderr.write(`sealdir: core dumps could not be turned off (${visible(trouble)})\n`);
}

/** A file that a secret has opened. */
export interface OpenedFile extends Opened {
  /** What opened it, as it was typed, or as a code is printed. */
  readonly text: string;
}

/** Asks for a password or code, and opens a file with it. Throws CommandError if it opens nothing. */
export async function openWithSecret(
  file: WrappedFile,
  given: KeyArguments,
  streams: Streams,
  derivations: Derivations,
): Promise<OpenedFile> {
  const text = await presentSecret(file, given, streams);
  const secret = secretOf(text);
  try {
    const opened = await openSlot(file, secret, derivations).catch(asCommandError);
    if (opened !== undefined)
      return { ...opened, text: opened.slot.kind === 'password' ? text : secret.bytes.toString() };
  } finally {
    secret.bytes.fill(0);
  }
  throw new CommandError('data', `${whyNot(secret)}; nothing was changed`);
}

async function presentSecret(file: WrappedFile, given: KeyArguments, streams: Streams): Promise<string> {
  const [from, fd] = [given.text('password-file'), given.text('password-fd')];
  const text = (await givenSecret({ file: from, fd }, 'password')) ?? (await asked(file, streams));
  if (text === '') throw new CommandError('data', 'the password is empty; nothing was changed');
  return text;
}

function asked({ address }: WrappedFile, { stderr }: Streams): Promise<string> {
  if (stderr.isTTY !== true)
    throw new CommandError('usage', 'no terminal to ask for a password: give --password-file FILE');
  const question = `A password or code that opens the key of ${address}: `;
  return atTerminal((terminal) => terminal.ask(question, 'hidden'));
}

function whyNot({ isMistyped }: Secret): string {
  return isMistyped
    ? 'this is no password of it, and as a code it has a typing error in it'
    : 'this opens none of its slots';
}

/** Tells whether a password was asked for, in whichever way it comes. */
export function wantsPassword(given: KeyArguments): boolean {
  return given.has('password') || ['new-password-file', 'new-password-fd'].some((each) => given.text(each));
}

/** Returns a new password. Throws CommandError if it is too weak, or typed in two ways. */
export async function newPassword(
  address: string,
  given: KeyArguments,
  { stderr }: Streams,
): Promise<string> {
  const [file, fd] = [given.text('new-password-file'), given.text('new-password-fd')];
  const read = await givenSecret({ file, fd }, 'new-password');
  if (read !== undefined) return strong(read, address);
  if (stderr.isTTY !== true)
    throw new CommandError('usage', 'no terminal to ask for a new password: give --new-password-file FILE');
  return atTerminal(async (terminal) => {
    const first = strong(await terminal.ask(`New password for ${address}: `, 'hidden'), address);
    if ((await terminal.ask('The same once more: ', 'hidden')) === first) return first;
    throw new CommandError('data', 'the two passwords differ; nothing was changed');
  });
}

function strong(password: string, address: string): string {
  if (/[\r\n\0]/.test(password)) throw new CommandError('data', 'the password has more than one line');
  if (!isWholeText(password)) throw new CommandError('data', 'the password has U+FFFD in it');
  const weakness = weaknessOf(password, address);
  if (weakness === undefined) return password;
  throw new CommandError('data', `this password is too weak: ${weakness}; nothing was changed`);
}

/** Refuses to make a code that would go into a file, or nowhere, unless that was asked for. */
export function refuseUnseen(given: KeyArguments, { stdout }: Streams): void {
  if (stdout.isTTY === true) return;
  // what the shell closes (>&-) Node opens as this
  if ('fd' in stdout && stdout.fd === 1 && fstatSync(1).rdev === statSync('/dev/null').rdev)
    throw new CommandError('ioError', 'standard output is closed, and a code that is made would be lost');
  if (given.has('print-codes')) return;
  throw new CommandError(
    'usage',
    'standard output is no terminal, and a code would go there: say --print-codes',
  );
}
