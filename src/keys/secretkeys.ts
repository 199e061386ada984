/**
 * All that Sealdir can do with a private key, once it is read (secretfile.ts): find the session key of a
 * message, make a new pair. Only commands that run where the secret key is may import this file (`open`,
 * `key generate`, `demo`). Nothing that the server imports may, since the server never has a private key.
 */
import type * as openpgp from 'openpgp';
import { library } from './library.ts';
import {
  isAnybody,
  listOf,
  NotOpenedError,
  type Opener,
  type SessionKey,
  type SessionKeyPacket,
} from './opening.ts';
import type { SecretKeys, SecretPacket } from './secretfile.ts';

/** Returns what opens messages with secret keys. `passphrase` is asked for when a locked key is needed. */
export function secretOpener(keys: SecretKeys, passphrase: () => Promise<string | undefined>): Opener {
  const opener = { keys, passphrase, refused: new Set<SecretPacket>() };
  return { sessionKeyOf: (sealed) => sessionKeyOf(sealed, opener) };
}

/** What is at hand to open messages. */
interface AtHand {
  readonly keys: SecretKeys;
  passphrase(): Promise<string | undefined>;
  /** Keys that the passphrase did not unlock: it takes long to try, and there may be many messages. */
  readonly refused: Set<SecretPacket>;
}

/** A session-key packet of a message, and a key that it may be for. */
interface Pair {
  readonly sealed: SessionKeyPacket;
  readonly key: SecretPacket;
}

/**
 * Tries the keys that the message names: first those that are open, then those that a passphrase unlocks. The
 * library's own way asks what the key's user IDs and signatures say today, and then does not open old mail.
 */
async function sessionKeyOf(sealed: readonly SessionKeyPacket[], opener: AtHand): Promise<SessionKey> {
  const { packets: keys, flaw } = opener.keys;
  const pairs = sealed.flatMap((each) =>
    keys.filter((key) => isFor(each, key)).map((key) => ({ sealed: each, key })),
  );
  if (pairs.length === 0) {
    const also = flaw === undefined ? '' : `; the file ${flaw}`;
    throw new NotOpenedError(`it is for ${listOf(sealed)}, and none of those keys is in it${also}`);
  }
  const found =
    (await firstSessionKey(pairs.filter(({ key }) => key.isDecrypted()))) ??
    (await firstSessionKey(await unlocked(pairs, opener)));
  if (found === undefined) throw new NotOpenedError('the key does not open it');
  return found;
}

async function firstSessionKey(pairs: readonly Pair[]): Promise<SessionKey | undefined> {
  for (const { sealed, key } of pairs) {
    const isOpened = await sealed.decrypt(key).then(
      () => true,
      () => false,
    );
    if (isOpened) return sessionKeyIn(sealed);
  }
  return undefined;
}

function sessionKeyIn({ sessionKey, sessionKeyAlgorithm }: SessionKeyPacket): SessionKey {
  return { cipher: sessionKeyAlgorithm ?? undefined, key: sessionKey };
}

/** Returns those pairs whose keys were locked, once the passphrase has unlocked them. */
async function unlocked(pairs: readonly Pair[], { passphrase, refused }: AtHand): Promise<Pair[]> {
  const closed = pairs.filter(({ key }) => !key.isDecrypted());
  if (closed.length === 0) return [];
  const locked = new Set(closed.map(({ key }) => key).filter((key) => !key.isMissingSecretKeyMaterial()));
  if (locked.size === 0) {
    const why = closed.every(({ key }) => key.isDummy())
      ? 'its secret part is not in it'
      : 'its secret part is on a card, or locked in a way that Sealdir does not know: try --agent';
    throw new NotOpenedError(`the file names the key it needs, but ${why}`);
  }
  const secret = await passphrase();
  if (secret === undefined)
    throw new NotOpenedError('the secret key it needs is locked: give --passphrase-file');
  const open = new Set<SecretPacket>();
  for (const key of locked) {
    if (refused.has(key)) continue;
    if (await unlock(key, secret)) open.add(key);
    else refused.add(key);
  }
  const opened = closed.filter(({ key }) => open.has(key));
  if (opened.length === 0) throw new NotOpenedError('the passphrase does not unlock the secret key it needs');
  return opened;
}

export async function unlock(key: SecretPacket, passphrase: string): Promise<boolean> {
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

/** Iterated S2K locks a secret key: gpg 2.2, sq 0.27 and rnp 0.16 refuse Argon2. */
export const ITERATED_S2K = {
  aeadProtect: false,
  s2kType: library.enums.s2k.iterated as openpgp.enums.s2k.iterated,
  s2kIterationCountByte: S2K_COUNT,
};

/**
 * Makes a key pair: Ed25519 and X25519 in the form that every client reads (v4). Throws if no user ID can
 * have the address.
 */
export async function generateKeyPair(owner: NewKey): Promise<KeyPair> {
  const { email, name, passphrase, lifetime = 0, madeAt } = owner;
  const pair = await library.generateKey({
    type: 'ecc',
    userIDs: [name === undefined ? { email } : { name, email }],
    format: 'armored',
    keyExpirationTime: lifetime,
    config: { v6Keys: false, ...ITERATED_S2K },
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(madeAt === undefined ? {} : { date: madeAt }),
  });
  const { publicKey, privateKey, revocationCertificate } = pair;
  return { certificate: publicKey, secretKey: privateKey, revocation: revocationCertificate };
}
