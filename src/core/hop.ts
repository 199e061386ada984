/** How a message came to the mail server in front of us, as far as that server's trace field tells. */

export interface Hop {
  /**
   * `clear`: without TLS. `local`: from a program of that machine, or from a user who gave a password.
   * `unknown`: there is no such field, or it does not tell.
   */
  readonly how: 'tls' | 'clear' | 'local' | 'unknown';
  /** A version as OpenSSL writes it, or `other`. Left out where nothing is said of TLS, as are ciphers. */
  readonly version?: string | undefined;
  /** A name of IANA, or `other`. */
  readonly cipher?: string | undefined;
}

/** The same in two words, which are few: labels of a metric. */
export interface Way {
  readonly version: string;
  readonly cipher: string;
}

export const UNKNOWN_HOP: Hop = { how: 'unknown' };

export function wayOf({ how, version = 'TLS', cipher = 'unknown' }: Hop): Way {
  if (how === 'tls') return { version, cipher };
  if (how === 'unknown') return { version: how, cipher: how };
  return { version: how === 'clear' ? 'none' : how, cipher: 'none' };
}

/** `sender`: the reverse-path as sent, without brackets. */
export type OnReceived = (hop: Hop, sender: Buffer) => void;
