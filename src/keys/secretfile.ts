/**
 * Finds the secret keys in a file: armored, binary, or both one after the other, with text around them. Each
 * primary key and each subkey is a packet of its own. User IDs and signatures are not looked at: whether a
 * key is valid today, or has a name, says nothing about the old mail that it opens. Nothing that the server
 * imports may import this file, since the server never has a private key.
 */
import type * as openpgp from 'openpgp';
import { latin1 } from '../core/latin1.ts';
import { type Packet, readPacket, readPackets, TAG } from '../openpgp/packets.ts';
import { type ArmorPart, readArmor } from './armored.ts';
import { isWideText } from './blocks.ts';
import { findPacket, holdsPacket, SECRET_TAGS } from './keyscan.ts';
import { library } from './library.ts';
import { WORDS } from './words.ts';

export type SecretPacket = openpgp.SecretKeyPacket | openpgp.SecretSubkeyPacket;

/** The secret keys of a file, as locked as they are there. */
export interface SecretKeys {
  readonly packets: readonly SecretPacket[];
  /** What else is to be said of the file, for the case that the key that is needed is not in it. */
  readonly flaw: string | undefined;
}

const PUBLIC_KEY_TAGS: readonly number[] = [TAG.publicKey, TAG.publicSubkey];

const FLAWS = {
  cut: 'ends in the middle of a key (cut off?): copy all of it',
  unsupported: 'holds a secret key of a kind that Sealdir cannot use',
  damaged: 'holds a secret key that is damaged: export it again',
} as const;

/** Reads every secret key of a file. Throws with a sentence for the terminal, to follow the file's name. */
export async function readSecretKeys(bytes: Uint8Array): Promise<SecretKeys> {
  if (bytes.length === 0) throw new Error('is empty');
  const text = latin1(bytes);
  if (isWideText(text)) throw new Error(WORDS.utf16);
  const parts = readArmor(text);
  const pieces = [...parts.flatMap(({ chunks }) => chunks), ...aroundArmor(bytes, parts)];
  const scans = pieces.map(secretPacketsIn);
  const read = await Promise.allSettled(scans.flatMap(({ packets }) => packets.map(keyOf)));
  const packets = read.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const isCut = scans.some((each) => each.isCut) || parts.some(isCutArmor);
  const failures = read.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
  // one that cannot be read may not be needed
  const flaw = isCut ? FLAWS.cut : flawOf(failures);
  if (packets.length > 0) return { packets, flaw };
  if (flaw !== undefined) throw new Error(flaw);
  if (parts.some(isSecretArmor)) throw new Error(FLAWS.damaged);
  const isPublic = pieces.some((piece) => holdsPacket(piece, PUBLIC_KEY_TAGS));
  throw new Error(`holds no secret key${isPublic ? ', but a public one' : ''}`);
}

function isSecretArmor({ type }: ArmorPart): boolean {
  return /^(PRIVATE|SECRET) KEY BLOCK$/.test(type);
}

function isCutArmor(part: ArmorPart): boolean {
  return isSecretArmor(part) && part.problem === WORDS.truncated;
}

/** Returns what is before, between and after the armored parts. */
function aroundArmor(bytes: Uint8Array, parts: readonly ArmorPart[]): Uint8Array[] {
  const starts = [0, ...parts.map(({ to }) => to)];
  return starts.map((start, n) => bytes.subarray(start, parts[n]?.from));
}

/** Returns the packets of secret keys in bytes of any kind, and whether one of them is not whole. */
function secretPacketsIn(bytes: Uint8Array): { packets: Packet[]; isCut: boolean } {
  const { packets, stoppedAt } = readPackets(bytes);
  const inSequence = packets.filter(({ tag, isOpenEnded }) => SECRET_TAGS.includes(tag) && !isOpenEnded);
  const found = new Map(inSequence.map((packet) => [packet.body.byteOffset, packet]));
  const stopsInPacket = stoppedAt !== undefined && ((bytes[stoppedAt] ?? 0) & 0x80) !== 0;
  let isCut = inSequence.length > 0 && stopsInPacket;
  // text may come first, and some of it reads like the header of a packet, so each offset is looked at
  for (let at = nextKey(bytes, 0); at !== undefined; ) {
    const read = readPacket(bytes, at);
    if (read === undefined) isCut = true;
    else found.set(read.packet.body.byteOffset, read.packet);
    at = nextKey(bytes, read?.end ?? at + 1);
  }
  return { packets: [...found.values()], isCut };
}

function nextKey(bytes: Uint8Array, from: number): number | undefined {
  const at = findPacket(bytes.subarray(from), SECRET_TAGS);
  return at === undefined ? undefined : from + at;
}

async function keyOf({ tag, body }: Packet): Promise<SecretPacket> {
  const packet = tag === TAG.secretKey ? new library.SecretKeyPacket() : new library.SecretSubkeyPacket();
  await packet.read(body);
  return packet;
}

function flawOf(failures: readonly Error[]): string | undefined {
  if (failures.length === 0) return undefined;
  return failures.some(({ name }) => name !== 'UnsupportedError') ? FLAWS.damaged : FLAWS.unsupported;
}
