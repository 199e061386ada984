// Brings messages from a file on disk into the form in which they travel between DATA and the final dot.

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const CRLF = Buffer.from('\r\n');

/**
 * Cuts off a leading mbox `From ` line, gives CRLF line ends to a file without any CRLF, and adds a missing
 * final CRLF. Every other byte stays: NUL, bare CR, 8-bit, and LF in a file that has CRLF too.
 */
export function toWireForm(file: Buffer): Buffer {
  const message = withoutMboxLine(file);
  const lines = message.includes(CRLF) ? message : withCrlf(message);
  return lines.length === 0 || endsWithCrlf(lines) ? lines : Buffer.concat([lines, CRLF]);
}

/**
 * Doubles dots (RFC 5321 §4.5.2). A line starts after CRLF only, so a dot after a bare LF or CR is not
 * doubled.
 */
export function dotStuff(message: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = 0; at !== -1 && at < message.length; at = lineAfter(message, at)) {
    if (message[at] !== DOT) continue;
    pieces.push(message.subarray(from, at), Buffer.of(DOT));
    from = at;
  }
  return Buffer.concat([...pieces, message.subarray(from)]);
}

/**
 * Returns what follows `DATA`: the message, dot-stuffed, and the lone dot. The message must be in wire form.
 */
export function asData(message: Buffer): Buffer {
  return Buffer.concat([dotStuff(message), Buffer.from('.\r\n')]);
}

function lineAfter(message: Buffer, at: number): number {
  const end = message.indexOf(CRLF, at);
  return end === -1 ? -1 : end + CRLF.length;
}

function withoutMboxLine(file: Buffer): Buffer {
  if (!file.subarray(0, 5).equals(Buffer.from('From '))) return file;
  const end = file.indexOf(LF);
  return end === -1 ? Buffer.alloc(0) : file.subarray(end + 1);
}

function withCrlf(message: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = message.indexOf(LF); at !== -1; at = message.indexOf(LF, from)) {
    pieces.push(message.subarray(from, at), CRLF);
    from = at + 1;
  }
  return Buffer.concat([...pieces, message.subarray(from)]);
}

function endsWithCrlf(message: Buffer): boolean {
  return message.at(-1) === LF && message.at(-2) === CR;
}
