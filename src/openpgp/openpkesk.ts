/**
 * Opens Public-Key Encrypted Session Key packets (RFC 9580 §5.1), v3 and v6, once somebody has done what
 * takes the secret key. Whatever is wrong with what they give back, the answer is the same.
 */
import { createDecipheriv } from 'node:crypto';
import { CIPHER_KEY_BYTES, PUBLIC_KEY } from './algorithms.ts';
import { keyDerivation } from './ecdhkdf.ts';
import { PKESK } from './framer.ts';
import { WRAP_IV } from './pkesk.ts';
import { mpis, type PublicKey } from './publickey.ts';
import { sessionKeyOf } from './sessionkeypackets.ts';

/** What a session-key packet says before the numbers in it, whatever these are. */
export interface SealedHead {
  readonly version: 3 | 6;
  /** Upper-case hex. Undefined: it does not say for whom (§5.1.1). */
  readonly keyId: string | undefined;
  /** All of it, in v6. */
  readonly fingerprint: Uint8Array | undefined;
  readonly algorithm: number;
  /** The numbers, up to the end of the packet. */
  readonly material: Uint8Array;
}

/** What a session-key packet has in clear. */
export interface SealedKey extends SealedHead {
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

/** Returns undefined for a packet of another version. */
export function readSealedHead(body: Uint8Array): SealedHead | undefined {
  const [version, length = 0, keyVersion = 0] = body;
  if (version !== 3 && version !== 6) return undefined;
  const fingerprint = version === 6 && length > 0 ? body.subarray(3, 2 + length) : undefined;
  const keyIdOfVersion6 = keyVersion >= 5 ? fingerprint?.subarray(0, 8) : fingerprint?.subarray(-8);
  const keyId = hex(version === 3 ? body.subarray(1, 9) : keyIdOfVersion6);
  const algorithmAt = version === 3 ? 9 : 2 + length;
  return {
    version,
    keyId: /^0*$/.test(keyId) ? undefined : keyId,
    fingerprint,
    algorithm: body[algorithmAt] ?? 0,
    material: body.subarray(algorithmAt + 1),
  };
}

function hex(bytes: Uint8Array = new Uint8Array()): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

/** Returns undefined for a packet that is damaged, or of a kind that is not known here. */
export function readSealedKey(body: Uint8Array): SealedKey | undefined {
  const head = sessionKeyOf(PKESK, body) && readSealedHead(body);
  const cipher = head && ciphertextOf(head.algorithm, head.material);
  return cipher && { cipher, ...head };
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
  { numbers, fingerprint }: Pick<PublicKey, 'numbers'> & { readonly fingerprint: Uint8Array },
  secret: Uint8Array,
  padding: 'padded' | 'bare',
): OpenedKey | undefined {
  if (cipher.kind !== 'ecdh') {
    const message = padding === 'padded' ? withoutPkcs1(secret) : secret;
    return message && checkedKey(version, message);
  }
  if (numbers.kind !== 'ecdh') return undefined;
  const x = coordinateOf(secret, numbers.point);
  const derive = keyDerivation(numbers, fingerprint);
  if (x === undefined || derive === undefined) return undefined;
  for (const shared of [x, ...withoutZeros(x)]) {
    const message = withoutPadding(unwrap(derive(shared), cipher.wrapped));
    const opened = message && checkedKey(version, message);
    if (opened !== undefined) return opened;
  }
  return undefined;
}

/** Old versions of Go's openpgp and of openpgp.js left out zeros at the beginning or at the end. */
function withoutZeros(x: Uint8Array): Uint8Array[] {
  const first = x.findIndex((byte) => byte !== 0);
  const last = x.findLastIndex((byte) => byte !== 0);
  return [x.subarray(first), x.subarray(0, last + 1)].filter(({ length }) => length < x.length);
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
  return sum === high * 256 + low
    ? fittingKey(version === 3 ? (message[0] ?? 0) : undefined, key)
    : undefined;
}

/** Returns undefined if the key is not as long as its algorithm asks for. */
export function fittingKey(cipher: number | undefined, key: Uint8Array): OpenedKey | undefined {
  const isFitting =
    cipher === undefined ? KEY_BYTES.includes(key.length) : CIPHER_KEY_BYTES[cipher] === key.length;
  return isFitting ? { cipher, key } : undefined;
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

/** Unwraps a session key (RFC 3394). */
export function unwrap(kek: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined {
  try {
    const cipher = createDecipheriv(`id-aes${kek.length * 8}-wrap`, kek, WRAP_IV);
    return Buffer.concat([cipher.update(wrapped), cipher.final()]);
  } catch {
    return undefined; // another key, or changed on its way
  }
}

/** Each byte of padding says how many there are (§11.5). */
function withoutPadding(bytes: Uint8Array | undefined): Uint8Array | undefined {
  const count = bytes?.at(-1) ?? 0;
  const isPadding = count > 0 && bytes?.subarray(-count).every((byte) => byte === count);
  return isPadding ? bytes?.subarray(0, -count) : undefined;
}
