/** The names of keys in a Web Key Directory (draft-koch-openpgp-webkey-service §3.1). */
import { createHash } from 'node:crypto';

// RFC 6189 §5.1.6
const DIGITS = 'ybndrfg8ejkmcpqxot1uwisza345h769';

/** Returns the z-base-32 form of the SHA-1 of a local part in lower case: 32 characters. */
export function wkdHash(local: string): string {
  // only ASCII letters are mapped, as the draft has it: others are hashed as they are
  const lower = local.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const digest = createHash('sha1').update(lower, 'utf8').digest();
  let bits = '';
  for (const byte of digest) bits += byte.toString(2).padStart(8, '0');
  return bits.replace(/.{5}/g, (five) => DIGITS.charAt(Number.parseInt(five, 2)));
}
