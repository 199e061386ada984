/** Bytes as text in which each character is one of them. */

/** Returns such text, to be searched; nothing of the bytes is lost. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
