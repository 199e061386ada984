/**
 * `sealdir seal`: a message on standard input -> the same message as PGP/MIME on standard
 * output, for Exim's transport_filter and for pipes. What fails before the first byte gives
 * no output at all; what fails later gives an exit code that makes the MTA keep its message.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { addressRules } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { parseAddress } from '../core/address.ts';
import type { Meter } from '../core/meter.ts';
import type { World } from '../core/world.ts';
import { resolve } from '../delivery/resolve.ts';
import { prepareSealer, type Sealer } from '../delivery/seal.ts';
import { select } from '../delivery/select.ts';
import { KeyFileError } from '../keys/blocks.ts';
import { parseCertificates, type SealingKeys } from '../keys/certificates.ts';
import { KeyDirectory } from '../keys/directory.ts';
import type { KeyEntry } from '../keys/source.ts';
import { CanonicalLines } from '../mime/crlf.ts';
import { HeaderScanner } from '../mime/header.ts';
import { outerFields } from '../mime/policy.ts';
import { LiteralData } from '../openpgp/literal.ts';
import { KeyFiles } from '../recipients/keyfiles.ts';
import { CommandError } from './errors.ts';

export interface SealOptions {
  readonly settings: Settings;
  readonly world: World;
  readonly recipient: string | undefined;
  readonly keyFile: string | undefined;
}

// a command that runs once has nobody to report to
const UNMETERED: Meter = { time() {}, recipient() {}, message() {}, keyFileRefused() {} };

export async function sealMessage(input: Readable, output: Writable, options: SealOptions): Promise<void> {
  const keys = await keysFor(options);
  const sealer = await prepareSealer(keys, { world: options.world, meter: UNMETERED });
  const scanner = new HeaderScanner(options.settings.lmtp.max_header_size);
  const lines = new CanonicalLines();
  const body = new Body(sealer, output);
  let isHeader = true;
  for await (const chunk of input) {
    const bytes = lines.update(chunk as Buffer);
    if (!isHeader) {
      await body.write(bytes);
      continue;
    }
    const scan = scanner.update(bytes);
    if (scan.state === 'tooBig')
      throw new CommandError('data', 'the header block is over lmtp.max_header_size');
    if (scan.state === 'more') continue;
    isHeader = false;
    await body.begin(outerFields(scan.block, options.settings.headers.policy), scanner.seen);
  }
  if (isHeader) await body.begin(outerFields(scanner.end(), options.settings.headers.policy), scanner.seen);
  await body.end();
}

class Body {
  readonly #sealer: Sealer;
  readonly #output: Writable;
  readonly #literal = new LiteralData();

  constructor(sealer: Sealer, output: Writable) {
    this.#sealer = sealer;
    this.#output = output;
  }

  async begin(inherited: Buffer, seen: Buffer): Promise<void> {
    await this.#give(this.#sealer.head({ trace: Buffer.alloc(0), inherited }));
    await this.write(seen);
  }

  async write(bytes: Buffer): Promise<void> {
    await this.#give(this.#sealed((emit) => this.#literal.update(bytes, emit)));
  }

  async end(): Promise<void> {
    await this.#give(this.#sealed((emit) => this.#literal.final(emit)));
    await this.#give(this.#sealer.final());
  }

  #sealed(produce: (emit: (block: Buffer) => void) => void): Buffer[] {
    const out: Buffer[] = [];
    produce((block) => out.push(...this.#sealer.update(block)));
    return out;
  }

  async #give(pieces: Buffer[]): Promise<void> {
    for (const piece of pieces) if (!this.#output.write(piece)) await once(this.#output, 'drain');
  }
}

async function keysFor(options: SealOptions): Promise<SealingKeys> {
  const { settings, world, recipient, keyFile } = options;
  const entry = keyFile !== undefined ? await entryOfFile(keyFile) : await entryOfRecipient(options);
  const { unusable, subkeys } = settings.keys;
  const selected = await select(entry, { unusable, subkeys }, world.now());
  if (!('why' in selected)) return selected;
  const kind = keyFile === undefined && selected.why === 'keyUnusableNow' ? 'tempFail' : 'data';
  throw new CommandError(kind, `${keyFile ?? recipient}: no usable key: ${selected.reasons.join('; ')}`);
}

async function entryOfFile(keyFile: string): Promise<KeyEntry> {
  const bytes = await readFile(keyFile).catch((error: Error) => {
    throw new CommandError('noInput', error.message);
  });
  try {
    return { certificates: await parseCertificates(bytes), problems: [] };
  } catch (error) {
    if (error instanceof KeyFileError) throw new CommandError('data', `${keyFile} ${error.message}`);
    throw error;
  }
}

async function entryOfRecipient(options: SealOptions): Promise<KeyEntry | undefined> {
  const { settings, world, recipient } = options;
  const address = recipient === undefined ? undefined : parseAddress(recipient);
  if (address === undefined)
    throw new CommandError('usage', 'give a recipient (-r ADDRESS) or a key (-k KEYFILE)');
  const same = addressRules(settings);
  const keyDirectory = new KeyDirectory(resolvePath(settings.keys.directory), same, world);
  const { maildir } = settings.store;
  const account = await resolve(address, {
    recipients: new KeyFiles(keyDirectory),
    same,
    delimiter: settings.recipients.delimiter,
    maildir,
  }).catch((error: Error) => {
    throw new CommandError('tempFail', error.message);
  });
  if ('why' in account) throw new CommandError('noUser', `${recipient}: no such recipient`);
  return keyDirectory.keysOf(account);
}
