/**
 * All that Sealdir can do with a private key: read one, open a message with it, make a new pair. Only
 * commands that run where the secret key is may import this file (`open`, `demo`). Nothing that the server
 * imports may, since the server never has a private key.
 */
import { ReadableStream } from 'node:stream/web';
import type * as openpgp from 'openpgp';
import { readArmor } from './armored.ts';
import { library } from './library.ts';

/** The secret keys of a file, as locked as they are there. */
export type SecretKeys = readonly openpgp.PrivateKey[];

/** Reads every secret key of a file, however many blocks it has. Throws with a sentence for the terminal. */
export async function readSecretKeys(bytes: Uint8Array): Promise<SecretKeys> {
  const parts = readArmor(Buffer.from(bytes).toString('latin1'));
  const armored = parts
    .filter(({ type }) => /^(PRIVATE|SECRET) KEY BLOCK$/.test(type))
    .flatMap(({ chunks }) => chunks);
  const isBinary = ((bytes[0] ?? 0) & 0x80) !== 0 && armored.length === 0;
  const blocks = isBinary ? [bytes] : armored;
  if (blocks.length === 0) throw new Error('holds no secret key');
  const read = await Promise.allSettled(
    blocks.map((block) => library.readPrivateKeys({ binaryKeys: block })),
  );
  const keys = read.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
  if (keys.length > 0) return keys; // one that cannot be read may not be needed
  throw new Error('holds no secret key that can be read here');
}

/** Says why a message cannot be opened, in the end of a sentence for the terminal. */
export class NotOpenedError extends Error {}

type SealedMessage = openpgp.Message<openpgp.MaybeStream<Uint8Array>>;

/** What is at hand to open a message. */
export interface Opener {
  readonly keys: SecretKeys;
  /** Of a locked key. Asked for when one is needed. */
  passphrase(): Promise<string | undefined>;
}

/**
 * Decrypts the packets of a message. Resolves to what it holds, in pieces, once the end has come and its
 * integrity is verified. Throws NotOpenedError, or what `packets` throws.
 */
export async function decryptPackets(
  packets: AsyncIterable<Uint8Array>,
  opener: Opener,
): Promise<Uint8Array[]> {
  const message = await library
    .readMessage({ binaryMessage: ReadableStream.from(packets) })
    .catch((error: unknown) => notOpened(error));
  const sessionKeys = await sessionKeysOf(message, opener);
  return plaintextOf(message, sessionKeys).catch((error: unknown) => notOpened(error));
}

async function plaintextOf(message: SealedMessage, sessionKeys: openpgp.SessionKey[]): Promise<Uint8Array[]> {
  // Unauthenticated means that pieces come before the end. They are kept here until it has been verified.
  const config = { allowUnauthenticatedStream: true };
  const { data } = await library.decrypt({ message, sessionKeys, format: 'binary', config });
  const pieces: Uint8Array[] = [];
  for await (const piece of data as AsyncIterable<Uint8Array>) pieces.push(piece);
  return pieces;
}

/**
 * Puts the library's faults into words. With the right key there, only the message itself is left to blame.
 */
function notOpened(error: unknown): never {
  const { name, message } = error as Error;
  const isUnknown = name === 'UnsupportedError' || /unsupported|not supported|unknown/i.test(message);
  const why = isUnknown
    ? `it has something in it that Sealdir cannot read (${message})`
    : 'it was changed on its way, or cut off';
  throw new NotOpenedError(why, { cause: error });
}

/** Tries the keys that the message names: first those that are open, then those that a passphrase unlocks. */
async function sessionKeysOf(
  message: SealedMessage,
  { keys, passphrase }: Opener,
): Promise<openpgp.SessionKey[]> {
  const ids = message.getEncryptionKeyIDs();
  const isNamed = (key: openpgp.PrivateKey) =>
    key.getKeys().some((each) => ids.some((id) => isAnybody(id) || id.equals(each.getKeyID())));
  const named = keys.filter(isNamed);
  if (ids.length === 0) throw new NotOpenedError('it is for a passphrase, not for a key');
  if (named.length === 0)
    throw new NotOpenedError(`it is for ${listOf(ids)}, and none of those keys is in it`);
  const [open, locked] = [
    named.filter((key) => key.isDecrypted()),
    named.filter((key) => !key.isDecrypted()),
  ];
  const found = await trySessionKeys(message, open);
  if (found !== undefined) return found;
  if (locked.length === 0) throw new NotOpenedError('the key does not open it');
  const secret = await passphrase();
  if (secret === undefined)
    throw new NotOpenedError('the secret key it needs is locked: give --passphrase-file');
  const unlocked = await Promise.allSettled(
    locked.map((privateKey) => library.decryptKey({ privateKey, passphrase: secret })),
  );
  const opened = unlocked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  if (opened.length === 0) throw new NotOpenedError('the passphrase does not unlock the secret key it needs');
  const tried = await trySessionKeys(message, opened);
  if (tried === undefined) throw new NotOpenedError('the key does not open it');
  return tried;
}

async function trySessionKeys(
  message: SealedMessage,
  keys: readonly openpgp.PrivateKey[],
): Promise<openpgp.SessionKey[] | undefined> {
  for (const key of keys) {
    const found = await library.decryptSessionKeys({ message, decryptionKeys: key }).catch(() => undefined);
    // The library takes what it gave, a missing algorithm too: SEIPD v2 names it itself (openpgp 6.3.2).
    if (found !== undefined && found.length > 0) return found as openpgp.SessionKey[];
  }
  return undefined;
}

/** Tells whether the sender has hidden whom a message is for (RFC 9580 §5.1.1). */
function isAnybody(id: openpgp.KeyID): boolean {
  return /^0+$/.test(id.toHex());
}

function listOf(ids: readonly openpgp.KeyID[]): string {
  return ids.map((id) => id.toHex().toUpperCase()).join(', ');
}

/** Makes a key pair for `email`, armored: Ed25519 and X25519 in the form that every client reads (v4). */
export async function generateKeyPair(email: string): Promise<{ certificate: string; secretKey: string }> {
  const pair = await library.generateKey({ type: 'ecc', userIDs: [{ email }], format: 'armored' });
  return { certificate: pair.publicKey, secretKey: pair.privateKey };
}
