/**
 * Public-Key Encrypted Session Key packets (RFC 9580 §5.1), v3 and v6, on node:crypto for the
 * kinds of keys most people have: RSA, ECDH over Curve25519 and the NIST curves, X25519.
 * Everything that can be made ready once per key is; a packet then costs one key agreement.
 * Which key may be used at all is decided elsewhere (keys/certificates.ts).
 */
import {
  constants,
  createCipheriv,
  createECDH,
  createHash,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { PKESK, packetHeader } from './framer.ts';
import { importPrivateKey } from './privatekey.ts';

/** A public key by its material, as in its packet. */
export type KeyMaterial =
  | { readonly kind: 'rsa'; readonly algorithm: 1 | 2; readonly n: Uint8Array; readonly e: Uint8Array }
  | { readonly kind: 'x25519'; readonly point: Uint8Array }
  | {
      readonly kind: 'ecdh';
      /** `curve25519` points carry a leading 0x40, the others 0x04 (uncompressed). */
      readonly curve: EcdhCurve;
      readonly point: Uint8Array;
      /** Length octet and OID, as in the key packet. */
      readonly oid: Uint8Array;
      /** Hash and cipher IDs of the key derivation. */
      readonly kdfHash: number;
      readonly kdfCipher: number;
    };

export type EcdhCurve = 'curve25519' | 'prime256v1' | 'secp384r1' | 'secp521r1';

export interface RecipientKey {
  readonly version: 4 | 6;
  /** 20 bytes of a v4 key, 32 of a v6 one. */
  readonly fingerprint: Uint8Array;
  readonly material: KeyMaterial;
}

export interface SessionKey {
  /** 3 goes before SEIPD v1, 6 before v2 (RFC 9580 §10.3.2.1). */
  readonly packetVersion: 3 | 6;
  /** Symmetric algorithm ID; written into v3 packets only. */
  readonly cipher: number;
  readonly key: Uint8Array;
}

/** Makes packets for one key; throws when the material is not what it says. */
export type SessionKeyEncryptor = (session: SessionKey) => Buffer;

const HASHES: Readonly<Record<number, string>> = { 8: 'sha256', 9: 'sha384', 10: 'sha512' };
const KEK_BYTES: Readonly<Record<number, number>> = { 7: 16, 8: 24, 9: 32 };
const WRAP_IV = Buffer.alloc(8, 0xa6); // RFC 3394 §2.2.3.1
const SPKI_X25519 = Buffer.from('302a300506032b656e032100', 'hex'); // RFC 8410 §4, in front of the 32 bytes

const ALGORITHM = { x25519: 25, ecdh: 18 } as const;

export function sessionKeyEncryptor({ version, fingerprint, material }: RecipientKey): SessionKeyEncryptor {
  const encrypt = encryptorOf(material, fingerprint);
  const algorithm = material.kind === 'rsa' ? material.algorithm : ALGORITHM[material.kind];
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
      return x25519(material.point);
    case 'ecdh':
      return ecdh(material, fingerprint);
    default:
      return material satisfies never;
  }
}

/** RFC 9580 §5.1.3. */
function rsa({ n, e }: Extract<KeyMaterial, { kind: 'rsa' }>) {
  const jwk = { kty: 'RSA', n: base64url(n), e: base64url(e) };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return (session: SessionKey) => {
    const encrypted = publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, checkedKey(session));
    return mpi(encrypted);
  };
}

/** RFC 9580 §5.1.6: the algorithm ID of a v3 packet stands in clear before the wrapped key. */
function x25519(point: Uint8Array) {
  const recipient = publicX25519(point);
  const info = Buffer.from('OpenPGP X25519');
  return ({ packetVersion, cipher, key }: SessionKey) => {
    const { ephemeral, shared } = agreeX25519(recipient);
    const input = Buffer.concat([ephemeral, point, shared]);
    const wrapped = wrap(Buffer.from(hkdfSync('sha256', input, '', info, 16)), key);
    const rest = packetVersion === 3 ? Buffer.concat([Buffer.from([cipher]), wrapped]) : wrapped;
    return Buffer.concat([ephemeral, Buffer.from([rest.length]), rest]);
  };
}

/** RFC 9580 §5.1.5, §11.5. */
function ecdh(material: Extract<KeyMaterial, { kind: 'ecdh' }>, fingerprint: Uint8Array) {
  const { oid, kdfHash, kdfCipher } = material;
  const hash = HASHES[kdfHash];
  const kekBytes = KEK_BYTES[kdfCipher];
  if (hash === undefined || kekBytes === undefined) throw new RangeError('unknown key derivation parameters');
  const parameters = Buffer.concat([
    oid,
    Buffer.from([ALGORITHM.ecdh, 3, 1, kdfHash, kdfCipher]),
    Buffer.from('Anonymous Sender    '),
    fingerprint,
  ]);
  const agree = agreement(material);
  return (session: SessionKey) => {
    const { ephemeral, shared } = agree();
    const digest = createHash(hash)
      .update(Buffer.from([0, 0, 0, 1]))
      .update(shared)
      .update(parameters)
      .digest();
    const wrapped = wrap(digest.subarray(0, kekBytes), padded(checkedKey(session)));
    return Buffer.concat([mpi(ephemeral), Buffer.from([wrapped.length]), wrapped]);
  };
}

interface Agreement {
  readonly ephemeral: Buffer;
  readonly shared: Buffer;
}

function agreement({ curve, point }: Extract<KeyMaterial, { kind: 'ecdh' }>): () => Agreement {
  if (curve === 'curve25519') {
    const recipient = publicX25519(point.subarray(1)); // behind the 0x40
    return () => {
      const { ephemeral, shared } = agreeX25519(recipient);
      return { ephemeral: Buffer.concat([Buffer.from([0x40]), ephemeral]), shared };
    };
  }
  return () => {
    const own = createECDH(curve);
    return { ephemeral: own.generateKeys(), shared: own.computeSecret(point) };
  };
}

function publicX25519(point: Uint8Array): KeyObject {
  if (point.length !== 32) throw new RangeError('not an X25519 key');
  return createPublicKey({ key: Buffer.concat([SPKI_X25519, point]), format: 'der', type: 'spki' });
}

/**
 * Imports 32 random bytes as the private key: half the price of a generated pair whose public key is exported as
 * DER. A generated private key must not be exported as a JWK: on Node 20 that deadlocks if a garbage collection
 * begins at the same moment.
 */
function agreeX25519(publicKey: KeyObject): Agreement {
  const privateKey = importPrivateKey('X25519', randomBytes(32));
  const { x = '' } = privateKey.export({ format: 'jwk' });
  return { ephemeral: Buffer.from(x, 'base64url'), shared: diffieHellman({ privateKey, publicKey }) };
}

/** Algorithm ID (v3 only), key, and the sum of the key's bytes modulo 65536 (RFC 9580 §5.1). */
function checkedKey({ packetVersion, cipher, key }: SessionKey): Buffer {
  const sum = key.reduce((total, byte) => (total + byte) & 0xffff, 0);
  return Buffer.from([...(packetVersion === 3 ? [cipher] : []), ...key, sum >> 8, sum & 0xff]);
}

/** To a multiple of eight bytes, each added one saying how many there are (RFC 9580 §11.5). */
function padded(bytes: Buffer): Buffer {
  const count = 8 - (bytes.length % 8);
  return Buffer.concat([bytes, Buffer.alloc(count, count)]);
}

/** AES Key Wrap, RFC 3394. */
function wrap(kek: Buffer, bytes: Uint8Array): Buffer {
  const cipher = createCipheriv(`id-aes${kek.length * 8}-wrap`, kek, WRAP_IV);
  return Buffer.concat([cipher.update(bytes), cipher.final()]);
}

/** RFC 9580 §3.2: bit count, then the number without leading zeros. */
function mpi(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const number = first === -1 ? Buffer.alloc(0) : bytes.subarray(first);
  const bits = number.length === 0 ? 0 : number.length * 8 - (Math.clz32(number[0] ?? 0) - 24);
  return Buffer.concat([Buffer.from([bits >> 8, bits & 0xff]), number]);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
