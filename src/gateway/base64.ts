/** Base64 of bytes, without a string in between: what Node makes of a password would stay in memory. */
import { unmoved } from '../core/unmoved.ts';

const LETTERS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const END = 0x3d; // =

/** Returns undefined for what is no base64. Whoever asked for it overwrites it. */
export function bytesOfBase64(written: Buffer): Buffer | undefined {
  let end = written.length;
  while (end > 0 && written.length - end < 2 && written[end - 1] === END) end--;
  const bytes = unmoved(Math.floor((end * 3) / 4));
  let held = 0;
  let at = 0;
  for (let n = 0; n < end; n++) {
    const value = LETTERS.indexOf(written[n] ?? 0);
    if (value === -1) {
      bytes.fill(0);
      return undefined;
    }
    held = ((held << 6) | value) & 0xffffff;
    if (n % 4 !== 0) bytes[at++] = (held >> (6 - 2 * (n % 4))) & 0xff;
  }
  return bytes;
}
