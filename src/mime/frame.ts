/**
 * Writes the PGP/MIME frame around the armor (RFC 3156 §4): two parts, LF line ends, and the names and
 * dispositions that mail clients look for.
 */

export interface Frame {
  /** From MIME-Version to the line above the armor. */
  readonly head: Buffer;
  /** What follows the armor. */
  readonly tail: Buffer;
}

/**
 * Makes a frame whose boundary is `random` (16 bytes) in hexadecimal. The boundary is short and on the line
 * of its field, since some readers do not unfold, and has a `_`, which no line of base64 contains.
 */
export function pgpMimeFrame(random: Buffer): Frame {
  const boundary = `sealdir_${random.toString('hex')}`;
  const head = `MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="${boundary}"

--${boundary}
Content-Type: application/pgp-encrypted
Content-Description: PGP/MIME version identification

Version: 1

--${boundary}
Content-Type: application/octet-stream; name="encrypted.asc"
Content-Description: OpenPGP encrypted message
Content-Disposition: inline; filename="encrypted.asc"

`;
  return { head: Buffer.from(head, 'latin1'), tail: Buffer.from(`\n--${boundary}--\n`, 'latin1') };
}
