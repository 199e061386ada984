/**
 * Finds the session key of a message by secret keys of a file. Natively where that can be done, else by the
 * library. Nothing that the server imports may import this file, since the server never has a private key.
 */
import { createHmac } from 'node:crypto';
import {
  listOf,
  MOST_TRIES,
  NotNowError,
  NotOpenedError,
  type Opener,
  type SessionKey,
} from '../keys/opening.ts';
import type { SecretKeys, SecretPacket } from '../keys/secretfile.ts';
import { openByLibrary, unlock } from '../keys/secretkeys.ts';
import { decryptingKeyOf, eraseNumbers, hashOfNumbers } from '../keys/secretnumbers.ts';
import { AES_ID, PUBLIC_KEY } from '../openpgp/algorithms.ts';
import { PKESK } from '../openpgp/framer.ts';
import { readSealedHead, type SealedHead } from '../openpgp/openpkesk.ts';
import { sessionKeyOf } from '../openpgp/sessionkeypackets.ts';
import { type SessionKeyDecryptor, sessionKeyDecryptor } from './decryptor.ts';

/** A session-key packet of a message. */
interface Sealed {
  readonly head: SealedHead;
  readonly body: Uint8Array;
}

/** A session-key packet of a message, and a key that it may be for. */
interface Pair extends Sealed {
  readonly key: Key;
}

/** A key of the file. */
class Key {
  readonly packet: SecretPacket;
  readonly #id: string;
  readonly #fingerprint: Buffer;
  /** Made when a message needs it, once: undefined before, 'none' if only the library knows its kind. */
  #decryptor: SessionKeyDecryptor | 'none' | undefined;

  constructor(packet: SecretPacket) {
    this.packet = packet;
    this.#id = packet.getKeyID().toHex().toUpperCase();
    this.#fingerprint = Buffer.from(packet.getFingerprintBytes() ?? []);
  }

  /** Tells whether a session key may be for it: the sender may have hidden whose it is (RFC 9580 §5.1.1). */
  isFor({ keyId, fingerprint, algorithm }: SealedHead): boolean {
    if (algorithm !== this.packet.algorithm) return false;
    if (fingerprint !== undefined) return this.#fingerprint.equals(fingerprint);
    return keyId === undefined || keyId === this.#id;
  }

  /** Resolves to undefined if the packet is not for it. It has to be unlocked. */
  async open({ head, body }: Sealed): Promise<SessionKey | undefined> {
    this.#decryptor ??= decryptorOf(this.packet);
    if (this.#decryptor === 'none') return openByLibrary(body, this.packet);
    const isExact = sessionKeyOf(PKESK, body) !== undefined;
    return isExact ? this.#decryptor(head, body) : undefined;
  }

  /**
   * Makes a session key that nobody can know, and always the same one, in the place of one that does not
   * open: whether a padding was right then shows in nothing but what shows that the message was changed.
   */
  decoyFor(sealed: readonly Sealed[]): SessionKey {
    const decoy = createHmac('sha256', hashOfNumbers(this.packet));
    for (const { body } of sealed) decoy.update(body);
    const isOld = sealed.some(({ head }) => head.version === 3);
    return { cipher: isOld ? AES_ID[32] : undefined, key: decoy.digest() };
  }

  erase(): void {
    this.#decryptor = undefined;
    eraseNumbers(this.packet);
  }
}

/** With PKCS #1 padding, which answers about many messages take apart (Bleichenbacher 1998). */
function isPadded({ head: { algorithm } }: Sealed): boolean {
  return ([PUBLIC_KEY.rsa, PUBLIC_KEY.rsaEncryptOnly, PUBLIC_KEY.elgamal] as number[]).includes(algorithm);
}

function decryptorOf(packet: SecretPacket): SessionKeyDecryptor | 'none' {
  const key = decryptingKeyOf(packet);
  try {
    return key === undefined ? 'none' : sessionKeyDecryptor(key);
  } catch {
    return 'none'; // the library may see more in such numbers than OpenSSL
  }
}

export class SecretOpener implements Opener {
  readonly #keys: readonly Key[];
  readonly #flaw: string | undefined;
  readonly #passphrase: () => Promise<string | undefined>;
  /** Keys that the passphrase did not unlock: it takes long to try, and there may be many messages. */
  readonly #refused = new Set<Key>();

  readonly #wrongKey: 'told' | 'hidden';

  /**
   * `passphrase` is asked for when a locked key is needed. `wrongKey`: whether a session key that does not
   * open is told. Where others learn what became of their messages it has to be hidden (D71).
   */
  constructor(
    { packets, flaw }: SecretKeys,
    passphrase: () => Promise<string | undefined>,
    wrongKey: 'told' | 'hidden' = 'told',
  ) {
    this.#keys = packets.map((packet) => new Key(packet));
    this.#flaw = flaw;
    this.#passphrase = passphrase;
    this.#wrongKey = wrongKey;
  }

  /** Erases the numbers of all keys. Nothing can be opened afterwards. */
  close(): void {
    for (const key of this.#keys) key.erase();
  }

  /**
   * Tries the keys that the message names: first those that are open, then those that a passphrase unlocks.
   * The library's own way asks what the key's user IDs and signatures say today, and then does not open old
   * mail (D28). Of very many session keys some are tried, those first that name a key.
   */
  async sessionKeyOf(bodies: readonly Uint8Array[]): Promise<SessionKey> {
    const all = bodies.flatMap((body) => this.#pairsOf(body));
    const isNamed = ({ head }: Pair) => head.keyId !== undefined;
    const pairs = [...all.filter(isNamed), ...all.filter((pair) => !isNamed(pair))].slice(0, MOST_TRIES);
    if (pairs.length === 0) {
      const also = this.#flaw === undefined ? '' : `; the file ${this.#flaw}`;
      throw new NotOpenedError(`it is for ${listOf(bodies)}, and none of those keys is in it${also}`);
    }
    const found =
      (await firstSessionKey(pairs.filter(({ key }) => key.packet.isDecrypted()))) ??
      (await firstSessionKey(await this.#unlocked(pairs)));
    const padded = pairs.find((pair) => isPadded(pair) && pair.key.packet.isDecrypted());
    const decoy = this.#wrongKey === 'hidden' ? padded?.key.decoyFor(pairs) : undefined; // made in any case
    const sessionKey = found ?? decoy;
    if (sessionKey !== undefined) return sessionKey;
    throw new NotOpenedError(
      all.length > pairs.length
        ? `the key opens none of its first ${MOST_TRIES} session keys`
        : 'the key does not open it',
    );
  }

  #pairsOf(body: Uint8Array): Pair[] {
    const head = readSealedHead(body);
    if (head === undefined) return [];
    return this.#keys.filter((key) => key.isFor(head)).map((key) => ({ head, body, key }));
  }

  /** Returns those pairs whose keys were locked, once the passphrase has unlocked them. */
  async #unlocked(pairs: readonly Pair[]): Promise<Pair[]> {
    const closed = pairs.filter(({ key }) => !key.packet.isDecrypted());
    if (closed.length === 0) return [];
    const keys = closed.map(({ key }) => key);
    const locked = new Set(keys.filter(({ packet }) => !packet.isMissingSecretKeyMaterial()));
    if (locked.size === 0) {
      const why = keys.every(({ packet }) => packet.isDummy())
        ? 'its secret part is not in it'
        : 'its secret part is on a card, or locked in a way that Sealdir does not know: try --agent';
      throw new NotOpenedError(`the file names the key it needs, but ${why}`);
    }
    const secret = await this.#passphrase();
    if (secret === undefined)
      throw new NotNowError('the secret key it needs is locked: give --passphrase-file');
    for (const key of locked)
      if (!this.#refused.has(key) && !(await unlock(key.packet, secret))) this.#refused.add(key);
    const opened = closed.filter(({ key }) => locked.has(key) && !this.#refused.has(key));
    if (opened.length === 0) throw new NotNowError('the passphrase does not unlock the secret key it needs');
    return opened;
  }
}

async function firstSessionKey(pairs: readonly Pair[]): Promise<SessionKey | undefined> {
  for (const pair of pairs) {
    const found = await pair.key.open(pair);
    if (found !== undefined) return found;
  }
  return undefined;
}
