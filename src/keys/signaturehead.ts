/**
 * Reads what a signature packet says of itself (RFC 9580 §5.2), of every version, also where the library
 * leaves the packet out: its kind, who made it, when. Checks nothing: whether it is true is found out in
 * facts.ts.
 */
import { uint } from '../openpgp/packets.ts';

/** Signature types (RFC 9580 §5.2.1). */
export const SIGNATURE = {
  genericCertification: 0x10,
  positiveCertification: 0x13,
  subkeyBinding: 0x18,
  directKey: 0x1f,
  keyRevocation: 0x20,
  subkeyRevocation: 0x28,
  certificationRevocation: 0x30,
} as const;

/** All types that there are. */
export const SIGNATURE_TYPES: readonly number[] = [
  0x00, 0x01, 0x02, 0x10, 0x11, 0x12, 0x13, 0x16, 0x18, 0x19, 0x1f, 0x20, 0x28, 0x30, 0x40, 0x50,
];

export interface SignatureHead {
  readonly version: number;
  readonly type: number;
  /** Public-key algorithm of who made it. */
  readonly algorithm: number;
  /** Key IDs of who made it, as far as it says so: 16 digits in lower-case hex. */
  readonly issuers: readonly string[];
  /** Key flags, or undefined if it has none. */
  readonly flags: number | undefined;
}

/** Returns undefined if the packet is no signature that can be read this far. */
export function signatureHead(body: Uint8Array): SignatureHead | undefined {
  const [version = 0, second = 0, third = 0] = body;
  if (version === 2 || version === 3) {
    // §5.2.2: length of the hashed part, type, time, key ID, algorithms
    if (body.length < 17) return undefined;
    return { version, type: third, algorithm: body[15] ?? 0, issuers: [hex(body, 7, 8)], flags: undefined };
  }
  if (version < 4 || version > 6) return undefined;
  const octets = version === 6 ? 4 : 2;
  const hashed = area(body, 4, octets);
  const unhashed = hashed && area(body, hashed.end, octets);
  if (hashed === undefined || unhashed === undefined) return undefined;
  const all = [...hashed.subpackets, ...unhashed.subpackets];
  const flags = hashed.subpackets.findLast(({ type }) => type === KEY_FLAGS)?.data;
  return {
    version,
    type: second,
    algorithm: third,
    issuers: all.flatMap(issuerOf),
    flags: flags && (flags[0] ?? 0),
  };
}

const ISSUER = 16;
const KEY_FLAGS = 27;
const ISSUER_FINGERPRINT = 33;

interface Subpacket {
  readonly type: number;
  readonly data: Uint8Array;
}

function issuerOf({ type, data }: Subpacket): string[] {
  if (type === ISSUER && data.length === 8) return [hex(data, 0, 8)];
  if (type !== ISSUER_FINGERPRINT) return [];
  // §5.2.3.35: version of the key, then its fingerprint; a key ID is the end of it, or since version 5 the
  // beginning
  return [data[0] === 4 ? hex(data, data.length - 8, 8) : hex(data, 1, 8)];
}

// §5.2.3.7
function area(
  body: Uint8Array,
  from: number,
  octets: number,
): { subpackets: Subpacket[]; end: number } | undefined {
  const end = from + octets + uint(body, from, octets);
  if (end > body.length) return undefined;
  const subpackets: Subpacket[] = [];
  for (let at = from + octets; at < end; ) {
    const first = body[at] ?? 0;
    const count = first < 192 ? 1 : first < 255 ? 2 : 5;
    const length =
      count === 1
        ? first
        : count === 2
          ? ((first - 192) << 8) + uint(body, at + 1, 1) + 192
          : uint(body, at + 1, 4);
    at += count;
    if (length === 0 || at + length > end) return undefined;
    subpackets.push({ type: (body[at] ?? 0) & 0x7f, data: body.subarray(at + 1, at + length) });
    at += length;
  }
  return { subpackets, end };
}

function hex(bytes: Uint8Array, at: number, count: number): string {
  return Buffer.from(bytes.subarray(at, at + count)).toString('hex');
}

export function isAboutUserId(type: number): boolean {
  const isCertification = type >= SIGNATURE.genericCertification && type <= SIGNATURE.positiveCertification;
  return isCertification || type === SIGNATURE.certificationRevocation;
}

export function isAboutSubkey(type: number): boolean {
  return type === SIGNATURE.subkeyBinding || type === SIGNATURE.subkeyRevocation;
}

export function isRevocation(type: number): boolean {
  return (
    type === SIGNATURE.keyRevocation ||
    type === SIGNATURE.subkeyRevocation ||
    type === SIGNATURE.certificationRevocation
  );
}
