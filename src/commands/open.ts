/**
 * `sealdir open`: a sealed message -> what it holds, or the bytes that were received. Runs where the secret
 * key is, never on the server. Nothing comes out before all of it is verified (D59).
 */
import { existsSync } from 'node:fs';
import type { Environment } from '../agent/agent.ts';
import { isWideText } from '../keys/blocks.ts';
import { type NamedOpener, NotOpenedError } from '../keys/opening.ts';
import { readSecretKeys, type SecretKeys } from '../keys/secretfile.ts';
import { WORDS } from '../keys/words.ts';
import { withoutInsertions } from '../mime/insertions.ts';
import { type Opened, openPackets } from '../opening/open.ts';
import { SecretOpener } from '../opening/secretopener.ts';
import { kept, lent } from '../opening/source.ts';
import { Dearmor } from '../openpgp/dearmor.ts';
import { DEMO_SECRET } from './demoplace.ts';
import { CommandError } from './errors.ts';
import { isRereadable, type Message, MOST_KEYS, readInput } from './inputfile.ts';
import { readPassphrase } from './passphrase.ts';
import { atTerminal } from './prompt.ts';

export interface OpenOptions {
  /** A stored message, or a bare armored one. */
  readonly message: Message;
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

/** Resolves to the message in pieces, all of which are in memory. */
export async function openMessage(options: OpenOptions): Promise<readonly Uint8Array[]> {
  const opener = await openerOf(options);
  try {
    const pieces: Uint8Array[] = [];
    for await (const piece of await openWith(opener, options.message, options.wanted)) pieces.push(piece);
    return pieces;
  } finally {
    opener.close();
  }
}

/** Opens one of several messages. Resolves, when it is verified, to what yields it. Throws CommandError. */
export async function openWith(
  opener: NamedOpener,
  message: Message,
  wanted: OpenOptions['wanted'],
): Promise<AsyncIterable<Uint8Array>> {
  const opened = await decryptMessage(opener, message);
  if (wanted !== 'original') return opened.pieces();
  const original = withoutInsertions(opened.literalName, opened.bytes);
  if (original !== undefined) return each(opened.pieces(), original);
  throw new CommandError('data', 'this message was not sealed by Sealdir: what was put into it is not known');
}

async function* each(
  pieces: AsyncIterable<Uint8Array>,
  change: (piece: Uint8Array) => Uint8Array[],
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield* change(piece);
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
  const opener = new SecretOpener(keys, passphraseAskedOnce(options, file));
  return {
    name: file,
    sessionKeyOf: (sealed) => opener.sessionKeyOf(sealed),
    close: () => opener.close(),
  };
}

async function decryptMessage(opener: NamedOpener, message: Message): Promise<Opened> {
  const sealed = new SealedMessage(message);
  const inWords = async (error: unknown) => {
    const trouble = await sealed.trouble();
    if (trouble !== undefined) return trouble;
    if (!(error instanceof NotOpenedError)) return error;
    return new CommandError('data', `cannot open this message with ${opener.name}: ${error.message}`);
  };
  const source = isRereadable(message) ? () => lent(sealed.packets()) : kept(sealed.packets());
  const opened = await openPackets(source, opener).catch(async (error: unknown) => {
    throw await inWords(error);
  });
  return { ...opened, pieces: () => throwing(opened.pieces(), inWords) };
}

async function* throwing(
  pieces: AsyncIterable<Uint8Array>,
  inWords: (error: unknown) => Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    throw await inWords(error);
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
  readonly #input: Message;
  #armor = new Dearmor();
  #isRead = false;
  #failure: CommandError | undefined;
  /** The beginning of the message, for the case that it is not sealed. */
  #head = Buffer.alloc(0);

  constructor(input: Message) {
    this.#input = input;
  }

  /** Yields the OpenPGP packets in it, from the beginning. */
  async *packets(): AsyncGenerator<Buffer> {
    this.#armor = new Dearmor();
    this.#isRead = false;
    this.#head = Buffer.alloc(0);
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
      yield* isRereadable(this.#input) ? this.#input.read() : this.#input;
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
