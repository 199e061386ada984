// Certificates that no program makes, with thousands of subkeys or with numbers of thousands of digits. They
// are real packets by RFC 9580 §5, so that judging them takes all the work that they ask for.

import { createHash, randomBytes } from 'node:crypto';
import { binaryOf, type FreshKey } from './freshkey.ts';

/** Splits a certificate with one user ID and one subkey before its subkey. */
async function packetsOf(key: FreshKey): Promise<{ head: Buffer; subkey: Buffer }> {
  const binary = await binaryOf(key.certificate);
  const at = packetOffsets(binary);
  const subkeyAt = at.find((offset) => tagAt(binary, offset) === 14) ?? binary.length;
  return { head: binary.subarray(0, subkeyAt), subkey: binary.subarray(subkeyAt) };
}

/** Resolves to the certificate with its subkey `count` times. */
export async function withSubkeys(key: FreshKey, count: number): Promise<Buffer> {
  const { head, subkey } = await packetsOf(key);
  return Buffer.concat([head, ...Array<Buffer>(count).fill(subkey)]);
}

/** Does the same, but only the signature that binds the last subkey is good. */
export async function withBadSubkeys(key: FreshKey, count: number): Promise<Buffer> {
  const { head, subkey } = await packetsOf(key);
  const bad = Buffer.from(subkey);
  bad.writeUInt8(bad.readUInt8(bad.length - 5) ^ 1, bad.length - 5);
  return Buffer.concat([head, ...Array<Buffer>(count - 1).fill(bad), subkey]);
}

/**
 * Returns where the packets begin. They are in the new format, as openpgp.js writes it, and below 8,384
 * octets.
 */
function packetOffsets(binary: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < binary.length; ) {
    offsets.push(at);
    const first = binary.readUInt8(at + 1);
    at += first < 192 ? 2 + first : 3 + ((first - 192) << 8) + binary.readUInt8(at + 2) + 192;
  }
  return offsets;
}

function tagAt(binary: Buffer, at: number): number {
  return binary.readUInt8(at) & 0x3f;
}

const DSA = 17;
const RSA = 1;
const SHA224 = 11; // Web Crypto does not have it, and so openpgp.js verifies in JavaScript

/** Returns a DSA certificate whose numbers are all `bytes` long, the order of the subgroup too. */
export function hugeDsa(bytes: number): Buffer {
  const p = odd(bytes, 0x7f);
  const q = odd(bytes, 0x7e);
  return certificate(DSA, [p, q, Buffer.of(3), odd(bytes, 0x7d)], [odd(bytes, 0x7d), odd(bytes, 0x7c)]);
}

/** Returns an RSA certificate whose exponent is as long as its modulus. */
export function hugeRsaExponent(bytes: number): Buffer {
  return certificate(RSA, [odd(bytes, 0x7f), odd(bytes, 0x7e)], [odd(bytes, 0x7d)]);
}

/**
 * Makes a certificate with a well-formed self-signature. Only arithmetic with its numbers can tell that it is
 * bad.
 */
function certificate(algorithm: number, key: Buffer[], signature: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.of(4), CREATED, Buffer.of(algorithm), ...key.map(mpi)]);
  const userId = Buffer.from('Odd <odd@example.com>');
  return Buffer.concat([
    packet(6, body),
    packet(13, userId),
    packet(2, selfSignature(algorithm, body, userId, signature)),
  ]);
}

const CREATED = uint(4, 1_600_000_000);

/** Makes a version 4 positive certification (RFC 9580 §5.2.3 and §5.2.4). */
function selfSignature(algorithm: number, key: Buffer, userId: Buffer, numbers: Buffer[]): Buffer {
  const keyInHash = Buffer.concat([Buffer.of(0x99), uint(2, key.length), key]);
  const keyId = createHash('sha1').update(keyInHash).digest().subarray(12);
  const hashed = Buffer.concat([subpacket(2, CREATED), subpacket(27, Buffer.of(0x2f))]);
  const issuer = subpacket(16, keyId);
  const head = Buffer.concat([Buffer.of(4, 0x13, algorithm, SHA224), uint(2, hashed.length), hashed]);
  const trailer = Buffer.concat([Buffer.of(4, 0xff), uint(4, head.length)]);
  const digest = createHash('sha224')
    .update(Buffer.concat([keyInHash, Buffer.of(0xb4), uint(4, userId.length), userId, head, trailer]))
    .digest();
  return Buffer.concat([head, uint(2, issuer.length), issuer, digest.subarray(0, 2), ...numbers.map(mpi)]);
}

function packet(tag: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0xc0 | tag, 0xff), uint(4, body.length), body]);
}

function subpacket(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(body.length + 1, type), body]);
}

function mpi(number: Buffer): Buffer {
  const bits = number.length * 8 - Math.clz32(number.readUInt8(0)) + 24;
  return Buffer.concat([uint(2, bits), number]);
}

function uint(bytes: number, value: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return out;
}

/** Returns an odd number of `bytes` bytes, the first of which is `first`. */
function odd(bytes: number, first: number): Buffer {
  const number = randomBytes(bytes);
  number.writeUInt8(first, 0);
  number.writeUInt8(number.readUInt8(bytes - 1) | 1, bytes - 1);
  return number;
}
