/**
 * Finds keys in bytes of any kind: in a sequence of packets, and at any offset of what is no such sequence.
 * Its purpose is to find a secret key wherever it hides. Random bytes must not look like one, so the head of
 * a key found at an odd place has to be plausible in all its fields.
 */
import { PUBLIC_KEY } from '../openpgp/algorithms.ts';
import { keyMaterialOctets, type Packet, readPacket, readPackets, TAG, uint } from '../openpgp/packets.ts';
import { keyHead } from './parts.ts';

const SECRET_TAGS: readonly number[] = [TAG.secretKey, TAG.secretSubkey];
export const PUBLIC_TAGS: readonly number[] = [TAG.publicKey, TAG.publicSubkey];

const KEY_VERSIONS: readonly number[] = [2, 3, 4, 5, 6];
// of a key's creation: OpenPGP is younger than the one, and seconds in 32 bits end long after the other
const YEAR_1990 = 631_152_000;
const YEAR_2060 = 2_840_140_800;
// RSA of 16384 bits takes 10 KiB with its secret numbers
const MAX_KEY_OCTETS = 16_384;
const MIN_KEY_OCTETS = 40;
// of the secret numbers for those that are of one size, with all that may protect them
const MAX_FIXED_SECRET_OCTETS = 160;

/** Tells whether a secret key is in there, however damaged the bytes around it. */
export function holdsSecretKey(bytes: Uint8Array): boolean {
  const { packets, stoppedAt } = readPackets(bytes);
  if (packets.some((packet) => isSecretKey(packet) || hidesSecretKey(packet))) return true;
  if (stoppedAt === undefined && packets.some(isWholeSecretKey)) return true;
  // a packet that is cut off may have swallowed the beginning of a secret key, so all is looked through
  return stoppedAt !== undefined && findKeyPacket(bytes, SECRET_TAGS) !== undefined;
}

function isSecretKey({ tag, body }: Packet): boolean {
  return SECRET_TAGS.includes(tag) && publicOctets(body) !== undefined;
}

/**
 * Tells whether a packet among others, all of them whole, is a secret key, be it of an algorithm that is not
 * known.
 */
function isWholeSecretKey({ tag, body, isOpenEnded }: Packet): boolean {
  const isKnown = KEY_VERSIONS.includes(body[0] ?? 0) && isMadeInTime(body);
  return SECRET_TAGS.includes(tag) && isKnown && !isOpenEnded && body.length > MIN_KEY_OCTETS;
}

function isMadeInTime(body: Uint8Array): boolean {
  const created = uint(body, 1, 4);
  return created >= YEAR_1990 && created <= YEAR_2060;
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
    if (tags.includes(tag) && looksLikeKey(bytes.subarray(at), tag)) return at;
  }
  return undefined;
}

function looksLikeKey(bytes: Uint8Array, tag: number): boolean {
  const { octets, length } = lengthOf(bytes);
  if (length > MAX_KEY_OCTETS || !KEY_VERSIONS.includes(bytes[1 + octets] ?? 0)) return false;
  // one that is cut off is still a key
  const body = readPacket(bytes, 0)?.packet.body ?? bytes.subarray(1 + octets, 1 + octets + length);
  const material = publicOctets(body);
  if (material === undefined || length < material || !isMadeInTime(body)) return false;
  if (isOfFixedSize(body) && length > material + MAX_FIXED_SECRET_OCTETS) return false;
  // RFC 9580 §5.5.3: how the secret numbers are protected, as far as the packet is there
  const protection = body[material] ?? 0;
  return !SECRET_TAGS.includes(tag) || protection < 14 || protection > 252;
}

function isOfFixedSize(body: Uint8Array): boolean {
  const { x25519, x448, ed25519, ed448 } = PUBLIC_KEY;
  const { algorithm } = keyHead(body);
  return [x25519, x448, ed25519, ed448].some((each) => each === algorithm);
}

/** Returns the octets of the public key at the beginning of a packet's body, or undefined if it is none. */
function publicOctets(body: Uint8Array): number | undefined {
  const version = body[0] ?? 0;
  // RFC 9580 §5.5.2: versions 2 and 3 have days of validity before the algorithm, 5 and 6 a count after it
  const algorithmAt = version < 4 ? 7 : 5;
  const materialAt = algorithmAt + (version < 5 ? 1 : 5);
  const octets = keyMaterialOctets(body[algorithmAt] ?? 0, body.subarray(materialAt));
  if (!KEY_VERSIONS.includes(version) || octets === undefined) return undefined;
  return version < 5 || uint(body, 6, 4) === octets ? materialAt + octets : undefined;
}

/** Returns the length in a packet's header (RFC 9580 §4.2), and how many octets it takes. */
function lengthOf(packet: Uint8Array): { octets: number; length: number } {
  const head = packet[0] ?? 0;
  const untold = Math.min(packet.length, MAX_KEY_OCTETS);
  if ((head & 0x40) === 0) {
    const octets = [1, 2, 4, 0][head & 0x03] ?? 0;
    return { octets, length: octets === 0 ? untold : uint(packet, 1, octets) };
  }
  const first = packet[1] ?? 0;
  if (first < 192) return { octets: 1, length: first };
  if (first < 224) return { octets: 2, length: ((first - 192) << 8) + uint(packet, 2, 1) + 192 };
  return first === 255 ? { octets: 5, length: uint(packet, 2, 4) } : { octets: 1, length: untold };
}
