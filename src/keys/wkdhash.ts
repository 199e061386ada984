/**
 * The name of a key in a web key directory (draft-koch-openpgp-webkey-service §3.1): z-base-32 of the SHA-1
 * of the local part, in which the letters of ASCII are in lower case and all others stay as they are.
 */
import { createHash } from 'node:crypto';

const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769';

/** Returns the 32 characters for a local part. */
export function wkdHash(local: string): string {
  const lowered = local.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return zBase32(createHash('sha1').update(lowered, 'utf8').digest());
}

/** Five bits a character: the 20 bytes of a SHA-1 leave none over. */
function zBase32(bytes: Buffer): string {
  let text = '';
  for (let bit = 0; bit < bytes.length * 8; bit += 5) {
    const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0);
    text += ALPHABET.charAt((pair >> (11 - (bit & 7))) & 31);
  }
  return text;
}
