/**
 * Takes binary OpenPGP apart into its packets (RFC 9580 §4.2), old and new headers alike. Leaves nothing out:
 * what is no packet, or ends too early, is told with its offset, so that a caller can judge all of its input.
 * Says nothing of what the packets mean.
 */

/** Packet Type IDs (RFC 9580 §5) that a key file may hold, and those it must not. */
export const TAG = {
  signature: 2,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  marker: 10,
  trust: 12,
  userId: 13,
  publicSubkey: 14,
  userAttribute: 17,
  padding: 21,
} as const;

export interface Packet {
  readonly tag: number;
  readonly body: Uint8Array;
  /** The body came in parts, or had no length: allowed for message data only (§4.2.1.4). */
  readonly isOpenEnded: boolean;
}

export interface Packets {
  readonly packets: readonly Packet[];
  /**
   * Offset of the first byte that belongs to no whole packet, or undefined if all of the input is packets.
   */
  readonly stoppedAt: number | undefined;
}

export interface Length {
  /** Octets of the length itself. */
  readonly octets: number;
  readonly bytes: number;
  readonly kind: 'whole' | 'part' | 'rest';
}

// more than a key needs, and few enough to be read from every offset of a file
const MOST_PARTS = 8;

/** Returns all packets up to the end of `bytes`, or up to the first that is damaged. */
export function readPackets(bytes: Uint8Array): Packets {
  const packets: Packet[] = [];
  for (let at = 0; at < bytes.length; ) {
    const read = readPacket(bytes, at);
    if (read === undefined) return { packets, stoppedAt: at };
    packets.push(read.packet);
    at = read.end;
  }
  return { packets, stoppedAt: undefined };
}

/** Returns the packet at an offset and where it ends, or undefined if there is no whole packet. */
export function readPacket(bytes: Uint8Array, at: number): { packet: Packet; end: number } | undefined {
  const head = bytes[at] ?? 0;
  if ((head & 0x80) === 0) return undefined;
  const isNew = (head & 0x40) !== 0;
  const tag = isNew ? head & 0x3f : (head >> 2) & 0x0f;
  const parts: Uint8Array[] = [];
  let isOpenEnded = false;
  let from = at + 1;
  for (;;) {
    const length = isNew ? newLength(bytes, from) : oldLength(bytes, from, head & 0x03);
    if (length === undefined) return undefined;
    from += length.octets;
    const end = length.kind === 'rest' ? bytes.length : from + length.bytes;
    if (end > bytes.length) return undefined;
    parts.push(bytes.subarray(from, end));
    from = end;
    if (length.kind !== 'whole') isOpenEnded = true;
    if (length.kind !== 'part') break;
    if (parts.length === MOST_PARTS) return undefined;
  }
  const [first] = parts;
  const body = parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
  return { packet: { tag, body, isOpenEnded }, end: from };
}

/** Returns the length in a new header (RFC 9580 §4.2.1), or undefined if it is not all there. */
export function newLength(bytes: Uint8Array, at: number): Length | undefined {
  const [first, second, ...rest] = bytes.subarray(at, at + 5);
  if (first === undefined) return undefined;
  if (first < 192) return { octets: 1, bytes: first, kind: 'whole' };
  if (first >= 224 && first < 255) return { octets: 1, bytes: 2 ** (first & 0x1f), kind: 'part' };
  if (second === undefined) return undefined;
  if (first < 224) return { octets: 2, bytes: ((first - 192) << 8) + second + 192, kind: 'whole' };
  return rest.length < 3 ? undefined : { octets: 5, bytes: uint(bytes, at + 1, 4), kind: 'whole' };
}

/** Returns the length in an old header of a type (RFC 9580 §4.2.2), or undefined if it is not all there. */
export function oldLength(bytes: Uint8Array, at: number, type: number): Length | undefined {
  if (type === 3) return { octets: 0, bytes: 0, kind: 'rest' };
  const octets = 2 ** type;
  if (at + octets > bytes.length) return undefined;
  return { octets, bytes: uint(bytes, at, octets), kind: 'whole' };
}

/** Returns a big-endian number; octets that are not there count as 0. */
export function uint(bytes: Uint8Array, at: number, octets: number): number {
  let value = 0;
  for (let n = 0; n < octets; n++) value = value * 256 + (bytes[at + n] ?? 0);
  return value;
}

/**
 * Returns how many octets the numbers of a public key take (RFC 9580 §5.5.5), or undefined if they do not
 * fit.
 */
export function keyMaterialOctets(algorithm: number, material: Uint8Array): number | undefined {
  const fixed = FIXED_OCTETS[algorithm];
  if (fixed !== undefined) return fixed <= material.length ? fixed : undefined;
  let at = 0;
  for (const field of FIELDS[algorithm] ?? []) {
    const octets = field === 'mpi' ? mpiOctets(material, at) : 1 + (material[at] ?? 0);
    if (octets === undefined) return undefined;
    at += octets;
  }
  return at > 0 && at <= material.length ? at : undefined;
}

/** Octets of the public keys of algorithms that have one size. */
export const FIXED_OCTETS: Readonly<Record<number, number>> = { 25: 32, 26: 56, 27: 32, 28: 57 };
// 'short': one octet that says how many follow
const FIELDS: Readonly<Record<number, readonly ('mpi' | 'short')[]>> = {
  1: ['mpi', 'mpi'],
  2: ['mpi', 'mpi'],
  3: ['mpi', 'mpi'],
  16: ['mpi', 'mpi', 'mpi'],
  17: ['mpi', 'mpi', 'mpi', 'mpi'],
  18: ['short', 'mpi', 'short'],
  19: ['short', 'mpi'],
  22: ['short', 'mpi'],
};

/**
 * Returns the octets of a number with its bit count (§3.2), or undefined if the count is not that of the
 * number.
 */
export function mpiOctets(bytes: Uint8Array, at: number): number | undefined {
  const bits = uint(bytes, at, 2);
  const top = bytes[at + 2] ?? 0;
  const isCounted = bits > 0 && 32 - Math.clz32(top) === ((bits - 1) % 8) + 1;
  return isCounted ? 2 + Math.ceil(bits / 8) : undefined;
}
