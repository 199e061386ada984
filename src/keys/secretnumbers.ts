/**
 * Reads the numbers of an unlocked secret key as openpgp holds it, for src/opening. The library does not
 * declare these fields (openpgp 6.3.2; test/opening/kinds.test.ts). Nothing that the server imports may
 * import this file, since the server never has a private key.
 */
import { createHash } from 'node:crypto';
import type { RecipientKey } from '../openpgp/pkesk.ts';
import { recipientKeyOf } from './material.ts';
import type { SecretPacket } from './secretfile.ts';

/** Secret numbers by their names in RFC 9580 §5.5.5, big-endian but for `k`, which is bytes. */
export type SecretNumbers = Readonly<Partial<Record<'d' | 'p' | 'q' | 'u' | 'k', Uint8Array>>>;

/** All numbers of a key that decrypts. */
export interface DecryptingKey {
  readonly key: RecipientKey;
  readonly secret: SecretNumbers;
}

/** Returns undefined for a locked key, and for a kind of key that only the library knows. */
export function decryptingKeyOf(packet: SecretPacket): DecryptingKey | undefined {
  const key = packet.isDecrypted() ? recipientKeyOf(packet) : undefined;
  return key && { key, secret: secretOf(packet) };
}

/** Overwrites the secret numbers of an unlocked key, which is no good for anything then. */
export function eraseNumbers(packet: SecretPacket): void {
  for (const number of Object.values(secretOf(packet))) number.fill(0);
}

/** Makes 32 bytes of the secret numbers of an unlocked key, of any kind, that say nothing of them. */
export function hashOfNumbers(packet: SecretPacket): Buffer {
  const hash = createHash('sha256').update('sealdir decoy');
  for (const number of Object.values(secretOf(packet))) hash.update(number);
  return hash.digest();
}

function secretOf(packet: SecretPacket): SecretNumbers {
  const { privateParams } = packet as unknown as { readonly privateParams: SecretNumbers | null };
  return privateParams ?? {};
}
