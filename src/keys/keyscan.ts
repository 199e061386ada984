/**
 * Finds keys in bytes of any kind: in a sequence of packets, and at any offset of what is no such sequence.
 * Its purpose is to find a secret key wherever it hides. Random bytes must not look like one, so the head of
 * a key found at an odd place has to be plausible in all its fields.
 */
import { keyMaterialOctets, type Packet, readPacket, readPackets, TAG, uint } from '../openpgp/packets.ts';
import { beginsLikeKey, beginsLikeSignature, isMadeInTime, KEY_VERSIONS, type Told } from './packetheads.ts';

export const SECRET_TAGS: readonly number[] = [TAG.secretKey, TAG.secretSubkey];
/** Of the packets that a certificate begins with, or that change what is known of one. */
export const PUBLIC_TAGS: readonly number[] = [TAG.publicKey, TAG.publicSubkey, TAG.signature];

// RSA of 16384 bits takes 10 KiB with its secret numbers
const MAX_KEY_OCTETS = 16_384;
const MIN_KEY_OCTETS = 40;

/** Tells whether a secret key is in there, however damaged the bytes around it. */
export function holdsSecretKey(bytes: Uint8Array): boolean {
  const { packets, stoppedAt } = readPackets(bytes);
  if (packets.some((packet) => isSecretKey(packet) || hidesSecretKey(packet))) return true;
  if (stoppedAt === undefined && packets.some(isWholeSecretKey)) return true;
  // a packet that is cut off may have swallowed the beginning of a secret key, so all is looked through
  return stoppedAt !== undefined && holdsPacket(bytes, SECRET_TAGS);
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

/**
 * Tells whether a secret key stands inside another packet: after the numbers of a public key, or in a packet
 * of no use.
 */
function hidesSecretKey({ tag, body }: Packet): boolean {
  if (tag === TAG.signature || tag === TAG.userAttribute) return false;
  const isKey = tag === TAG.publicKey || tag === TAG.publicSubkey;
  const from = isKey ? (publicOctets(body) ?? 1) : 0;
  return holdsPacket(body.subarray(from), SECRET_TAGS);
}

/**
 * Tells whether a packet with one of the tags is in there, wherever it begins and even if it is cut off: a
 * key, or a signature.
 */
export function holdsPacket(bytes: Uint8Array, tags: readonly number[]): boolean {
  return findPacket(bytes, tags) !== undefined;
}

/** Returns where the first such packet begins. */
export function findPacket(bytes: Uint8Array, tags: readonly number[]): number | undefined {
  for (let at = 0; at < bytes.length; at++) {
    const head = bytes[at] ?? 0;
    if (head < 0x80) continue;
    const tag = (head & 0x40) !== 0 ? head & 0x3f : (head >> 2) & 0x0f;
    if (tags.includes(tag) && isPacketAt(bytes, at, tag)) return at;
  }
  return undefined;
}

function isPacketAt(bytes: Uint8Array, at: number, tag: number): boolean {
  const { octets, told } = lengthOf(bytes, at);
  const from = at + 1 + octets;
  // the version, which spares most candidates all that follows
  const version = bytes[from] ?? 0;
  if (version < 2 || version > 6 || (told ?? 0) > MAX_KEY_OCTETS) return false;
  // one that is cut off is still a key
  const body = readPacket(bytes, at)?.packet.body ?? bytes.subarray(from, from + (told ?? MAX_KEY_OCTETS));
  if (tag === TAG.signature) return beginsLikeSignature(body, told);
  return beginsLikeKey(body, told, SECRET_TAGS.includes(tag));
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
function lengthOf(bytes: Uint8Array, at: number): { octets: number; told: Told } {
  const head = bytes[at] ?? 0;
  if ((head & 0x40) === 0) {
    const octets = [1, 2, 4, 0][head & 0x03] ?? 0;
    return { octets, told: octets === 0 ? undefined : uint(bytes, at + 1, octets) };
  }
  const first = bytes[at + 1] ?? 0;
  if (first < 192) return { octets: 1, told: first };
  if (first < 224) return { octets: 2, told: ((first - 192) << 8) + uint(bytes, at + 2, 1) + 192 };
  return first === 255 ? { octets: 5, told: uint(bytes, at + 2, 4) } : { octets: 1, told: undefined };
}
