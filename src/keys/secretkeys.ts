/**
 * All that Sealdir can do with a private key, once it is read (secretfile.ts): open a message with it, make a
 * new pair. Only commands that run where the secret key is may import this file (`open`, `key generate`,
 * `demo`). Nothing that the server imports may, since the server never has a private key.
 */
import { ReadableStream } from 'node:stream/web';
import type * as openpgp from 'openpgp';
import { library } from './library.ts';
import type { SecretKeys, SecretPacket } from './secretfile.ts';

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

/** A session-key packet of a message, and a key that it may be for. */
interface Pair {
  readonly sealed: SessionKeyPacket;
  readonly key: SecretPacket;
}

/** What a session-key packet of the library has besides what its types tell (openpgp 6.3.2). */
interface SessionKeyPacket {
  readonly publicKeyID: openpgp.KeyID;
  readonly publicKeyAlgorithm: openpgp.enums.publicKey;
  readonly sessionKey: Uint8Array;
  readonly sessionKeyAlgorithm: openpgp.enums.symmetric | null;
  decrypt(key: SecretPacket): Promise<void>;
}

/**
 * Tries the keys that the message names: first those that are open, then those that a passphrase unlocks. The
 * library's own way asks what the key's user IDs and signatures say today, and then does not open old mail.
 */
async function sessionKeysOf(
  message: SealedMessage,
  { keys: { packets: keys, flaw }, passphrase }: Opener,
): Promise<openpgp.SessionKey[]> {
  const { publicKeyEncryptedSessionKey, symEncryptedSessionKey } = library.enums.packet;
  const sealed = message.packets.filterByTag(publicKeyEncryptedSessionKey) as unknown as SessionKeyPacket[];
  if (sealed.length === 0) {
    const isForPassphrase = message.packets.filterByTag(symEncryptedSessionKey).length > 0;
    throw new NotOpenedError(
      isForPassphrase ? 'it is for a passphrase, not for a key' : 'it is for no key of a kind known here',
    );
  }
  const pairs = sealed.flatMap((each) =>
    keys.filter((key) => isFor(each, key)).map((key) => ({ sealed: each, key })),
  );
  if (pairs.length === 0) {
    const also = flaw === undefined ? '' : `; the file ${flaw}`;
    throw new NotOpenedError(`it is for ${listOf(sealed)}, and none of those keys is in it${also}`);
  }
  const found =
    (await firstSessionKey(pairs.filter(({ key }) => key.isDecrypted()))) ??
    (await firstSessionKey(await unlocked(pairs, passphrase)));
  if (found === undefined) throw new NotOpenedError('the key does not open it');
  return [found];
}

async function firstSessionKey(pairs: readonly Pair[]): Promise<openpgp.SessionKey | undefined> {
  for (const { sealed, key } of pairs) {
    const isOpened = await sealed.decrypt(key).then(
      () => true,
      () => false,
    );
    if (isOpened) return sessionKeyIn(sealed);
  }
  return undefined;
}

function sessionKeyIn({ sessionKey, sessionKeyAlgorithm }: SessionKeyPacket): openpgp.SessionKey {
  const { enums } = library;
  const algorithm = sessionKeyAlgorithm && enums.read(enums.symmetric, sessionKeyAlgorithm);
  // The library takes a missing algorithm too: SEIPD v2 names it itself (openpgp 6.3.2).
  return { data: sessionKey, algorithm } as openpgp.SessionKey;
}

/** Returns those pairs whose keys were locked, once the passphrase has unlocked them. */
async function unlocked(pairs: readonly Pair[], passphrase: Opener['passphrase']): Promise<Pair[]> {
  const closed = pairs.filter(({ key }) => !key.isDecrypted());
  if (closed.length === 0) return [];
  const locked = new Set(closed.map(({ key }) => key).filter((key) => !key.isMissingSecretKeyMaterial()));
  if (locked.size === 0) {
    const why = closed.every(({ key }) => key.isDummy())
      ? 'its secret part is not in it'
      : 'its secret part is on a card, or locked in a way that Sealdir does not know';
    throw new NotOpenedError(`the file names the key it needs, but ${why}`);
  }
  const secret = await passphrase();
  if (secret === undefined)
    throw new NotOpenedError('the secret key it needs is locked: give --passphrase-file');
  const open = new Set<SecretPacket>();
  for (const key of locked) if (await unlock(key, secret)) open.add(key);
  const opened = closed.filter(({ key }) => open.has(key));
  if (opened.length === 0) throw new NotOpenedError('the passphrase does not unlock the secret key it needs');
  return opened;
}

async function unlock(key: SecretPacket, passphrase: string): Promise<boolean> {
  try {
    await key.decrypt(passphrase);
    await key.validate(); // whoever could write to the file may have changed the numbers that are not locked
    return true;
  } catch {
    return false;
  }
}

/** Tells whether a session key may be for a key: the sender may have hidden whose it is (RFC 9580 §5.1.1). */
function isFor({ publicKeyID, publicKeyAlgorithm }: SessionKeyPacket, key: SecretPacket): boolean {
  if (isAnybody(publicKeyID)) return publicKeyAlgorithm === key.algorithm;
  return publicKeyID.equals(key.getKeyID());
}

function isAnybody(id: openpgp.KeyID): boolean {
  return /^0+$/.test(id.toHex());
}

function listOf(sealed: readonly SessionKeyPacket[]): string {
  const ids = sealed.map(({ publicKeyID: id }) =>
    isAnybody(id) ? 'somebody it does not name' : id.toHex().toUpperCase(),
  );
  return [...new Set(ids)].join(', ');
}

/** What a new key says of its owner, and how its secret part is locked. */
export interface NewKey {
  readonly email: string;
  readonly name?: string | undefined;
  /** Left out: the secret part is not locked. */
  readonly passphrase?: string | undefined;
  /** In seconds; 0 or left out: it never ends. */
  readonly lifetime?: number;
  readonly madeAt?: Date;
}

/** Armored; `revocation` is the certificate that its owner publishes if the secret part is lost. */
export interface KeyPair {
  readonly certificate: string;
  readonly secretKey: string;
  readonly revocation: string;
}

/** How often the passphrase is hashed, as RFC 9580 §3.7.1.3 codes it: 33 million octets. */
const S2K_COUNT = 0xf0;

/**
 * Makes a key pair: Ed25519 and X25519 in the form that every client reads (v4). Iterated S2K locks the
 * secret part: gpg 2.2, sq 0.27 and rnp 0.16 refuse Argon2. Throws if no user ID can have the address.
 */
export async function generateKeyPair(owner: NewKey): Promise<KeyPair> {
  const { email, name, passphrase, lifetime = 0, madeAt } = owner;
  const s2kType = library.enums.s2k.iterated as openpgp.enums.s2k.iterated;
  const config = { v6Keys: false, aeadProtect: false, s2kType, s2kIterationCountByte: S2K_COUNT };
  const pair = await library.generateKey({
    type: 'ecc',
    userIDs: [name === undefined ? { email } : { name, email }],
    format: 'armored',
    keyExpirationTime: lifetime,
    config,
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(madeAt === undefined ? {} : { date: madeAt }),
  });
  const { publicKey, privateKey, revocationCertificate } = pair;
  return { certificate: publicKey, secretKey: privateKey, revocation: revocationCertificate };
}
