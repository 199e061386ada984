/**
 * The options of `sealdir reseal`. Keys and folders are looked at before anything is touched: with a key that
 * does not fit, or a passphrase that does not unlock it, nothing happens.
 */
import { hostname } from 'node:os';
import { turnOffCoreDumps } from '../../edge/coredumps.ts';
import { realWorld } from '../../edge/world.ts';
import { KeyFileError } from '../../keys/blocks.ts';
import { type Certificate, parseCertificates } from '../../keys/certificates.ts';
import { judgeCertificate } from '../../keys/judgement.ts';
import { keyIdsOf, unlockAll } from '../../keys/oldkeys.ts';
import { MAX_KEY_FILE_BYTES } from '../../keys/parsedfiles.ts';
import { excessOf, type SealingKeys, sealingKeysOf } from '../../keys/sessionkeys.ts';
import { WORDS } from '../../keys/words.ts';
import { SecretOpener } from '../../opening/secretopener.ts';
import { readArguments } from '../arguments.ts';
import { CommandError } from '../errors.ts';
import { readInput } from '../inputfile.ts';
import type { Streams } from '../key/subcommand.ts';
import { checkDovecot, limitOf } from '../migrate/command.ts';
import { passphraseAskedOnce, secretKeysOf } from '../open.ts';
import { reseal } from './reseal.ts';

const OPTIONS = {
  key: { type: 'string', short: 'k', multiple: true },
  'passphrase-file': { type: 'string' },
  to: { type: 'string' },
  index: { type: 'string' },
  limit: { type: 'string' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

type Options = Readonly<
  Partial<Record<'passphrase-file' | 'to' | 'index' | 'limit', string>> &
    Partial<Record<'dry-run' | 'json', boolean>> & { readonly key?: readonly string[] }
>;

export async function resealCommand(args: readonly string[], { stdout, stderr }: Streams): Promise<number> {
  const given = readArguments([...args], OPTIONS);
  const options = given.options as Options;
  const [directory, extra] = given.operands;
  if (directory === undefined) throw new CommandError('usage', 'reseal: which Maildir? Give its directory');
  if (extra !== undefined) throw new CommandError('usage', `reseal: what is "${extra}"? Give one Maildir`);
  if (options.to === undefined)
    throw new CommandError('usage', 'reseal: to which key? Give the new public key with --to NEW.asc');
  if (options.key === undefined)
    throw new CommandError(
      'usage',
      'reseal: which secret key opens the messages? Give one with -k OLDSECRET',
    );
  const bytesPerSecond = limitOf(options.limit ?? '0');
  await turnOffCoreDumps(); // one that cannot be turned off is no reason to leave mail with an old key
  const world = realWorld(hostname());
  const keys = await newKeys(options.to, world.now());
  const newIds = new Set(keys.usable.flatMap((each) => each.keys.map(({ keyId }) => keyId)));
  const isTrial = options['dry-run'] === true;
  const { openers, ids } = await oldKeys(options, { canAsk: stderr.isTTY === true, isTrial });
  const oldIds = new Set([...ids].filter((id) => !newIds.has(id)));
  if (oldIds.size === 0)
    throw new CommandError('data', `each key of -k is one of ${options.to}: there is nothing to seal anew`);
  await checkDovecot(options.index);
  return reseal({
    stdout,
    stderr,
    world,
    directory,
    index: options.index,
    bytesPerSecond,
    isTrial,
    form: options.json === true ? 'json' : 'text',
    keys: { openers, keys, oldIds, newIds },
  }).finally(() => {
    for (const each of openers) each.close();
  });
}

/** Judges the new key as a key directory would. Throws CommandError if it cannot be sealed to. */
async function newKeys(file: string, nowMs: number): Promise<SealingKeys> {
  const certificates = await certificatesOf(file);
  const rules = { subkeys: 'all' } as const;
  const judged = await Promise.all(
    certificates.map((each) => judgeCertificate(each, new Date(nowMs), rules)),
  );
  const unfit = judged.find((each) => 'reason' in each);
  if (unfit !== undefined) throw notFit(`the key in ${file} ${unfit.reason}`);
  const usable = judged.filter((each) => 'keys' in each);
  const excess = excessOf(usable);
  if (excess !== undefined) throw notFit(`the key in ${file} ${excess}`);
  return sealingKeysOf(usable);
}

async function certificatesOf(file: string): Promise<readonly Certificate[]> {
  const tooLarge = WORDS.tooLarge(MAX_KEY_FILE_BYTES / 1024);
  const bytes = await readInput(file, { what: 'key file', most: MAX_KEY_FILE_BYTES, tooLarge });
  return parseCertificates(bytes).catch((error: unknown) => {
    if (error instanceof KeyFileError) throw notFit(`${file} ${error.message}`);
    throw error;
  });
}

function notFit(why: string): CommandError {
  return new CommandError('data', `${why}; nothing was changed`);
}

interface How {
  /** Whether there is somebody at a terminal. */
  readonly canAsk: boolean;
  readonly isTrial: boolean;
}

/** What opens the messages, and the ids of its keys. */
interface OldKeys {
  readonly openers: readonly SecretOpener[];
  readonly ids: ReadonlySet<string>;
}

/** Reads the secret keys, and unlocks them now: nobody is there to ask when half of it is done. */
async function oldKeys(options: Options, { canAsk, isTrial }: How): Promise<OldKeys> {
  const openers: SecretOpener[] = [];
  const ids = new Set<string>();
  const passphraseFile = options['passphrase-file'];
  for (const file of options.key ?? []) {
    const keys = await secretKeysOf(file);
    const passphrase = passphraseAskedOnce({ passphraseFile, canAsk }, file);
    for (const id of keyIdsOf(keys)) ids.add(id);
    openers.push(new SecretOpener(keys, passphrase));
    if (isTrial || (await unlockAll(keys, passphrase))) continue;
    const isAsked = passphraseFile !== undefined || canAsk;
    const why = isAsked ? 'it is not unlocked by this passphrase' : 'it is locked: give --passphrase-file';
    throw notFit(`${file}: no secret key in it can be used: ${why}`);
  }
  return { openers, ids };
}
