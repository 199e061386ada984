/**
 * The trace fields a final delivery adds (RFC 5321 §4.4), first of all in the file and
 * outside only. Each copy names its own recipient and no other, so that no Bcc shows.
 */

export interface Trace {
  /** Reverse-path as received, without brackets; empty for the null path. */
  readonly sender: Buffer;
  /** What the client called itself in LHLO. */
  readonly clientName: string;
  /** Peer address, or undefined on a Unix socket. */
  readonly clientAddress: string | undefined;
  /** Our name. */
  readonly host: string;
  /** RFC 3848, RFC 6531 §4.3. */
  readonly protocol: 'LMTP' | 'UTF8LMTP';
  /** Id of the transaction, as in the log and in the reply. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly arrivedAt: number;
}

/** `Return-Path`, `Delivered-To`, `Received`, with LF line ends. `recipient` is this copy's. */
export function traceFields(trace: Trace, recipient: string): Buffer {
  const { clientName, clientAddress, host, protocol, id } = trace;
  const client = clientAddress === undefined ? 'local' : addressLiteral(clientAddress);
  const received =
    `Received: from ${headerSafe(clientName)} (${client})\n` +
    `\tby ${headerSafe(host)} with ${protocol} id ${id};\n` +
    `\t${mailDate(trace.arrivedAt)}\n`;
  return Buffer.concat([
    Buffer.from('Return-Path: <'),
    trace.sender,
    Buffer.from(`>\nDelivered-To: ${recipient}\n${received}`),
  ]);
}

/** RFC 5321 §4.1.3. */
function addressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
}

/** What a client says of itself, cut down to what a header field may hold. */
function headerSafe(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9.:_[\]-]/g, '?').slice(0, 255);
  return safe === '' ? 'unknown' : safe;
}

/** RFC 5322 §3.3 date-time, in UTC. */
export function mailDate(epochMs: number): string {
  return new Date(epochMs).toUTCString().replace('GMT', '+0000');
}
