/**
 * Finds keys in bytes of any kind: in a sequence of packets, and at any offset of what is no such sequence.
 * Its purpose is to find a secret key wherever it hides. Random bytes must not look like one, so the head of
 * a key found at an odd place has to be plausible in all its fields.
 */
import { keyMaterialOctets, type Packet, readPackets, TAG, uint } from '../openpgp/packets.ts';

const SECRET_TAGS: readonly number[] = [TAG.secretKey, TAG.secretSubkey];
export const PUBLIC_TAGS: readonly number[] = [TAG.publicKey, TAG.publicSubkey];

const KEY_VERSIONS: readonly number[] = [2, 3, 4, 5, 6];
// of a key's creation: OpenPGP is younger than the one, and seconds in 32 bits end long after the other
const YEAR_1990 = 631_152_000;
const YEAR_2060 = 2_840_140_800;
// RSA of 16384 bits takes 10 KiB with its secret numbers
const MAX_KEY_OCTETS = 16_384;

/** Tells whether a secret key is in there, however damaged the bytes around it. */
export function holdsSecretKey(bytes: Uint8Array): boolean {
  const { packets, stoppedAt } = readPackets(bytes);
  if (packets.some((packet) => isSecretKey(packet) || hidesSecretKey(packet))) return true;
  return stoppedAt !== undefined && findKeyPacket(bytes.subarray(stoppedAt), SECRET_TAGS) !== undefined;
}

function isSecretKey({ tag, body }: Packet): boolean {
  return SECRET_TAGS.includes(tag) && KEY_VERSIONS.includes(body[0] ?? -1);
}

/**
 * Tells whether a secret key stands inside another packet: after the numbers of a public key, or in a packet
 * of no use.
 */
function hidesSecretKey({ tag, body }: Packet): boolean {
  if (tag === TAG.signature || tag === TAG.userAttribute) return false;
  const from = PUBLIC_TAGS.includes(tag) ? (publicOctets(body) ?? 1) : 0;
  return findKeyPacket(body.subarray(from), SECRET_TAGS) !== undefined;
}

/**
 * Returns the offset of the first key packet with one of the tags, wherever it begins and even if it is cut
 * off.
 */
export function findKeyPacket(bytes: Uint8Array, tags: readonly number[]): number | undefined {
  for (let at = 0; at < bytes.length; at++) {
    const head = bytes[at] ?? 0;
    if ((head & 0x80) === 0) continue;
    const tag = (head & 0x40) !== 0 ? head & 0x3f : (head >> 2) & 0x0f;
    if (tags.includes(tag) && looksLikeKey(bytes.subarray(at, at + MAX_KEY_OCTETS), tag)) return at;
  }
  return undefined;
}

function looksLikeKey(packet: Uint8Array, tag: number): boolean {
  const { octets, bytes } = lengthOf(packet);
  const body = packet.subarray(1 + octets);
  const material = publicOctets(body);
  const created = uint(body, 1, 4);
  if (material === undefined || created < YEAR_1990 || created > YEAR_2060) return false;
  if (bytes < material || bytes > MAX_KEY_OCTETS) return false;
  // RFC 9580 §5.5.3: how the secret numbers are protected, as far as the packet is there
  const protection = body[material] ?? 0;
  return !SECRET_TAGS.includes(tag) || protection < 14 || protection > 252;
}

/** Returns the octets of the public key at the beginning of a packet's body, or undefined if it is none. */
function publicOctets(body: Uint8Array): number | undefined {
  const version = body[0] ?? 0;
  // RFC 9580 §5.5.2: versions 2 and 3 have days of validity before the algorithm, 5 and 6 a count after it
  const algorithmAt = version < 4 ? 7 : 5;
  const materialAt = algorithmAt + (version < 5 ? 1 : 5);
  const octets = keyMaterialOctets(body[algorithmAt] ?? 0, body.subarray(materialAt));
  return KEY_VERSIONS.includes(version) && octets !== undefined ? materialAt + octets : undefined;
}

/** Returns the length in a packet's header (RFC 9580 §4.2), and how many octets it takes. */
function lengthOf(packet: Uint8Array): { octets: number; bytes: number } {
  const head = packet[0] ?? 0;
  if ((head & 0x40) === 0) {
    const octets = [1, 2, 4, 0][head & 0x03] ?? 0;
    return { octets, bytes: octets === 0 ? packet.length - 1 : uint(packet, 1, octets) };
  }
  const first = packet[1] ?? 0;
  if (first < 192) return { octets: 1, bytes: first };
  if (first < 224) return { octets: 2, bytes: ((first - 192) << 8) + uint(packet, 2, 1) + 192 };
  return first === 255 ? { octets: 5, bytes: uint(packet, 2, 4) } : { octets: 1, bytes: packet.length - 2 };
}
