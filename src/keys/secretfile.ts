/**
 * Reads the secret keys in a file. Nothing that the server imports may import this file, since the server
 * never has a private key.
 */
import type * as openpgp from 'openpgp';
import { type Packet, TAG } from '../openpgp/packets.ts';
import type { ArmorPart } from './armored.ts';
import { findKeys, PUBLIC_KEY_TAGS } from './keypackets.ts';
import { SECRET_TAGS } from './keyscan.ts';
import { library } from './library.ts';
import { WORDS } from './words.ts';

export type SecretPacket = openpgp.SecretKeyPacket | openpgp.SecretSubkeyPacket;

/** The secret keys of a file, as locked as they are there. */
export interface SecretKeys {
  readonly packets: readonly SecretPacket[];
  /** What else is to be said of the file, for the case that the key that is needed is not in it. */
  readonly flaw: string | undefined;
}

const FLAWS = {
  cut: 'ends in the middle of a key (cut off?): copy all of it',
  unsupported: 'holds a secret key of a kind that Sealdir cannot use',
  damaged: 'holds a secret key that is damaged: export it again',
} as const;

/** Reads every secret key of a file. Throws with a sentence for the terminal, to follow the file's name. */
export async function readSecretKeys(bytes: Uint8Array): Promise<SecretKeys> {
  const found = findKeys(bytes, SECRET_TAGS);
  const read = await Promise.allSettled(found.packets.map(keyOf));
  const packets = read.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const isCut = found.isCut || found.parts.some(isCutArmor);
  const failures = read.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
  // one that cannot be read may not be needed
  const flaw = isCut ? FLAWS.cut : flawOf(failures);
  if (packets.length > 0) return { packets, flaw };
  if (flaw !== undefined) throw new Error(flaw);
  if (found.parts.some(isSecretArmor)) throw new Error(FLAWS.damaged);
  const isPublic = found.holds(PUBLIC_KEY_TAGS);
  throw new Error(`holds no secret key${isPublic ? ', but a public one, which will do with --agent' : ''}`);
}

function isSecretArmor({ type }: ArmorPart): boolean {
  return /^(PRIVATE|SECRET) KEY BLOCK$/.test(type);
}

function isCutArmor(part: ArmorPart): boolean {
  return isSecretArmor(part) && part.problem === WORDS.truncated;
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
