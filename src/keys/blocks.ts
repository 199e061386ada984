/** Cuts a key file into the OpenPGP blocks in it, binary or armored, before anything parses them. */

/**
 * Says why a key file cannot be used, in a sentence for the log and for `check`. Clients are never sent it.
 */
export class KeyFileError extends Error {}

const BEGIN = '-----BEGIN PGP PUBLIC KEY BLOCK-----';
const END = '-----END PGP PUBLIC KEY BLOCK-----';

/**
 * Returns the blocks of a key file, armored ones as text. Throws KeyFileError, for a secret key above all.
 */
export function keyBlocks(bytes: Uint8Array): (string | Uint8Array)[] {
  if (bytes.length === 0) throw new KeyFileError('is empty');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  // RFC 9580 §4.2: bit 7 of a packet header is always set; text in front of an armor may begin like that too
  const isBinary = ((bytes[0] ?? 0) & 0x80) !== 0 && !text.includes('-----BEGIN PGP ');
  if (isBinary) return [bytes];
  if (/BEGIN PGP (?:PRIVATE|SECRET) KEY/.test(text)) {
    throw new KeyFileError('holds a SECRET key: remove it, and treat that key as exposed');
  }
  const [, ...begun] = text.split(BEGIN); // one pass, however many there are
  if (begun.length === 0) throw new KeyFileError('holds no OpenPGP public key');
  return begun.map((rest) => {
    const end = rest.indexOf(END);
    if (end === -1) throw new KeyFileError('ends in the middle of an armored key (truncated?)');
    return BEGIN + rest.slice(0, end) + END;
  });
}
