/**
 * Writes the PGP/MIME frame around the armor (RFC 3156 §4): two parts, LF line ends, and the names and
 * dispositions that mail clients look for. Its fields come before those of the original message: a reader
 * that ends the header at a field it cannot read then still sees that the message is sealed (D8c in
 * README.md).
 */

export interface Frame {
  /** MIME-Version and Content-Type. Other fields may follow them. */
  readonly fields: Buffer;
  /** From the empty line after the last field to the line above the armor. */
  readonly parts: Buffer;
  /** The bytes that follow the armor. */
  readonly tail: Buffer;
}

/**
 * Makes a frame whose boundary is `random` (16 bytes) in hexadecimal. The boundary is short and on the line
 * of its field, since some readers do not unfold, and has a `_`, which no line of base64 contains.
 */
export function pgpMimeFrame(random: Buffer): Frame {
  const boundary = `sealdir_${random.toString('hex')}`;
  const fields = `MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="${boundary}"
`;
  const parts = `
--${boundary}
Content-Type: application/pgp-encrypted
Content-Description: PGP/MIME version identification

Version: 1

--${boundary}
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Description: OpenPGP encrypted message
Content-Disposition: inline; filename="encrypted.asc"

`;
  const tail = `\n--${boundary}--\n`;
  return {
    fields: Buffer.from(fields, 'latin1'),
    parts: Buffer.from(parts, 'latin1'),
    tail: Buffer.from(tail, 'latin1'),
  };
}
