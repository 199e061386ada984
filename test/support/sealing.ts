// What sealing takes from outside: a key pair made for the test, randomness that a seed decides, a silent
// meter.

import { createHash } from 'node:crypto';
import * as openpgp from 'openpgp';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import type { SealingKeys } from '../../src/keys/sessionkeys.ts';
import type { Encryption } from '../../src/openpgp/message.ts';

export const ENCRYPTIONS: readonly Encryption[] = [
  { version: 1, keyBytes: 16 },
  { version: 1, keyBytes: 24 },
  { version: 1, keyBytes: 32 },
  { version: 2, keyBytes: 16, aead: 'ocb' },
  { version: 2, keyBytes: 32, aead: 'ocb' },
  { version: 2, keyBytes: 16, aead: 'gcm' },
  { version: 2, keyBytes: 32, aead: 'gcm' },
];

export function nameOf(encryption: Encryption): string {
  const mode = encryption.version === 1 ? 'cfb' : encryption.aead;
  return `SEIPD v${encryption.version}, aes${encryption.keyBytes * 8}-${mode}`;
}

/** Returns a source of bytes: the same sequence for the same seed. */
export function seededRandom(seed: string): (length: number) => Buffer {
  let calls = 0;
  return (length) => createHash('shake256', { outputLength: length }).update(`${seed}/${calls++}`).digest();
}

/** A recipient: the certificate as the key directory would return it, and a way to decrypt. */
export interface Reader {
  sealingKeys(encryption: Encryption): SealingKeys;
  /** Decrypts with openpgp.js. Rejects if the packets are damaged. */
  decrypt(packets: Uint8Array): Promise<Buffer>;
  sessionKeyOf(packets: Uint8Array): Promise<Uint8Array>;
}

/**
 * Makes a reader. Its key lists AES-192 too, since openpgp.js decrypts only with algorithms that the key
 * lists.
 */
export async function newReader(): Promise<Reader> {
  const pair = await openpgp.generateKey({
    type: 'ecc',
    userIDs: [{ email: 'reader@example.org' }],
    format: 'armored',
    config: { preferredSymmetricAlgorithm: openpgp.enums.symmetric.aes192 },
  });
  const [certificate] = await parseCertificates(Buffer.from(pair.publicKey));
  if (certificate === undefined) throw new Error('no certificate was generated');
  const usable = await judgeCertificate(certificate, new Date(), { subkeys: 'all' });
  if ('reason' in usable) throw new Error(usable.reason);
  const decryptionKeys = await openpgp.readPrivateKey({ armoredKey: pair.privateKey });
  return {
    sealingKeys: (encryption) => ({ usable: [usable], encryption }),
    async decrypt(packets) {
      const message = await openpgp.readMessage({ binaryMessage: packets });
      const { data } = await openpgp.decrypt({ message, decryptionKeys, format: 'binary' });
      return Buffer.from(data as Uint8Array);
    },
    async sessionKeyOf(packets) {
      const message = await openpgp.readMessage({ binaryMessage: packets });
      const [found] = await openpgp.decryptSessionKeys({ message, decryptionKeys });
      if (found === undefined) throw new Error('no session key');
      return found.data;
    },
  };
}
