/**
 * The keygrip of a key: the name that gpg-agent has for it, whatever the protocol it is used with. A hash of
 * the numbers of its public part, in the forms that libgcrypt has for each algorithm.
 */
import { createHash } from 'node:crypto';
import type { PublicNumbers } from '../openpgp/publickey.ts';
import { CURVES } from './curves.ts';

/** Of a point on Curve25519. */
const NATIVE = 0x40;

/** Returns 40 digits of upper-case hex, or undefined for a curve that is not known. */
export function keygripOf(numbers: PublicNumbers): string | undefined {
  const parts = partsOf(numbers);
  if (parts === undefined) return undefined;
  return createHash('sha1').update(Buffer.concat(parts)).digest('hex').toUpperCase();
}

function partsOf(numbers: PublicNumbers): Uint8Array[] | undefined {
  switch (numbers.kind) {
    case 'rsa':
      return [positive(numbers.n)];
    case 'elgamal': {
      const { p, g, y } = numbers;
      return [named('p', positive(p)), named('g', positive(g)), named('y', positive(y))];
    }
    case 'ecdh': {
      const curve = CURVES[Buffer.from(numbers.oid).toString('hex')];
      if (curve === undefined) return undefined;
      const { p, a, b, g, n } = curve;
      const known = Object.entries({ p, a, b, g: g(), n });
      const { point } = numbers;
      const q = point[0] === NATIVE ? point.subarray(1) : point;
      return [...known.map(([name, hex]) => named(name, Buffer.from(hex, 'hex'))), named('q', q)];
    }
    default:
      return numbers satisfies never;
  }
}

function named(name: string, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`(1:${name}${bytes.length}:`), bytes, Buffer.from(')')]);
}

/** Returns a number with a zero in front if its first bit would make it negative. */
export function positive(bytes: Uint8Array): Uint8Array {
  return (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
}
