/** `sealdir key log`: prints the key-change log, or follows its chain from the first line to the last. */
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { addressRules } from '../../config/rules.ts';
import type { Settings } from '../../config/settings.ts';
import { canonicalAddress, catchAllOf, parseAddress } from '../../core/address.ts';
import { visible } from '../../core/visible.ts';
import { type Entry, hashOf, lineOf } from '../../keylog/entry.ts';
import { StateFiles } from '../../keylog/files.ts';
import { LOG_FILE } from '../../keylog/keylog.ts';
import { entriesOf, verify } from '../../keylog/verify.ts';
import { pathsOf } from '../../site.ts';
import { BROKEN_LOG_EXIT, CommandError } from '../errors.ts';
import { settingsOf } from '../settings.ts';
import type { KeyArguments, Streams } from './subcommand.ts';

interface KeyLogOptions {
  readonly settings: Settings;
  /** Whose entries alone are printed, in any spelling. */
  readonly address: string | undefined;
  readonly form: 'text' | 'json';
  /** A hash that one of the entries has to have. */
  readonly head: string | undefined;
  print(text: string): void;
}

/** Throws CommandError if there is no log to be read. */
export async function run(given: KeyArguments, { stdout }: Streams): Promise<number> {
  const [address] = given.operands;
  const head = given.text('head');
  const verifies = given.has('verify');
  if (head !== undefined && !/^[0-9a-f]{64}$/i.test(head))
    throw new CommandError('usage', '--head takes a hash of 64 hexadecimal digits');
  if (head !== undefined && !verifies) throw new CommandError('usage', '--head goes with --verify');
  if (verifies && address !== undefined)
    throw new CommandError('usage', 'key log --verify is about the whole log: leave the address out');
  const { settings } = await settingsOf(given.text('config'), hostname());
  const form = given.has('json') ? 'json' : 'text';
  const options = {
    settings,
    address,
    form,
    head,
    print: (text: string) => void stdout.write(text),
  } as const;
  const bytes = readLog(pathsOf(settings).keyState);
  if (verifies) return printVerdict(bytes, options);
  printEntries(bytes, options);
  return 0;
}

function readLog(directory: string): Buffer {
  try {
    if (!statSync(directory).isDirectory()) throw new Error('is no directory');
    const bytes = new StateFiles(directory).read(LOG_FILE);
    if (bytes !== undefined) return bytes;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandError('noInput', `keys.state: ${directory} cannot be read: ${code ?? message}`);
  }
  const what = 'no key has been logged yet: `sealdir serve` does it';
  throw new CommandError('noInput', `${directory} has no ${LOG_FILE}: ${what}`);
}

function printVerdict(bytes: Buffer, { head: asked, settings, print }: KeyLogOptions): number {
  const { entries, head, problem, askedFor } = verify(bytes, asked);
  const path = `${pathsOf(settings).keyState}/${LOG_FILE}`;
  const isMissing = asked !== undefined && askedFor === undefined;
  if (problem !== undefined || isMissing) {
    const missing = `no entry has the hash ${asked?.toLowerCase()}: it was cut, or written anew, since`;
    print(`${path}: ${problem === undefined ? missing : `line ${problem.line} ${problem.what}`}\n`);
    return BROKEN_LOG_EXIT;
  }
  const found = askedFor === undefined ? '' : `; entry ${askedFor} has the hash that was asked for`;
  print(`${entries} entries, unbroken${found}\nhead ${head}\n`);
  return 0;
}

function printEntries(bytes: Buffer, { settings, address, form, print }: KeyLogOptions): void {
  const wanted = address === undefined ? undefined : canonical(address, settings);
  if (address !== undefined && wanted === undefined)
    throw new CommandError('usage', `"${address}" is not an address`);
  for (const entry of entriesOf(bytes)) {
    if (wanted !== undefined && entry.address !== wanted) continue;
    const hash = hashOf(lineOf(entry).slice(0, -1));
    print(form === 'json' ? `${JSON.stringify({ ...entry, hash })}\n` : textOf(entry));
  }
}

function textOf({ n, time, address, event, before, after, lost, by }: Entry): string {
  const who = by.user ?? (by.uid === undefined ? '' : `uid ${by.uid}`);
  const how = `${by.how}${who === '' ? '' : ` (${who})`}`;
  const fingerprints = (list: readonly string[]) => (list.length === 0 ? '-' : list.join(' '));
  const keys =
    event === 'first-look' || (event === 'came' && before.fingerprints.length === 0)
      ? fingerprints(after.fingerprints)
      : `${fingerprints(before.fingerprints)} -> ${fingerprints(after.fingerprints)}`;
  const note = lost ? '  the file says less than before' : '';
  return `${n}  ${time}  ${event.padEnd(10)}  ${visible(address)}  ${visible(keys)}  ${visible(how)}${note}\n`;
}

/** Returns an address as the log has it; `@example.com` is the key of a domain. */
function canonical(address: string, settings: Settings): string | undefined {
  const same = addressRules(settings);
  if (address.startsWith('@')) return catchAllOf(address.slice(1), same);
  const parsed = parseAddress(address);
  return parsed && canonicalAddress(parsed, same);
}
