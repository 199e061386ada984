/**
 * Makes Public-Key Encrypted Session Key packets (RFC 9580 §5.1), v3 and v6, with node:crypto for the kinds
 * of keys that most people have: RSA, ECDH over Curve25519 and the NIST curves, X25519. What depends on the
 * key alone is prepared once, so that a packet costs one key agreement. Whether a key may be used is decided
 * elsewhere (keys/judgement.ts).
 */
import {
  constants,
  createCipheriv,
  createECDH,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { PUBLIC_KEY } from './algorithms.ts';
import { type EcdhParameters, keyDerivation } from './ecdhkdf.ts';
import { PKESK, packetHeader } from './framer.ts';
import { importPrivateKey } from './privatekey.ts';

/** The numbers of a public key, as they stand in its packet. */
export type KeyMaterial =
  | { readonly kind: 'rsa'; readonly algorithm: 1 | 2; readonly n: Uint8Array; readonly e: Uint8Array }
  | { readonly kind: 'x25519'; readonly point: Uint8Array }
  | { readonly kind: 'x448'; readonly point: Uint8Array }
  | (EcdhParameters & {
      readonly kind: 'ecdh';
      /** `curve25519` points carry a leading 0x40, the others 0x04 (uncompressed). */
      readonly curve: EcdhCurve;
      readonly point: Uint8Array;
    });

export type EcdhCurve =
  | 'curve25519'
  | 'prime256v1'
  | 'secp384r1'
  | 'secp521r1'
  | 'brainpoolP256r1'
  | 'brainpoolP384r1'
  | 'brainpoolP512r1';

export interface RecipientKey {
  readonly version: 4 | 6;
  /** 20 bytes of a v4 key, 32 of a v6 one. */
  readonly fingerprint: Uint8Array;
  readonly material: KeyMaterial;
}

export interface SessionKey {
  /** 3 in front of SEIPD v1, 6 in front of v2 (RFC 9580 §10.3.2.1). */
  readonly packetVersion: 3 | 6;
  /** Symmetric algorithm ID, which only v3 packets name. */
  readonly cipher: number;
  readonly key: Uint8Array;
}

/** Makes packets for one key. */
export type SessionKeyEncryptor = (session: SessionKey) => Buffer;

export const WRAP_IV = Buffer.alloc(8, 0xa6); // RFC 3394 §2.2.3.1

/** Throws if the material is not what it says. */
export function sessionKeyEncryptor({ version, fingerprint, material }: RecipientKey): SessionKeyEncryptor {
  const encrypt = encryptorOf(material, fingerprint);
  const algorithm = material.kind === 'rsa' ? material.algorithm : PUBLIC_KEY[material.kind];
  const keyId = version === 6 ? fingerprint.subarray(0, 8) : fingerprint.subarray(12, 20);
  const heads = {
    3: Buffer.from([3, ...keyId, algorithm]),
    6: Buffer.from([6, 1 + fingerprint.length, version, ...fingerprint, algorithm]),
  };
  return (session) => {
    const body = Buffer.concat([heads[session.packetVersion], encrypt(session)]);
    return Buffer.concat([packetHeader(PKESK, body.length), body]);
  };
}

function encryptorOf(material: KeyMaterial, fingerprint: Uint8Array): (session: SessionKey) => Buffer {
  switch (material.kind) {
    case 'rsa':
      return rsa(material);
    case 'x25519':
      return montgomery(X25519, material.point);
    case 'x448':
      return montgomery(X448, material.point);
    case 'ecdh':
      return ecdh(material, fingerprint);
    default:
      return material satisfies never;
  }
}

// RFC 9580 §5.1.3
function rsa({ n, e }: Extract<KeyMaterial, { kind: 'rsa' }>) {
  const jwk = { kty: 'RSA', n: base64url(n), e: base64url(e) };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return (session: SessionKey) => {
    const encrypted = publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, checkedKey(session));
    return mpi(encrypted);
  };
}

/** What is particular to X25519 or X448. */
export interface Montgomery {
  readonly curve: 'X25519' | 'X448';
  readonly bytes: number;
  readonly hash: string;
  /** Bytes of the key that wraps the session key. */
  readonly kekBytes: number;
}

export const X25519: Montgomery = {
  curve: 'X25519',
  bytes: 32,
  hash: 'sha256',
  kekBytes: 16,
};
export const X448: Montgomery = {
  curve: 'X448',
  bytes: 56,
  hash: 'sha512',
  kekBytes: 32,
};

// RFC 9580 §5.1.6, §5.1.7: the algorithm ID of a v3 packet stands in clear before the wrapped key
function montgomery(kind: Montgomery, point: Uint8Array) {
  const recipient = publicKeyOf(kind, point);
  const info = Buffer.from(`OpenPGP ${kind.curve}`);
  return ({ packetVersion, cipher, key }: SessionKey) => {
    const { ephemeral, shared } = agreeMontgomery(kind, recipient);
    const input = Buffer.concat([ephemeral, point, shared]);
    const wrapped = wrap(Buffer.from(hkdfSync(kind.hash, input, '', info, kind.kekBytes)), key);
    const rest = packetVersion === 3 ? Buffer.concat([Buffer.from([cipher]), wrapped]) : wrapped;
    return Buffer.concat([ephemeral, Buffer.from([rest.length]), rest]);
  };
}

// RFC 9580 §5.1.5, §11.5
function ecdh(material: Extract<KeyMaterial, { kind: 'ecdh' }>, fingerprint: Uint8Array) {
  const derive = keyDerivation(material, fingerprint);
  if (derive === undefined) throw new RangeError('unknown key derivation parameters');
  const agree = agreement(material);
  return (session: SessionKey) => {
    const { ephemeral, shared } = agree();
    const wrapped = wrap(derive(shared), padded(checkedKey(session)));
    return Buffer.concat([mpi(ephemeral), Buffer.from([wrapped.length]), wrapped]);
  };
}

interface Agreement {
  readonly ephemeral: Buffer;
  readonly shared: Buffer;
}

function agreement({ curve, point }: Extract<KeyMaterial, { kind: 'ecdh' }>): () => Agreement {
  if (curve === 'curve25519') {
    const recipient = publicKeyOf(X25519, point.subarray(1)); // after the 0x40
    return () => {
      const { ephemeral, shared } = agreeMontgomery(X25519, recipient);
      return { ephemeral: Buffer.concat([Buffer.from([0x40]), ephemeral]), shared };
    };
  }
  return () => {
    const own = createECDH(curve);
    return { ephemeral: own.generateKeys(), shared: own.computeSecret(point) };
  };
}

/** As a JWK, since OpenSSL takes four times as long to read DER. Throws if a point is of another length. */
export function publicKeyOf({ curve, bytes }: Montgomery, point: Uint8Array): KeyObject {
  if (point.length !== bytes) throw new RangeError(`not an ${curve} key`);
  return createPublicKey({ key: { kty: 'OKP', crv: curve, x: base64url(point) }, format: 'jwk' });
}

/**
 * Makes a pair for one packet and agrees on a secret. Random bytes are imported as the private key, at half
 * the price of a generated pair whose public key is exported as DER. A generated private key must not be
 * exported as a JWK: on Node 20 that deadlocks if a garbage collection begins at the same moment.
 */
function agreeMontgomery({ curve, bytes }: Montgomery, publicKey: KeyObject): Agreement {
  const privateKey = importPrivateKey(curve, randomBytes(bytes));
  const { x = '' } = privateKey.export({ format: 'jwk' });
  return { ephemeral: Buffer.from(x, 'base64url'), shared: diffieHellman({ privateKey, publicKey }) };
}

/** Returns algorithm ID (v3 only), key, and the sum of the key's bytes modulo 65536 (RFC 9580 §5.1). */
function checkedKey({ packetVersion, cipher, key }: SessionKey): Buffer {
  const sum = key.reduce((total, byte) => (total + byte) & 0xffff, 0);
  return Buffer.from([...(packetVersion === 3 ? [cipher] : []), ...key, sum >> 8, sum & 0xff]);
}

/** Pads to a multiple of eight bytes; each added byte says how many there are (RFC 9580 §11.5). */
function padded(bytes: Buffer): Buffer {
  const count = 8 - (bytes.length % 8);
  return Buffer.concat([bytes, Buffer.alloc(count, count)]);
}

/** Wraps a session key (AES Key Wrap, RFC 3394). */
function wrap(kek: Buffer, bytes: Uint8Array): Buffer {
  const cipher = createCipheriv(`id-aes${kek.length * 8}-wrap`, kek, WRAP_IV);
  return Buffer.concat([cipher.update(bytes), cipher.final()]);
}

/** Writes a number as bit count and bytes without leading zeros (RFC 9580 §3.2). */
function mpi(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const number = first === -1 ? Buffer.alloc(0) : bytes.subarray(first);
  const bits = number.length === 0 ? 0 : number.length * 8 - (Math.clz32(number[0] ?? 0) - 24);
  return Buffer.concat([Buffer.from([bits >> 8, bits & 0xff]), number]);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
