/**
 * The line ends that a client sees. Dovecot shows a message with CRLF however it is stored, so sizes and
 * offsets are those of this form. Bare CR stays as it is.
 */

const LF = 0x0a;
const CR = 0x0d;

/** After so many bytes others may have a turn. */
export const TURN_BYTES = 256 * 1024;

/** Returns the message with CRLF in place of each bare LF: the same Buffer if it has none. */
export function* withCrlf(bytes: Buffer): Generator<undefined, Buffer> {
  let bare = 0;
  let turn = TURN_BYTES;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) bare++;
    if (at < turn) continue;
    turn = at + TURN_BYTES;
    yield;
  }
  if (bare === 0) return bytes;
  const canonical = Buffer.allocUnsafe(bytes.length + bare);
  let written = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === LF && bytes[at - 1] !== CR) canonical[written++] = CR;
    canonical[written++] = byte;
    if (at % TURN_BYTES === TURN_BYTES - 1) yield;
  }
  return canonical;
}

/** Returns the bytes as a literal may carry them: a NUL, which IMAP does not allow, is 0x80 as in Dovecot. */
export function withoutNul(bytes: Buffer): Buffer {
  if (!bytes.includes(0)) return bytes;
  return Buffer.from(bytes.map((byte) => (byte === 0 ? 0x80 : byte)));
}
