/** A key file -> the OpenPGP blocks in it, binary or armored, before anything parses them. */

/** A key file that cannot be used, with a reason for the log and for `check`; never sent to a client. */
export class KeyFileError extends Error {}

/** The blocks of a key file, armored ones as text. Throws KeyFileError, for a secret key above all. */
export function keyBlocks(bytes: Uint8Array): (string | Uint8Array)[] {
  if (bytes.length === 0) throw new KeyFileError('is empty');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  // RFC 9580 §4.2: bit 7 of a packet header is always set; text in front of an armor may begin like that too
  const isBinary = ((bytes[0] ?? 0) & 0x80) !== 0 && !text.includes('-----BEGIN PGP ');
  if (isBinary) return [bytes];
  if (/-----BEGIN PGP PRIVATE KEY BLOCK-----/.test(text)) {
    throw new KeyFileError('holds a SECRET key: remove it, and treat that key as exposed');
  }
  const blocks =
    text.match(/-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g) ?? [];
  const begun = text.split('-----BEGIN PGP PUBLIC KEY BLOCK-----').length - 1;
  if (begun === 0) throw new KeyFileError('holds no OpenPGP public key');
  if (blocks.length < begun) throw new KeyFileError('ends in the middle of an armored key (truncated?)');
  return blocks;
}
