/**
 * Writes the numbers of an RSA key as an RSAPrivateKey (RFC 8017 §A.1.2), the form in which OpenSSL takes
 * them: in one buffer, which the caller overwrites afterwards.
 */

/** As they stand in the packet of a secret key (RFC 9580 §5.5.5.1). */
export interface RsaNumbers {
  readonly n: Uint8Array;
  readonly e: Uint8Array;
  readonly d: Uint8Array;
  readonly p: Uint8Array;
  readonly q: Uint8Array;
  /** 1/p modulo q. */
  readonly u: Uint8Array;
}

const SEQUENCE = 0x30;
const INTEGER = 0x02;

/** OpenSSL wants 1/q modulo p, so that the two primes change their places. */
export function pkcs1({ n, e, d, p, q, u }: RsaNumbers): Buffer {
  const exponents = [remainder(d, q), remainder(d, p)] as const;
  const integers = [Buffer.of(0), n, e, d, q, p, ...exponents, u].map(withoutZeros);
  const length = integers.reduce((sum, each) => sum + headOf(INTEGER, octets(each)).length + octets(each), 0);
  const head = headOf(SEQUENCE, length);
  const der = Buffer.alloc(head.length + length);
  der.set(head);
  let at = head.length;
  for (const each of integers) {
    const integerHead = headOf(INTEGER, octets(each));
    der.set(integerHead, at);
    at += integerHead.length + octets(each);
    der.set(each, at - each.length);
  }
  for (const each of exponents) each.fill(0);
  return der;
}

/** Returns `number` modulo `prime` - 1. */
function remainder(number: Uint8Array, prime: Uint8Array): Buffer {
  const result = BigInt(`0x${hex(number)}`) % (BigInt(`0x${hex(prime)}`) - 1n);
  return Buffer.from(result.toString(16).padStart(2 * prime.length, '0'), 'hex');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function withoutZeros(number: Uint8Array): Uint8Array {
  const first = number.findIndex((byte) => byte !== 0);
  return first === -1 ? number.subarray(-1) : number.subarray(first);
}

/** A number whose first bit is set has a zero in front. */
function octets(number: Uint8Array): number {
  return number.length + ((number[0] ?? 0) >> 7);
}

/** Returns tag and length. */
function headOf(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.of(tag, length);
  if (length < 0x100) return Buffer.of(tag, 0x81, length);
  return Buffer.of(tag, 0x82, length >> 8, length & 0xff);
}
