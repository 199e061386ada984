/**
 * Writes the field that says when and by which host a message was sealed, and how it came there: a reader
 * must be able to tell that it was not its sender who encrypted it, and whether it came in clear until then.
 */
import type { Hop } from '../core/hop.ts';
import { headerSafe, mailDate } from './trace.ts';

export const SEALED_FIELD = 'Sealed-At-Delivery';
/** Of a message that lay in the store in clear until then: nothing is said of how it came. */
export const SEALED_LATER_FIELD = 'Sealed-In-Store';

export interface Sealing {
  /** The name of this server. */
  readonly host: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly hop: Hop;
}

/** Returns it with CRLF line ends. */
export function sealedField({ host, at, hop }: Sealing): Buffer {
  const { how, version, cipher } = hop;
  const tls = version === undefined ? '' : ` version=${version};`;
  const named = cipher === undefined ? '' : ` cipher=${cipher};`;
  return Buffer.from(
    `${SEALED_FIELD}: by ${headerSafe(host)}; hop=${how};${tls}${named}\r\n\t${mailDate(at)}\r\n`,
  );
}

/** The field of a message that was stored before. Returns it with CRLF line ends. */
export function sealedLaterField({ host, at }: Omit<Sealing, 'hop'>): Buffer {
  return Buffer.from(`${SEALED_LATER_FIELD}: by ${headerSafe(host)};\r\n\t${mailDate(at)}\r\n`);
}
