/**
 * MAIL and RCPT as they arrive: syntax, parameters, the size limit. Does not know who exists
 * (resolve.ts) or who has a usable key (select.ts).
 */
import { isUtf8 } from 'node:buffer';
import { type Address, parseAddress, parsePathArguments } from '../core/address.ts';
import { type Refusal, refusal, type Why } from '../core/outcome.ts';

export interface AcceptedSender {
  /** Reverse-path as sent, without brackets; raw bytes, since some clients send 8-bit ones. */
  readonly sender: Buffer;
  readonly smtpUtf8: boolean;
  /** BODY=8BITMIME (RFC 6152). */
  readonly eightBit: boolean;
  /** Size of the message in bytes as the client announces it (RFC 1870); 0 if it does not. */
  readonly size: number;
}

export interface AcceptedRecipient {
  readonly address: Address;
  /** As sent, without brackets. */
  readonly path: string;
}

/** Parses everything after `MAIL FROM:`. `maxBytes`: the largest message accepted (RFC 1870 §6.1). */
export function acceptSender(rest: Buffer, maxBytes: number): AcceptedSender | Refusal {
  // latin1 maps each byte to one character and back, so the path is kept byte for byte
  const parsed = parsePathArguments(rest.toString('latin1'), 'latin1');
  if (parsed === undefined) return refusal('badSender');
  for (const [keyword, value] of parsed.parameters) {
    const bad = senderParameterProblem(keyword, value, maxBytes);
    if (bad !== undefined) return refusal(bad);
  }
  const { path, parameters } = parsed;
  return {
    sender: Buffer.from(path, 'latin1'),
    smtpUtf8: parameters.has('SMTPUTF8'),
    eightBit: parameters.get('BODY')?.toUpperCase() === '8BITMIME',
    size: Number(parameters.get('SIZE') ?? 0),
  };
}

function senderParameterProblem(keyword: string, value: string, maxBytes: number): Why | undefined {
  switch (keyword) {
    case 'SIZE':
      if (!/^\d{1,20}$/.test(value)) return 'badParameters';
      return Number(value) > maxBytes ? 'tooBig' : undefined;
    case 'BODY':
      return /^(7BIT|8BITMIME)$/i.test(value) ? undefined : 'badParameters';
    case 'SMTPUTF8': // RFC 6531 §3.4: takes no value
      return value === '' ? undefined : 'badParameters';
    case 'RET': // RFC 3461: DSN is not announced, but some MTAs send its parameters all the same
    case 'ENVID':
    case 'AUTH': // RFC 4954 §5: accepted from anyone, trusted from nobody
      return value === '' ? 'badParameters' : undefined;
    default:
      return 'unknownParameter'; // RFC 5321 §4.1.1.11
  }
}

/** Parses everything after `RCPT TO:`. */
export function acceptRecipient(rest: Buffer, smtpUtf8: boolean): AcceptedRecipient | Refusal {
  const isAscii = rest.every((byte) => byte < 0x80);
  if (!isAscii && !isUtf8(rest)) return refusal('badRecipient');
  const parsed = parsePathArguments(rest.toString('utf8'));
  const address = parsed && parseAddress(parsed.path);
  if (parsed === undefined || address === undefined) return refusal('badRecipient');
  if (!isAscii && !smtpUtf8) return refusal('recipientNeedsUtf8'); // RFC 6531 §3.5
  for (const [keyword, value] of parsed.parameters) {
    if (keyword !== 'NOTIFY' && keyword !== 'ORCPT') return refusal('unknownParameter');
    if (value === '') return refusal('badParameters');
  }
  return { address, path: parsed.path.replace(/^@[^:]*:/, '') };
}
