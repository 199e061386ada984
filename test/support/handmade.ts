// Certificates made by hand from RFC 9580 and node:crypto, so that each of their signatures can be dated, cut
// short, revoked or put in another place at will. Ed25519Legacy and Curve25519Legacy, which every program
// reads.

import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const ED25519 = Buffer.from('092b06010401da470f01', 'hex');
const CURVE25519 = Buffer.from('0a2b060104019755010501', 'hex');
const SHA256_AES128 = Buffer.of(3, 1, 8, 7);
const EDDSA = 22;
const ECDH = 18;
const SHA256 = 8;

/** Key flags. */
export const FLAGS = { certify: 0x01, sign: 0x02, communication: 0x04, storage: 0x08 } as const;
/** Reasons for revocation. */
export const REASON = { none: 0, superseded: 1, compromised: 2, retired: 3, userIdInvalid: 32 } as const;

export interface SignatureOptions {
  /** Seconds since the epoch. */
  readonly at: number;
  /** Seconds until the signature itself ends; never if left out. */
  readonly lasts?: number | undefined;
  /** Seconds from the creation of the key to its end; never if left out. */
  readonly keyLasts?: number | undefined;
  /** Left out: no key flags at all. */
  readonly flags?: number | undefined;
  readonly isPrimary?: boolean;
  readonly reason?: number | undefined;
  readonly issuer?: 'fingerprint' | 'both' | 'none';
  /** Name of a notation that whoever does not know it must not ignore. */
  readonly criticalNotation?: string;
}

export interface Subkey {
  readonly body: Buffer;
  readonly packet: Buffer;
  readonly secretPacket: Buffer;
  /** Upper-case hex. */
  readonly keyId: string;
}

/** The owner of a certificate: makes its packets and signs them. */
export class Owner {
  readonly #secret: KeyObject;
  readonly body: Buffer;
  readonly fingerprint: Buffer;
  readonly packet: Buffer;
  readonly secretPacket: Buffer;

  constructor(createdAt: number) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const point = pointOf(publicKey);
    this.#secret = privateKey;
    this.body = Buffer.concat([
      Buffer.of(4),
      uint(4, createdAt),
      Buffer.of(EDDSA),
      ED25519,
      mpi(Buffer.concat([Buffer.of(0x40), point])),
    ]);
    this.fingerprint = createHash('sha1').update(hashed(this.body)).digest();
    this.packet = packet(6, this.body);
    this.secretPacket = packet(5, withSecret(this.body, seedOf(privateKey)));
  }

  /** Lower-case hex. */
  get keyId(): string {
    return this.fingerprint.subarray(12).toString('hex');
  }

  /** A certification of a user ID, given by its text or its bytes. */
  certify(userId: string | Buffer, options: SignatureOptions): Buffer {
    return this.#signature(0x13, [hashed(this.body), hashedUserId(userId)], options);
  }

  revokeUserId(userId: string | Buffer, options: SignatureOptions): Buffer {
    return this.#signature(0x30, [hashed(this.body), hashedUserId(userId)], options);
  }

  bind(subkey: Pick<Subkey, 'body'>, options: SignatureOptions): Buffer {
    return this.#signature(0x18, [hashed(this.body), hashed(subkey.body)], options);
  }

  revokeSubkey(subkey: Pick<Subkey, 'body'>, options: SignatureOptions): Buffer {
    return this.#signature(0x28, [hashed(this.body), hashed(subkey.body)], options);
  }

  direct(options: SignatureOptions): Buffer {
    return this.#signature(0x1f, [hashed(this.body)], options);
  }

  revoke(options: SignatureOptions): Buffer {
    return this.#signature(0x20, [hashed(this.body)], options);
  }

  /** RFC 9580 §5.2.3, §5.2.4. */
  #signature(type: number, data: readonly Buffer[], options: SignatureOptions): Buffer {
    const { issuer = 'both' } = options;
    const subpackets = [
      subpacket(2, uint(4, options.at)),
      ...(options.lasts === undefined ? [] : [subpacket(3, uint(4, options.lasts))]),
      ...(options.keyLasts === undefined ? [] : [subpacket(9, uint(4, options.keyLasts))]),
      ...(options.flags === undefined ? [] : [subpacket(27, Buffer.of(options.flags))]),
      ...(options.isPrimary === true ? [subpacket(25, Buffer.of(1))] : []),
      ...(options.reason === undefined ? [] : [subpacket(29, Buffer.of(options.reason))]),
      ...(options.criticalNotation === undefined ? [] : [criticalNotation(options.criticalNotation)]),
      ...(type === 0x13 || type === 0x1f
        ? [subpacket(11, Buffer.of(9, 7)), subpacket(30, Buffer.of(1))]
        : []),
      ...(issuer === 'none' ? [] : [subpacket(33, Buffer.concat([Buffer.of(4), this.fingerprint]))]),
    ];
    const area = Buffer.concat(subpackets);
    const head = Buffer.concat([Buffer.of(4, type, EDDSA, SHA256), uint(2, area.length), area]);
    const trailer = Buffer.concat([Buffer.of(4, 0xff), uint(4, head.length)]);
    const digest = createHash('sha256')
      .update(Buffer.concat([...data, head, trailer]))
      .digest();
    const unhashed = issuer === 'both' ? subpacket(16, this.fingerprint.subarray(12)) : Buffer.alloc(0);
    const signed = sign(null, digest, this.#secret);
    return packet(
      2,
      Buffer.concat([
        head,
        uint(2, unhashed.length),
        unhashed,
        digest.subarray(0, 2),
        mpi(signed.subarray(0, 32)),
        mpi(signed.subarray(32)),
      ]),
    );
  }
}

/** A subkey for encryption, as yet bound by nobody. */
export function newSubkey(createdAt: number): Subkey {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const point = pointOf(publicKey);
  const body = Buffer.concat([
    Buffer.of(4),
    uint(4, createdAt),
    Buffer.of(ECDH),
    CURVE25519,
    mpi(Buffer.concat([Buffer.of(0x40), point])),
    SHA256_AES128,
  ]);
  return {
    ...subkeyOf(body),
    secretPacket: packet(7, withSecret(body, clamped(seedOf(privateKey)).reverse())),
  };
}

/** A subkey of an algorithm that nobody has. */
export function subkeyOfAlgorithm(
  algorithm: number,
  createdAt: number,
  material: Buffer,
): Omit<Subkey, 'secretPacket'> {
  return subkeyOf(Buffer.concat([Buffer.of(4), uint(4, createdAt), Buffer.of(algorithm), material]));
}

function subkeyOf(body: Buffer): Omit<Subkey, 'secretPacket'> {
  const keyId = createHash('sha1').update(hashed(body)).digest('hex').slice(-16).toUpperCase();
  return { body, packet: packet(14, body), keyId };
}

export function userId(text: string | Buffer): Buffer {
  return packet(13, Buffer.from(text));
}

/** A packet with a header of the new format, in the shortest form. */
export function packet(tag: number, body: Buffer): Buffer {
  if (body.length < 192) return Buffer.concat([Buffer.of(0xc0 | tag, body.length), body]);
  const length = body.length - 192;
  if (body.length < 8384)
    return Buffer.concat([Buffer.of(0xc0 | tag, (length >> 8) + 192, length & 0xff), body]);
  return Buffer.concat([Buffer.of(0xc0 | tag, 0xff), uint(4, body.length), body]);
}

/** The same with a header of the old format, which only tags below 16 have. */
export function oldPacket(tag: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0x81 | (tag << 2)), uint(2, body.length), body]);
}

export function uint(bytes: number, value: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return out;
}

export function mpi(bytes: Buffer): Buffer {
  const from = bytes.findIndex((byte) => byte !== 0);
  const number = from === -1 ? Buffer.alloc(0) : bytes.subarray(from);
  const bits = number.length === 0 ? 0 : number.length * 8 - Math.clz32(number.readUInt8(0)) + 24;
  return Buffer.concat([uint(2, bits), number]);
}

function subpacket(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(body.length + 1, type), body]);
}

// RFC 9580 §5.2.3.24, with the bit of §5.2.3.7; in text, with the value "1"
function criticalNotation(name: string): Buffer {
  const body = Buffer.concat([
    uint(4, 0x80_00_00_00),
    uint(2, name.length),
    uint(2, 1),
    Buffer.from(`${name}1`),
  ]);
  return subpacket(0x80 | 20, body);
}

function hashed(key: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0x99), uint(2, key.length), key]);
}

function hashedUserId(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.of(0xb4), uint(4, bytes.length), bytes]);
}

// RFC 9580 §5.5.3: in clear, with the sum of its bytes
function withSecret(body: Buffer, secret: Buffer): Buffer {
  const number = mpi(secret);
  const sum = number.reduce((total, byte) => (total + byte) & 0xffff, 0);
  return Buffer.concat([body, Buffer.of(0), number, uint(2, sum)]);
}

// RFC 8410 §4, §7: the 32 bytes are the last ones. As JWK a generated key must not be exported: on Node 20
// that waits for ever if a garbage collection begins at the same moment.
function pointOf(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32);
}

function seedOf(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
}

// RFC 7748 §5
function clamped(scalar: Buffer): Buffer {
  scalar.writeUInt8(scalar.readUInt8(0) & 248, 0);
  scalar.writeUInt8((scalar.readUInt8(31) & 127) | 64, 31);
  return scalar;
}

export interface MadeCertificate {
  readonly owner: Owner;
  readonly subkey: Subkey;
  /** With one user ID and one subkey, all of it valid. */
  readonly certificate: Buffer;
  /** The secret key to it, which opens what was sealed to the subkey. */
  readonly secretKey: Buffer;
}

/** The plainest certificate there is, made at a time in seconds since the epoch. */
export function madeCertificate(at: number, id = '<alice@example.com>'): MadeCertificate {
  const owner = new Owner(at);
  const subkey = newSubkey(at);
  const certification = owner.certify(id, { at, flags: FLAGS.certify | FLAGS.sign });
  const binding = owner.bind(subkey, { at, flags: FLAGS.communication | FLAGS.storage });
  return {
    owner,
    subkey,
    certificate: Buffer.concat([owner.packet, userId(id), certification, subkey.packet, binding]),
    secretKey: secretKeyOf(owner, [subkey], at, id),
  };
}

/** A secret key with which mail clients open what was sealed to the subkeys. */
export function secretKeyOf(
  owner: Owner,
  subkeys: readonly Subkey[],
  at: number,
  id = '<alice@example.com>',
): Buffer {
  const bound = subkeys.flatMap((subkey) => [
    subkey.secretPacket,
    owner.bind(subkey, { at, flags: FLAGS.communication | FLAGS.storage }),
  ]);
  const certification = owner.certify(id, { at, flags: FLAGS.certify | FLAGS.sign });
  return Buffer.concat([owner.secretPacket, userId(id), certification, ...bound]);
}

/** Armor as programs write it. `checksum`: with a line for it, which nobody has to look at. */
export function armored(
  binary: Buffer,
  { type = 'PUBLIC KEY BLOCK', checksum = '' }: { type?: string; checksum?: string } = {},
): string {
  const base64 = binary.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN PGP ${type}-----\n\n${base64.trimEnd()}\n${checksum}-----END PGP ${type}-----\n`;
}
