/** What the rooms share about TLS: what a server shows and offers, and what a session has agreed on. */
import { constants } from 'node:crypto';

/** Where what is shown to clients is, as absolute paths. */
export interface TlsFiles {
  readonly certificates: readonly string[];
  /** As many, in the same order. */
  readonly keys: readonly string[];
  /** '' if there is none. */
  readonly clientCa: string;
  readonly clientNames: readonly string[];
}

/** A certificate with those that lead from it to an authority, and its key; both are PEM. */
export interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

/** What a server shows its clients, and asks of them. It has been tried: each key fits its certificate. */
export interface TlsMaterial {
  /** At most one for each kind of key. */
  readonly certificates: readonly CertificateAndKey[];
  /** The authorities that sign certificates of clients, as PEM; undefined: clients are asked for none. */
  readonly clientCa: string | undefined;
  /** A client's certificate has to have one of them; none: any that the authority has signed will do. */
  readonly clientNames: readonly string[];
}

/** For node:tls. */
export interface Offered {
  readonly cert: string[];
  readonly key: string[];
  readonly minVersion: 'TLSv1.2';
  readonly ciphers: string;
  readonly secureOptions: number;
}

/** What a session has agreed on. */
export interface TlsFacts {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly version: string;
  /** As OpenSSL names it. */
  readonly cipher: string;
  /** Size of its key. */
  readonly bits: number;
  /** Why the certificate of the client is not accepted; undefined if it is, or if none is asked for. */
  readonly distrust: string | undefined;
}

// Without the DHE suites of that list, which would need parameters of their own.
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];

/**
 * Returns what each server offers: TLS 1.2 or 1.3, the ciphers of Mozilla's "intermediate" list in our order,
 * no renegotiation, and no sessions that are taken up again: each has to show its certificate anew.
 */
export function offered(certificates: readonly CertificateAndKey[]): Offered {
  const { SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_TICKET } = constants;
  return {
    cert: certificates.map(({ certificate }) => certificate),
    key: certificates.map(({ key }) => key),
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS.join(':'),
    secureOptions: SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET,
  };
}
