/**
 * `sealdir seal`: a message on standard input -> the same message as PGP/MIME on standard output, or as it
 * came if it is encrypted to these keys already (D45); for Exim's transport_filter and for pipes. What fails
 * before the first byte gives no output at all; what fails later gives an exit code that makes the MTA keep
 * its message.
 */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { headerPolicyRule, relayRule } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { parseAddress } from '../core/address.ts';
import { CopyFailure } from '../core/errors.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import { UNMETERED } from '../core/meter.ts';
import { replyOf } from '../core/outcome.ts';
import type { Unusable } from '../core/unusable.ts';
import type { World } from '../core/world.ts';
import { isFor } from '../delivery/keeping.ts';
import { keepOrSealMessage } from '../delivery/keepmessage.ts';
import { resolve } from '../delivery/resolve.ts';
import { type Selection, select } from '../delivery/select.ts';
import { KeyFileError } from '../keys/blocks.ts';
import { parseCertificates } from '../keys/certificates.ts';
import { MAX_KEY_FILE_BYTES } from '../keys/parsedfiles.ts';
import type { KeyEntry } from '../keys/source.ts';
import { WORDS } from '../keys/words.ts';
import { addressingOf, keyRulesOf, keySourceOf } from '../site.ts';
import { CommandError } from './errors.ts';
import { readInput } from './inputfile.ts';

export interface SealOptions {
  readonly settings: Settings;
  readonly world: World;
  readonly recipient: string | undefined;
  readonly keyFile: string | undefined;
  /** Is told if the keys are not valid ones of the recipient. */
  warn(sentence: string, reasons: string): void;
}

/** Keys, and what is said of the recipient whose they are. */
interface Found {
  readonly entry: KeyEntry | undefined;
  readonly unusable?: Unusable | undefined;
  readonly headerPolicy: HeaderPolicy;
}

interface Chosen {
  readonly keys: Selection;
  readonly headerPolicy: HeaderPolicy;
}

/** A mail server may show it to a stranger. */
const NO_KEY = 'the recipient has no usable key';

export async function seal(input: Readable, output: Writable, options: SealOptions): Promise<void> {
  const { keys, headerPolicy } = await keysFor(options);
  const { world, settings } = options;
  const isTheirs = (keyIds: ReadonlySet<string>) => isFor(keys, keyIds);
  const sealed = keepOrSealMessage(input, {
    isTheirs: settings.store.encrypted === 'keep' ? isTheirs : undefined,
    world,
    meter: UNMETERED,
    keys,
    headerPolicy,
    maxHeaderBytes: settings.lmtp.max_header_size,
    isOwn: relayRule(settings),
  });
  try {
    for await (const piece of sealed) if (!output.write(piece)) await once(output, 'drain');
  } catch (error) {
    if (error instanceof CopyFailure && error.why === 'headerTooBig')
      throw new CommandError('data', 'the header of the message is too large');
    throw error;
  }
}

async function keysFor(options: SealOptions): Promise<Chosen> {
  const { settings, world, recipient, keyFile, warn } = options;
  if (keyFile !== undefined && recipient !== undefined)
    throw new CommandError('usage', 'give a recipient (-r) or a key (-k), not both');
  const { entry, unusable, headerPolicy } =
    keyFile !== undefined ? await keysOfFile(keyFile, settings) : await keysOf(options);
  const selected = await select(entry, keyRulesOf(settings, world), world.now(), unusable);
  if (!('why' in selected)) {
    const { storedAs, reasons } = selected;
    if (storedAs !== 'stored') warn(replyOf(storedAs).text, `${keyFile ?? recipient}: ${reasons.join('; ')}`);
    return { keys: selected, headerPolicy };
  }
  const isOfFile = keyFile !== undefined && selected.why !== 'siteKeyUnusable';
  const kind = !isOfFile && selected.why !== 'keyUnusable' ? 'tempFail' : 'data';
  const reasons = `${keyFile ?? recipient}: no usable key: ${selected.reasons.join('; ')}`;
  throw new CommandError(kind, NO_KEY).because(reasons);
}

async function keysOfFile(keyFile: string, { headers }: Settings): Promise<Found> {
  const tooLarge = WORDS.tooLarge(MAX_KEY_FILE_BYTES / 1024); // the verdict of the key directory
  const bytes = await readInput(keyFile, { what: 'key file', most: MAX_KEY_FILE_BYTES, tooLarge });
  try {
    const entry = { certificates: await parseCertificates(bytes), problems: [] };
    return { entry, headerPolicy: headers.policy };
  } catch (error) {
    if (error instanceof KeyFileError)
      throw new CommandError('data', NO_KEY).because(`${keyFile} ${error.message}`);
    throw error;
  }
}

async function keysOf(options: SealOptions): Promise<Found> {
  const { settings, world, recipient } = options;
  if (recipient === undefined || recipient === '')
    throw new CommandError('usage', 'give a recipient (-r ADDRESS) or a key (-k KEYFILE)');
  const address = parseAddress(recipient);
  if (address === undefined) throw notAnAddress(recipient);
  const keys = keySourceOf(settings, world);
  const couldNotAsk = (error: Error) => {
    throw new CommandError('tempFail', 'the recipient cannot be looked up at the moment').because(
      error.message,
    );
  };
  const addressing = addressingOf(settings, keys, world);
  try {
    const account = await resolve(address, addressing).catch(couldNotAsk);
    if ('why' in account) throw new CommandError('noUser', `${recipient}: no such recipient`);
    const entry = await keys.keysOf(account).catch(couldNotAsk);
    return { entry, unusable: account.unusable, headerPolicy: headerPolicyRule(settings)(account) };
  } finally {
    await addressing.recipients.close?.();
  }
}

function notAnAddress(recipient: string): CommandError {
  const [, within] = /^\s*<(.*)>\s*$/.exec(recipient) ?? [];
  if (within !== undefined)
    return new CommandError('usage', `write the address without its brackets: -r '${within}'`);
  return new CommandError('data', `"${recipient}" is not an address`);
}
