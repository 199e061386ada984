/**
 * Opens Public-Key Encrypted Session Key packets (RFC 9580 §5.1), v3 and v6, where somebody else has done
 * what takes the secret key. Whatever is wrong with what they give back, the answer is the same.
 */
import { createDecipheriv } from 'node:crypto';
import { PUBLIC_KEY } from './algorithms.ts';
import { keyDerivation } from './ecdhkdf.ts';
import { PKESK } from './framer.ts';
import { WRAP_IV } from './pkesk.ts';
import { mpis, type PublicKey } from './publickey.ts';
import { sessionKeyOf } from './sessionkeypackets.ts';

/** What a session-key packet has in clear. */
export interface SealedKey {
  readonly version: 3 | 6;
  /** Upper-case hex. Undefined: it does not say for whom. */
  readonly keyId: string | undefined;
  readonly algorithm: number;
  readonly cipher: Ciphertext;
}

export type Ciphertext =
  | { readonly kind: 'rsa'; readonly c: Uint8Array }
  | { readonly kind: 'elgamal'; readonly c1: Uint8Array; readonly c2: Uint8Array }
  | { readonly kind: 'ecdh'; readonly point: Uint8Array; readonly wrapped: Uint8Array };

export interface OpenedKey {
  /** Symmetric algorithm ID. Undefined in v6, where the data itself names it. */
  readonly cipher: number | undefined;
  readonly key: Uint8Array;
}

/** Returns undefined for a packet that is damaged, or of a kind that is not known here. */
export function readSealedKey(body: Uint8Array): SealedKey | undefined {
  const read = sessionKeyOf(PKESK, body);
  if (read === undefined) return undefined;
  const algorithmAt = read.seipd === 1 ? 9 : 2 + (body[1] ?? 0);
  const algorithm = body[algorithmAt] ?? 0;
  const cipher = ciphertextOf(algorithm, body.subarray(algorithmAt + 1));
  return cipher && { version: read.seipd === 1 ? 3 : 6, keyId: read.keyId, algorithm, cipher };
}

function ciphertextOf(algorithm: number, material: Uint8Array): Ciphertext | undefined {
  const [first, second] = mpis(material, 0, algorithm === PUBLIC_KEY.elgamal ? 2 : 1);
  if (first === undefined) return undefined;
  switch (algorithm) {
    case PUBLIC_KEY.rsa:
    case PUBLIC_KEY.rsaEncryptOnly:
      return { kind: 'rsa', c: first };
    case PUBLIC_KEY.elgamal:
      return second && { kind: 'elgamal', c1: first, c2: second };
    case PUBLIC_KEY.ecdh:
      return { kind: 'ecdh', point: first, wrapped: material.subarray(2 + first.length + 1) };
    default:
      return undefined;
  }
}

/**
 * Returns the session key of a packet for this key, or undefined if it is none. `secret` is what decryption
 * of RSA and ElGamal gives, `padded` or not, or the point that ECDH agrees on.
 */
export function openSealedKey(
  { version, cipher }: SealedKey,
  { numbers, fingerprint }: PublicKey,
  secret: Uint8Array,
  padding: 'padded' | 'bare',
): OpenedKey | undefined {
  if (cipher.kind !== 'ecdh') {
    const message = padding === 'padded' ? withoutPkcs1(secret) : secret;
    return message && checkedKey(version, message);
  }
  if (numbers.kind !== 'ecdh') return undefined;
  const x = coordinateOf(secret, numbers.point);
  const kek = x && keyDerivation(numbers, fingerprint)?.(x);
  const message = kek && unwrapped(kek, cipher.wrapped);
  return message && checkedKey(version, message);
}

/** RFC 8017 §7.2.2; the first 0 may be missing, since this is a number. */
const LEAST_PADDING = 8;

/**
 * Takes PKCS #1 padding away. Looks at each byte in the same way, so that the time tells nothing of what is
 * in it: somebody may send many messages that are almost right.
 */
function withoutPkcs1(bytes: Uint8Array): Uint8Array | undefined {
  const from = bytes[0] === 0 ? 1 : 0;
  let isFound = 0;
  let end = 0;
  for (let at = from + 1; at < bytes.length; at++) {
    const isZero = ((bytes[at] ?? 0) - 1) >>> 31;
    end |= -(isZero & (isFound ^ 1)) & at;
    isFound |= isZero;
  }
  const isLongEnough = (from + LEAST_PADDING - end) >>> 31;
  const isOfKind = (((bytes[from] ?? 0) ^ 2) - 1) >>> 31;
  return (isFound & isLongEnough & isOfKind) === 1 ? bytes.subarray(end + 1) : undefined;
}

/** AES in bytes, and other ciphers of old mail have keys as long. */
const KEY_BYTES: readonly number[] = [16, 24, 32];

/** Takes algorithm (v3 only), key, and the sum of the key's bytes modulo 65536 apart (§5.1). */
function checkedKey(version: 3 | 6, message: Uint8Array): OpenedKey | undefined {
  const from = version === 3 ? 1 : 0;
  const key = message.subarray(from, -2);
  const sum = key.reduce((total, byte) => (total + byte) & 0xffff, 0);
  const [high = 0, low = 0] = message.subarray(-2);
  const isRight = KEY_BYTES.includes(key.length) && sum === high * 256 + low;
  return isRight ? { cipher: version === 3 ? message[0] : undefined, key } : undefined;
}

/**
 * Returns the coordinate that ECDH agrees on (RFC 9580 §11.5): all of a point of Curve25519, the first half
 * of others. It may come with a prefix or without, and with the other half or without.
 */
function coordinateOf(secret: Uint8Array, point: Uint8Array): Uint8Array | undefined {
  const bytes = point[0] === 0x40 ? point.length - 1 : (point.length - 1) / 2;
  const prefix = secret.length % 2; // coordinates have an even number of bytes on all curves
  const rest = secret.length - prefix;
  if (rest !== bytes && rest !== 2 * bytes) return undefined;
  return secret.subarray(prefix, prefix + bytes);
}

/** Unwraps a session key (RFC 3394) and takes its padding away: each byte of it says how many there are. */
function unwrapped(kek: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined {
  try {
    const cipher = createDecipheriv(`id-aes${kek.length * 8}-wrap`, kek, WRAP_IV);
    const bytes = Buffer.concat([cipher.update(wrapped), cipher.final()]);
    const count = bytes.at(-1) ?? 0;
    const isPadding = count > 0 && bytes.subarray(-count).every((byte) => byte === count);
    return isPadding ? bytes.subarray(0, -count) : undefined;
  } catch {
    return undefined; // another key, or changed on its way
  }
}
