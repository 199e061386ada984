/**
 * UTF-7 (RFC 2152), which TextDecoder does not know.
 */

/** A shifted sequence that goes on in the next piece is kept until then, unless it is longer. */
const MOST_PENDING = 4096;

export function utf7(): { decode(bytes: Uint8Array | undefined): string } {
  let pending = '';
  return {
    decode(bytes) {
      const text = pending + Buffer.from(bytes ?? []).toString('latin1');
      const whole = bytes === undefined ? text.length : endOfWhole(text);
      pending = text.slice(whole);
      return text.slice(0, whole).replace(/\+([A-Za-z0-9+/]*)-?/g, shifted);
    },
  };
}

function endOfWhole(text: string): number {
  let from = text.length;
  const least = Math.max(0, text.length - MOST_PENDING);
  while (from > least && /[A-Za-z0-9+/]/.test(text[from - 1] ?? '')) from--;
  const shift = text.indexOf('+', from);
  return shift === -1 ? text.length : shift;
}

function shifted(_: string, base64: string): string {
  if (base64 === '') return '+';
  const bytes = Buffer.from(base64, 'base64');
  return bytes
    .subarray(0, bytes.length & ~1)
    .swap16()
    .toString('utf16le');
}
