/**
 * `sealdir open`: a sealed message -> what it holds, or the bytes that were received. Runs where the secret
 * key is, never on the server. Nothing comes out before its integrity is verified; in memory there is no more
 * than the message itself.
 */
import { existsSync } from 'node:fs';
import type { Environment } from '../agent/agent.ts';
import { isWideText } from '../keys/blocks.ts';
import { decryptPackets, type NamedOpener, NotOpenedError, type Opened } from '../keys/opening.ts';
import { readSecretKeys, type SecretKeys } from '../keys/secretfile.ts';
import { secretOpener } from '../keys/secretkeys.ts';
import { WORDS } from '../keys/words.ts';
import { withoutInsertions } from '../mime/insertions.ts';
import { Dearmor } from '../openpgp/dearmor.ts';
import { DEMO_SECRET } from './demoplace.ts';
import { CommandError } from './errors.ts';
import { MOST_KEYS, readInput } from './inputfile.ts';
import { readPassphrase } from './passphrase.ts';
import { atTerminal } from './prompt.ts';

export interface OpenOptions {
  /** A stored message, or a bare armored one. */
  readonly message: AsyncIterable<Buffer>;
  readonly keyFile: string | undefined;
  readonly passphraseFile: string | undefined;
  /** `original`: without what a header policy has put into it. */
  readonly wanted?: 'held' | 'original';
  /** Whether there is somebody at a terminal. */
  readonly canAsk?: boolean;
  /** gpg-agent has the secret key, and asks for its passphrase where this says. Left out: the file has it. */
  readonly agent?: Environment | undefined;
}

/** How much of a message is kept to say what it is. */
const MOST_HEAD = 256 * 1024;

/** Resolves to the message in pieces. */
export async function openMessage(options: OpenOptions): Promise<readonly Uint8Array[]> {
  const opener = await openerOf(options);
  try {
    return await openWith(opener, options.message, options.wanted);
  } finally {
    opener.close();
  }
}

/** Opens one of several messages. Resolves to it in pieces. Throws CommandError. */
export async function openWith(
  opener: NamedOpener,
  message: AsyncIterable<Buffer>,
  wanted: OpenOptions['wanted'],
): Promise<readonly Uint8Array[]> {
  const { pieces, literalName } = await decryptMessage(opener, message);
  if (wanted !== 'original') return pieces;
  const original = withoutInsertions(pieces, literalName);
  if (original !== undefined) return original;
  throw new CommandError('data', 'this message was not sealed by Sealdir: what was put into it is not known');
}

/** Reads the keys. The passphrase is asked for when a message needs it, and once. */
export async function openerOf(options: Omit<OpenOptions, 'message'>): Promise<NamedOpener> {
  const { agent } = options;
  if (agent !== undefined) {
    const { agentOpener } = await import('./agentopener.ts');
    return agentOpener({ ...options, agent });
  }
  const file = options.keyFile ?? (existsSync(DEMO_SECRET) ? DEMO_SECRET : undefined);
  if (file === undefined)
    throw new CommandError('usage', 'which secret key? Give one with -k KEYFILE, or --agent');
  const keys = await secretKeysOf(file);
  return { ...secretOpener(keys, passphraseAskedOnce(options, file)), name: file, close: () => undefined };
}

async function decryptMessage(opener: NamedOpener, message: AsyncIterable<Buffer>): Promise<Opened> {
  const sealed = new SealedMessage(message);
  try {
    return await decryptPackets(sealed.packets(), opener);
  } catch (error) {
    const trouble = await sealed.trouble();
    if (trouble !== undefined) throw trouble;
    if (!(error instanceof NotOpenedError)) throw error;
    throw new CommandError('data', `cannot open this message with ${opener.name}: ${error.message}`);
  }
}

/** Throws CommandError. */
export async function secretKeysOf(file: string): Promise<SecretKeys> {
  const bytes = await readInput(file, { what: 'key file', most: MOST_KEYS });
  return readSecretKeys(bytes).catch((error: Error) => {
    throw new CommandError('data', `${file} ${error.message}`);
  });
}

type Asking = Pick<OpenOptions, 'passphraseFile' | 'canAsk'>;

/** Asks when the passphrase is wanted for the first time. Resolves to undefined if nobody can be asked. */
export function passphraseAskedOnce(how: Asking, keyFile: string): () => Promise<string | undefined> {
  let asked: Promise<string | undefined> | undefined;
  return () => {
    asked ??= passphraseOf(how, keyFile);
    return asked;
  };
}

async function passphraseOf(
  { passphraseFile, canAsk }: Asking,
  keyFile: string,
): Promise<string | undefined> {
  if (passphraseFile !== undefined) return readPassphrase(passphraseFile);
  return canAsk ? atTerminal((terminal) => terminal.ask(`Passphrase of ${keyFile}: `, 'hidden')) : undefined;
}

/** The message as it is read, and what is wrong with it as far as that can be told from outside. */
class SealedMessage {
  readonly #input: AsyncIterable<Buffer>;
  readonly #armor = new Dearmor();
  #isRead = false;
  #failure: CommandError | undefined;
  /** The beginning of the message, for the case that it is not sealed. */
  #head = Buffer.alloc(0);

  constructor(input: AsyncIterable<Buffer>) {
    this.#input = input;
  }

  /** Yields the OpenPGP packets in it. */
  async *packets(): AsyncGenerator<Uint8Array> {
    for await (const bytes of this.#read()) {
      if (!this.#armor.hasBegun && this.#head.length < MOST_HEAD)
        this.#head = Buffer.concat([this.#head, bytes]);
      const packets = this.#armor.update(bytes);
      if (packets.length > 0) yield packets;
    }
    const rest = this.#armor.final();
    this.#isRead = true;
    if (rest.length > 0) yield rest;
    const trouble = await this.trouble();
    if (trouble !== undefined) throw trouble;
  }

  async *#read(): AsyncGenerator<Buffer> {
    try {
      yield* this.#input;
    } catch (error) {
      this.#failure =
        error instanceof CommandError ? error : new CommandError('noInput', (error as Error).message);
      throw this.#failure;
    }
  }

  /** Says that it cannot be read, or, once all of it has been, that it is not sealed or not whole. */
  async trouble(): Promise<CommandError | undefined> {
    if (!this.#isRead) return this.#failure;
    if (!this.#armor.hasBegun) return this.#notSealed();
    if (this.#armor.hasMore)
      return new CommandError('data', 'this file holds more than one sealed message: split it first');
    if (this.#armor.hasEnded) return undefined;
    return new CommandError('data', 'this message is cut off: the end of its encrypted part is missing');
  }

  async #notSealed(): Promise<CommandError> {
    if (isWideText(this.#head.toString('latin1')))
      return new CommandError('data', `this message ${WORDS.utf16}`);
    const end = this.#head.indexOf('\n\n');
    const crlfEnd = this.#head.indexOf('\r\n\r\n');
    const { contentTypeOf } = await import('../edge/contenttype.ts'); // slow to load, and seldom needed
    const ends = [end, crlfEnd].filter((each) => each !== -1);
    const { value } = await contentTypeOf(
      ends.length === 0 ? this.#head : this.#head.subarray(0, Math.min(...ends)),
    );
    if (value === 'multipart/encrypted')
      return new CommandError('data', 'this message is cut off: its encrypted part is missing');
    return new CommandError('data', `this is no sealed message (its Content-Type is ${value})`);
  }
}
