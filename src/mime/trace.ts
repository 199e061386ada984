/**
 * Writes the trace fields that a delivery adds (RFC 5321 §4.4). They stand first in the file, and outside
 * only. Each copy names its own recipient and no other, so that no Bcc shows.
 */
import type { Client } from '../core/client.ts';
import type { TlsFacts } from '../core/tls.ts';

export interface Trace {
  /** The reverse-path as received, without brackets; empty for the null path. */
  readonly sender: Buffer;
  readonly client: Client;
  /** The name of this server. */
  readonly host: string;
  readonly smtpUtf8: boolean;
  /** The id of the transaction, as in the log and in the reply. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly arrivedAt: number;
}

/** In a comment of Received, above all that is the sender's. */
const KEPT = 'encrypted by its sender';
const SAYS_KEPT = new RegExp(`\\sby \\S+ \\(${KEPT}\\) with `);

/**
 * Returns Return-Path, Delivered-To and Received with LF line ends. `recipient`: the address of this copy.
 * `kept`: it is stored as it came, and Received says so, since all below it is the sender's.
 */
export function traceFields(trace: Trace, recipient: string, how?: 'kept'): Buffer {
  return Buffer.concat([
    Buffer.from('Return-Path: <'),
    trace.sender,
    Buffer.from('>\n'),
    passedOnFields(trace, recipient, how),
  ]);
}

/** Returns those of a copy that is passed on: whoever makes the final delivery writes Return-Path. */
export function passedOnFields(trace: Trace, recipient: string, how?: 'kept'): Buffer {
  const { client, host, id } = trace;
  const { name, address, tls } = client;
  const from = address === undefined ? 'local' : addressLiteral(address);
  const received =
    `Received: from ${headerSafe(name)} (${from})\n` +
    (tls === undefined ? '' : `\t(${tlsText(tls)})\n`) +
    `\tby ${headerSafe(host)}${how === undefined ? '' : ` (${KEPT})`} with ${protocolOf(trace)} id ${id};\n` +
    `\t${mailDate(trace.arrivedAt)}\n`;
  return Buffer.from(`Delivered-To: ${recipient}\n${received}`);
}

/** Tells whether a Received field says that its message is stored as it came. */
export function saysKept(received: Buffer): boolean {
  return SAYS_KEPT.test(received.toString('latin1'));
}

/** Returns the protocol type of RFC 3848 and RFC 6531 §4.3. */
function protocolOf({ smtpUtf8, client: { tls } }: Trace): string {
  return `${smtpUtf8 ? 'UTF8' : ''}LMTP${tls === undefined ? '' : 'S'}`;
}

/** Returns what was agreed on, in the words of Postfix, which programs look for. */
function tlsText({ version, cipher, bits }: TlsFacts): string {
  return `using ${headerSafe(version)} with cipher ${headerSafe(cipher)} (${bits}/${bits} bits)`;
}

/** Returns an IP address as RFC 5321 §4.1.3 writes it. */
function addressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
}

/** Returns what a client says of itself, reduced to what a header field may hold. */
export function headerSafe(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9.:_[\]-]/g, '?').slice(0, 255);
  return safe === '' ? 'unknown' : safe;
}

/** Returns a date-time of RFC 5322 §3.3, in UTC. */
export function mailDate(epochMs: number): string {
  return new Date(epochMs).toUTCString().replace('GMT', '+0000');
}
