/**
 * Finds the packets of keys in a file: armored, binary, or both one after the other, with text around them.
 * Each primary key and each subkey is a packet of its own. User IDs and signatures are not looked at: whether
 * a key is valid today, or has a name, says nothing about the old mail that it opens.
 */
import { latin1 } from '../core/latin1.ts';
import { type Packet, readPacket, readPackets, TAG } from '../openpgp/packets.ts';
import { type ArmorPart, readArmor } from './armored.ts';
import { isWideText } from './blocks.ts';
import { findPacket, holdsPacket, SECRET_TAGS } from './keyscan.ts';
import { WORDS } from './words.ts';

export const PUBLIC_KEY_TAGS: readonly number[] = [TAG.publicKey, TAG.publicSubkey];

export interface FoundKeys {
  readonly packets: readonly Packet[];
  /** A packet is not whole. */
  readonly isCut: boolean;
  readonly parts: readonly ArmorPart[];
  /** Tells whether there is a packet with one of the tags, be it cut off. */
  holds(tags: readonly number[]): boolean;
}

/** Returns every key of a file with one of the tags. Throws with a sentence, to follow the file's name. */
export function findKeys(bytes: Uint8Array, tags: readonly number[]): FoundKeys {
  if (bytes.length === 0) throw new Error('is empty');
  const text = latin1(bytes);
  if (isWideText(text)) throw new Error(WORDS.utf16);
  const parts = readArmor(text);
  const pieces = [...parts.flatMap(({ chunks }) => chunks), ...aroundArmor(bytes, parts)];
  const scans = pieces.map((piece) => packetsIn(piece, tags));
  return {
    packets: scans.flatMap(({ packets }) => packets),
    isCut: scans.some((each) => each.isCut),
    parts,
    holds: (others) => pieces.some((piece) => holdsPacket(piece, others)),
  };
}

/** Returns all keys of a file, public ones and the public parts of secret ones, as bodies of packets. */
export function findPublicKeys(bytes: Uint8Array): Uint8Array[] {
  const { packets } = findKeys(bytes, [...PUBLIC_KEY_TAGS, ...SECRET_TAGS]);
  return packets.map(({ body }) => body);
}

/** Returns what is before, between and after the armored parts. */
function aroundArmor(bytes: Uint8Array, parts: readonly ArmorPart[]): Uint8Array[] {
  const starts = [0, ...parts.map(({ to }) => to)];
  return starts.map((start, n) => bytes.subarray(start, parts[n]?.from));
}

/** Returns the packets of keys in bytes of any kind, and whether one of them is not whole. */
function packetsIn(bytes: Uint8Array, tags: readonly number[]): { packets: Packet[]; isCut: boolean } {
  const { packets, stoppedAt } = readPackets(bytes);
  const inSequence = packets.filter(({ tag, isOpenEnded }) => tags.includes(tag) && !isOpenEnded);
  const found = new Map(inSequence.map((packet) => [packet.body.byteOffset, packet]));
  const stopsInPacket = stoppedAt !== undefined && ((bytes[stoppedAt] ?? 0) & 0x80) !== 0;
  let isCut = inSequence.length > 0 && stopsInPacket;
  // text may come first, and some of it reads like the header of a packet, so each offset is looked at
  for (let at = nextKey(bytes, 0, tags); at !== undefined; ) {
    const read = readPacket(bytes, at);
    if (read === undefined) isCut = true;
    else found.set(read.packet.body.byteOffset, read.packet);
    at = nextKey(bytes, read?.end ?? at + 1, tags);
  }
  return { packets: [...found.values()], isCut };
}

function nextKey(bytes: Uint8Array, from: number, tags: readonly number[]): number | undefined {
  const at = findPacket(bytes.subarray(from), tags);
  return at === undefined ? undefined : from + at;
}
