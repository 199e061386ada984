/**
 * Opens session-key packets with a private key on node:crypto: RSA, ECDH over Curve25519, the NIST curves and
 * Brainpool, X25519, X448. What depends on the key alone is done once, so that a packet costs one operation
 * with the key. Nothing that the server imports may import this file.
 */
import {
  constants,
  createECDH,
  createPrivateKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  privateDecrypt,
} from 'node:crypto';
import type { DecryptingKey, SecretNumbers } from '../keys/secretnumbers.ts';
import { isAes } from '../openpgp/algorithms.ts';
import {
  fittingKey,
  type OpenedKey,
  openSealedKey,
  readSealedKey,
  type SealedHead,
  unwrap,
} from '../openpgp/openpkesk.ts';
import { type KeyMaterial, type Montgomery, publicKeyOf, X448, X25519 } from '../openpgp/pkesk.ts';
import { asPkcs8 } from '../openpgp/privatekey.ts';
import { pkcs1 } from './pkcs1.ts';

/** Opens a session-key packet, given its head and its body. Undefined: it is not for this key. */
export type SessionKeyDecryptor = (head: SealedHead, body: Uint8Array) => OpenedKey | undefined;

type Material<Kind> = Extract<KeyMaterial, { kind: Kind }>;

/** Throws if the numbers are none of a key. */
export function sessionKeyDecryptor({ key, secret }: DecryptingKey): SessionKeyDecryptor {
  const { material, fingerprint } = key;
  switch (material.kind) {
    case 'rsa':
      return sealedBy(material, fingerprint, rsa(material, secret));
    case 'ecdh':
      return sealedBy(material, fingerprint, ecdh(material, given(secret.d)));
    case 'x25519':
      return montgomery(X25519, material.point, given(secret.k));
    case 'x448':
      return montgomery(X448, material.point, given(secret.k));
    default:
      return material satisfies never;
  }
}

/** Does what takes the secret key: returns the padded session key of RSA, or the coordinate of ECDH. */
type Operation = (ciphertext: Uint8Array) => Uint8Array;

function sealedBy(
  numbers: Material<'rsa'> | Material<'ecdh'>,
  fingerprint: Uint8Array,
  operation: Operation,
): SessionKeyDecryptor {
  return (_, body) => {
    const sealed = readSealedKey(body);
    const cipher = sealed?.cipher;
    if (sealed === undefined || cipher?.kind !== numbers.kind) return undefined;
    const secret = tried(() => operation(cipher.kind === 'ecdh' ? cipher.point : cipher.c));
    return secret && openSealedKey(sealed, { numbers, fingerprint }, secret, 'padded');
  };
}

/**
 * Without padding, since Node 20 refuses PKCS #1 v1.5: it is taken away in openpkesk.ts, in the same time for
 * all paddings.
 */
function rsa({ n, e }: Material<'rsa'>, { d, p, q, u }: SecretNumbers): Operation {
  const der = pkcs1({ n, e, d: given(d), p: given(p), q: given(q), u: given(u) });
  const key = tried(() => createPrivateKey({ key: der, format: 'der', type: 'pkcs1' }));
  der.fill(0);
  if (key === undefined) throw new RangeError('these are no numbers of RSA');
  return (ciphertext) => {
    const padded = Buffer.alloc(n.length);
    padded.set(ciphertext, n.length - ciphertext.length);
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, padded);
  };
}

function ecdh({ curve }: Material<'ecdh'>, d: Uint8Array): Operation {
  if (curve === 'curve25519') {
    const scalar = Buffer.alloc(X25519.bytes);
    scalar.set(d, scalar.length - d.length);
    scalar.reverse(); // big-endian in its packet (RFC 9580 §5.5.5.6.1.1)
    const privateKey = asPkcs8(X25519.curve, scalar);
    scalar.fill(0);
    return (point) => agreed(X25519, privateKey, spelled(0x40, point).subarray(1));
  }
  const own = createECDH(curve);
  own.setPrivateKey(d);
  return (point) => own.computeSecret(spelled(0x04, point));
}

/** Refuses other spellings of a point, which OpenSSL takes: a packet that was changed is none. */
function spelled(prefix: 0x04 | 0x40, point: Uint8Array): Uint8Array {
  const isOverlong = prefix === 0x40 && (point.at(-1) ?? 0) >= 0x80; // RFC 7748 §5 leaves that bit out
  if (point[0] !== prefix || isOverlong) throw new RangeError('a point in another spelling');
  return point;
}

/** RFC 9580 §5.1.6, §5.1.7: the ID of an AES stands in clear before the wrapped key of a v3 packet. */
function montgomery(kind: Montgomery, point: Uint8Array, secret: Uint8Array): SessionKeyDecryptor {
  const privateKey = asPkcs8(kind.curve, secret);
  const info = Buffer.from(`OpenPGP ${kind.curve}`);
  return ({ version, material }) => {
    const ephemeral = material.subarray(0, kind.bytes);
    const rest = material.subarray(kind.bytes + 1);
    const [cipher, wrapped] = version === 3 ? [rest[0] ?? 0, rest.subarray(1)] : [undefined, rest];
    if (cipher !== undefined && !isAes(cipher)) return undefined;
    const shared = tried(() => agreed(kind, privateKey, ephemeral));
    if (shared === undefined) return undefined;
    const input = Buffer.concat([ephemeral, point, shared]);
    const key = unwrap(Buffer.from(hkdfSync(kind.hash, input, '', info, kind.kekBytes)), wrapped);
    return key && fittingKey(cipher, key);
  };
}

function agreed(kind: Montgomery, privateKey: KeyObject, point: Uint8Array): Buffer {
  return diffieHellman({ privateKey, publicKey: publicKeyOf(kind, point) });
}

/** Whatever OpenSSL says of a packet that somebody has sent, the answer is the same. */
function tried<T>(operation: () => T): T | undefined {
  try {
    return operation();
  } catch {
    return undefined;
  }
}

function given(number: Uint8Array | undefined): Uint8Array {
  if (number === undefined) throw new RangeError('a number of the secret key is missing');
  return number;
}
