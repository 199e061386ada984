/** Boxes: bytes under AES-256-GCM, and the keys for them that are made of a master key. */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { World } from '../core/world.ts';
import { type Box, NONCE_BYTES, TAG_BYTES, VERSION } from './wrappedfile.ts';

const CIPHER = 'aes-256-gcm';
const SUBKEY_BYTES = 32;

export function seal(
  key: Buffer,
  plaintext: Buffer,
  associated: Buffer,
  { random }: Pick<World, 'random'>,
): Box {
  const nonce = random(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(associated);
  return { nonce, sealed: Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]) };
}

/** Returns undefined if the key is another one, or any bit was changed. */
export function open(key: Buffer, { nonce, sealed }: Box, associated: Buffer): Buffer | undefined {
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(associated);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(0, -TAG_BYTES));
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    return undefined;
  }
}

/** The master key encrypts nothing itself: each purpose has a key of its own, by its name. */
export function withKeyFor<T>(purpose: string, master: Buffer, use: (key: Buffer) => T): T {
  const key = Buffer.from(hkdfSync('sha256', master, '', `sealdir ${VERSION} ${purpose}`, SUBKEY_BYTES));
  try {
    return use(key);
  } finally {
    key.fill(0);
  }
}
