/**
 * Reads the numbers of keys that can decrypt from their packets (RFC 9580 §5.5.2, §5.5.5), version 4 only.
 * Whether such a key is valid says nothing about the old mail that was encrypted to it, and is not asked.
 */
import { createHash } from 'node:crypto';
import { PUBLIC_KEY } from './algorithms.ts';
import type { EcdhParameters } from './ecdhkdf.ts';
import { keyMaterialOctets, mpiOctets } from './packets.ts';

export type PublicNumbers =
  | { readonly kind: 'rsa'; readonly n: Uint8Array }
  | { readonly kind: 'elgamal'; readonly p: Uint8Array; readonly g: Uint8Array; readonly y: Uint8Array }
  | (EcdhParameters & { readonly kind: 'ecdh'; readonly point: Uint8Array });

export interface PublicKey {
  readonly algorithm: number;
  /** 20 bytes. */
  readonly fingerprint: Buffer;
  /** Upper-case hex. */
  readonly keyId: string;
  readonly numbers: PublicNumbers;
}

/** Octets before the numbers: version, time, algorithm. */
const HEAD_OCTETS = 6;

/**
 * Returns undefined for a key that cannot decrypt, or is of another version. `body` may go on with the
 * numbers of a secret key, which are left alone.
 */
export function readPublicKey(body: Uint8Array): PublicKey | undefined {
  const algorithm = body[HEAD_OCTETS - 1] ?? 0;
  const octets = keyMaterialOctets(algorithm, body.subarray(HEAD_OCTETS));
  if (body[0] !== 4 || octets === undefined) return undefined;
  const packet = body.subarray(0, HEAD_OCTETS + octets);
  const numbers = numbersOf(algorithm, packet.subarray(HEAD_OCTETS));
  if (numbers === undefined) return undefined;
  // §5.5.4.2
  const head = Buffer.from([0x99, packet.length >> 8, packet.length & 0xff]);
  const fingerprint = createHash('sha1').update(head).update(packet).digest();
  return { algorithm, fingerprint, keyId: fingerprint.toString('hex', 12).toUpperCase(), numbers };
}

function numbersOf(algorithm: number, material: Uint8Array): PublicNumbers | undefined {
  switch (algorithm) {
    case PUBLIC_KEY.rsa:
    case PUBLIC_KEY.rsaEncryptOnly: {
      const [n] = mpis(material, 0, 1);
      return n && { kind: 'rsa', n };
    }
    case PUBLIC_KEY.elgamal: {
      const [p, g, y] = mpis(material, 0, 3);
      return p && g && y && { kind: 'elgamal', p, g, y };
    }
    case PUBLIC_KEY.ecdh:
      return ecdh(material);
    default:
      return undefined;
  }
}

/** Curve, point, and the parameters of the key derivation: a length of 3, a 1, hash, cipher. */
function ecdh(material: Uint8Array): PublicNumbers | undefined {
  const oid = material.subarray(0, 1 + (material[0] ?? 0));
  const [point] = mpis(material, oid.length, 1);
  const [length, one, kdfHash = 0, kdfCipher = 0] = material.subarray(-4);
  if (point === undefined || length !== 3 || one !== 1) return undefined;
  return { kind: 'ecdh', oid, point, kdfHash, kdfCipher };
}

/** Returns so many numbers from `at` on, or fewer if they are not all there (§3.2). */
export function mpis(bytes: Uint8Array, at: number, count: number): Uint8Array[] {
  const numbers: Uint8Array[] = [];
  let from = at;
  while (numbers.length < count) {
    const octets = mpiOctets(bytes, from);
    if (octets === undefined || from + octets > bytes.length) break;
    numbers.push(bytes.subarray(from + 2, from + octets));
    from += octets;
  }
  return numbers;
}
