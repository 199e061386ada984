/**
 * Transfer encodings (RFC 2045 §6), read as Dovecot reads them where they are malformed: base64 up to what is
 * none, quoted-printable with what is none in it as it stands.
 */

/** Returns undefined for an encoding that is not known: what it hides is not searched. */
export function decodedTransfer(body: Buffer, encoding: string | undefined): Buffer | undefined {
  switch (encoding?.toLowerCase()) {
    case undefined:
    case '7bit':
    case '8bit':
    case 'binary':
      return body;
    case 'base64':
      return fromBase64(body.toString('latin1'));
    case 'quoted-printable':
      return fromQuotedPrintable(body);
    default:
      return undefined;
  }
}

/** Of what is not base64 nothing more is decoded. */
export function fromBase64(text: string): Buffer {
  const end = text.search(/[^A-Za-z0-9+/\s]/);
  return Buffer.from(end === -1 ? text : text.slice(0, end), 'base64');
}

const EQUALS = 0x3d;
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;

function fromQuotedPrintable(body: Buffer): Buffer {
  if (!body.includes(EQUALS) && !body.includes(SPACE)) return body;
  const decoded = Buffer.allocUnsafe(body.length);
  let length = 0;
  for (let at = 0; at < body.length; ) {
    const byte = body[at] ?? 0;
    if (byte === EQUALS) {
      const softEnd = lineEndAfter(body, at + 1);
      const code = hexAt(body, at + 1);
      if (softEnd !== -1) at = softEnd;
      else if (code !== -1) {
        decoded[length++] = code;
        at += 3;
      } else decoded[length++] = body[at++] ?? 0;
      continue;
    }
    const blanks = blanksEnd(body, at) - at;
    // blanks at the end of a line were added on the way
    if (blanks > 0 && lineEndAfter(body, at + blanks) === -1)
      length += body.copy(decoded, length, at, at + blanks);
    if (blanks === 0) decoded[length++] = byte;
    at += Math.max(blanks, 1);
  }
  return decoded.subarray(0, length);
}

function blanksEnd(body: Buffer, from: number): number {
  let at = from;
  while (body[at] === SPACE || body[at] === TAB) at++;
  return at;
}

/** Returns where the line ends if only blanks come before that, else -1. */
function lineEndAfter(body: Buffer, from: number): number {
  let at = blanksEnd(body, from);
  if (body[at] === CR) at++;
  if (body[at] === LF) return at + 1;
  return at === body.length ? at : -1;
}

function hexAt(body: Buffer, at: number): number {
  const digits = body.toString('latin1', at, at + 2);
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
}
