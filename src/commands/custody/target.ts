/** Which wrapped file a command is about: that of an address on the server, or one that is named. */
import { hostname } from 'node:os';
import { addressRules } from '../../config/rules.ts';
import type { SameAddress } from '../../core/address.ts';
import { TooBusyError } from '../../core/semaphore.ts';
import { ChangeError } from '../../custody/change.ts';
import { LockedError, type Named, placeOf, readWrapped } from '../../custody/place.ts';
import { type WrappedFile, WrappedFileError } from '../../custody/wrappedfile.ts';
import { pathsOf } from '../../site.ts';
import { CommandError } from '../errors.ts';
import { canonicalOf } from '../key/site.ts';
import type { KeyArguments } from '../key/subcommand.ts';
import { settingsOf } from '../settings.ts';

export interface Site {
  /** Where the wrapped files are. */
  readonly directory: string;
  readonly same: SameAddress;
}

export async function gatewaySite(given: KeyArguments): Promise<Site> {
  const { settings } = await settingsOf(given.text('config'), hostname());
  return { directory: pathsOf(settings).gateway, same: addressRules(settings) };
}

export interface Target {
  readonly place: Named;
  /** The operands after the one that names the file. */
  readonly rest: readonly string[];
}

/** `command` is for the sentence if nothing is named. Throws CommandError. */
export async function targetOf(given: KeyArguments, command: string): Promise<Target> {
  const [address, ...rest] = given.operands;
  const path = given.text('file');
  if (path !== undefined) {
    if (given.text('config') !== undefined)
      throw new CommandError('usage', `${command}: with --file no configuration is read: leave out -c`);
    return { place: { path }, rest: given.operands };
  }
  if (address === undefined)
    throw new CommandError('usage', `${command}: whose key? Give an ADDRESS, or --file FILE`);
  const { directory, same } = await gatewaySite(given);
  return { place: placeOf(directory, canonicalOf(address, same)), rest };
}

/** Throws CommandError if there is no such file. */
export async function wrappedAt(place: Named): Promise<WrappedFile> {
  const file = await readWrapped(place).catch(asCommandError);
  if (file !== undefined) return file;
  const { address, path } = place;
  throw new CommandError(
    'noInput',
    address === undefined ? `${path} is not there` : `${address} has no wrapped key: ${path} is not there`,
  );
}

/** Asks something about a file, before anybody is asked for a secret. Throws CommandError. */
export async function checkedAt<T>(place: Named, check: (file: WrappedFile) => T): Promise<T> {
  const file = await wrappedAt(place);
  try {
    return check(file);
  } catch (error) {
    return asCommandError(error);
  }
}

/** Turns what the room says into what a command says. */
export function asCommandError(error: unknown): never {
  if (error instanceof WrappedFileError || error instanceof ChangeError)
    throw new CommandError('data', `${error.message}; nothing was changed`);
  if (error instanceof TooBusyError) throw new CommandError('tempFail', error.message);
  if (error instanceof LockedError) throw new CommandError('tempFail', `${error.message}: try again`);
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  const kind = ['ENOENT', 'EACCES', 'EPERM', 'ELOOP', 'ENOTDIR'].includes(code) ? 'noInput' : 'tempFail';
  throw new CommandError(kind, `${message}; nothing was changed`);
}
