/** The short names of kinds of keys that GnuPG has made usual: `rsa3072`, `cv25519`, `nistp256`. */
import { algorithmName } from '../openpgp/algorithms.ts';
import type { Certificate } from './certificates.ts';
import { canEncrypt, type KeyPacket } from './material.ts';
import type { Judgement } from './usable.ts';

/** What the library says of a key packet (openpgp 6.3.2). */
interface Described extends KeyPacket {
  getAlgorithmInfo(): { algorithm: string; bits?: number; curve?: string };
}

const SHORT: Readonly<Record<string, string>> = {
  rsaEncryptSign: 'rsa',
  rsaEncrypt: 'rsa',
  rsaSign: 'rsa',
  elgamal: 'elg',
  ed25519Legacy: 'ed25519',
  curve25519Legacy: 'cv25519',
  nistP256: 'nistp256',
  nistP384: 'nistp384',
  nistP521: 'nistp521',
};

/** Returns the short name of a key. */
export function shortKind(packet: Described): string {
  const { algorithm, bits, curve } = packet.getAlgorithmInfo();
  const name = curve ?? algorithm;
  return `${SHORT[name] ?? name}${bits ?? ''}`;
}

/** Returns the primary key's kind and those of the subkeys that mail is sealed to, or may have been. */
export function kindOf({ primary, subkeys, parts }: Certificate, judgement: Judgement): string {
  const used = 'keys' in judgement ? new Set(judgement.keys.map(({ keyId }) => keyId)) : undefined;
  const kinds = subkeys.flatMap((packet, n) => {
    if (packet === undefined) return used === undefined ? [unknownKind(parts.subkeys[n]?.body)] : [];
    const isOfInterest =
      used === undefined ? canEncrypt(packet.algorithm) : used.has(packet.getKeyID().toHex().toUpperCase());
    return isOfInterest ? [shortKind(packet)] : [];
  });
  return [...new Set([shortKind(primary), ...new Set(kinds)])].join('/');
}

/** Returns the number of an algorithm that has no short name. */
function unknownKind(body: Uint8Array | undefined): string {
  return `algo${body?.[5] ?? 0}`;
}

/** Returns the long name of an algorithm that cannot be used. */
export function longKind(body: Uint8Array): string {
  return algorithmName(body[5] ?? 0);
}
