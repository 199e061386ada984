/**
 * Makes the session-key packets of one copy: one for each key that its recipient's certificates were judged
 * to have. Uses src/openpgp/pkesk.ts for the common kinds of keys and the library for the others.
 */
import * as openpgp from 'openpgp';
import { agreeOnEncryption } from '../openpgp/agree.ts';
import { AES_ID } from '../openpgp/algorithms.ts';
import type { Encryption } from '../openpgp/message.ts';
import type { UsableCertificate } from './certificates.ts';

/** The keys a copy is encrypted to, and how. */
export interface SealingKeys {
  readonly usable: readonly UsableCertificate[];
  readonly encryption: Encryption;
}

const AES_NAME = { 16: 'aes128', 24: 'aes192', 32: 'aes256' } as const;

/** Returns the keys of one copy with an encryption that all of them can read. */
export function sealingKeysOf(usable: readonly UsableCertificate[]): SealingKeys {
  return { usable, encryption: agreeOnEncryption(usable.map((each) => each.preferences)) };
}

/**
 * Returns PKESK packets, v3 for SEIPD v1 and v6 for v2 (RFC 9580 §10.3.2.1). Throws if one of the keys is no
 * longer valid at `now`.
 */
export async function sessionKeyPackets(
  { usable, encryption }: SealingKeys,
  sessionKey: Uint8Array,
  now: Date,
): Promise<Uint8Array> {
  const packets: Uint8Array[] = [];
  const cipher = AES_ID[encryption.keyBytes];
  const packetVersion = encryption.version === 1 ? 3 : 6;
  for (const { certificate, keys, validUntil } of usable) {
    if (now.getTime() >= validUntil) throw new Error('a key has expired since it was chosen');
    for (const { id, encryptor } of keys) {
      packets.push(
        encryptor?.({ packetVersion, cipher, key: sessionKey }) ??
          (await libraryPacket(certificate.key, id, encryption, sessionKey, now)),
      );
    }
  }
  if (packets.length === 0) throw new Error('no key to encrypt to');
  return Buffer.concat(packets);
}

function libraryPacket(
  key: openpgp.PublicKey,
  id: openpgp.KeyID,
  encryption: Encryption,
  sessionKey: Uint8Array,
  now: Date,
): Promise<Uint8Array> {
  return openpgp.encryptSessionKey({
    data: sessionKey,
    algorithm: AES_NAME[encryption.keyBytes],
    ...(encryption.version === 2 ? { aeadAlgorithm: encryption.aead } : {}),
    encryptionKeys: key,
    encryptionKeyIDs: [id],
    date: now,
    format: 'binary',
  });
}
