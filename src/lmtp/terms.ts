/**
 * On which terms a server speaks TLS: 1.2 or 1.3, the ciphers of Mozilla's "intermediate" list in our order,
 * no renegotiation, and no sessions that are taken up again: each has to show its certificate anew.
 */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsMaterial } from '../core/tls.ts';

export interface TlsTerms {
  readonly context: SecureContext;
  readonly asksForCertificate: boolean;
  readonly clientNames: readonly string[];
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

/** Makes the terms that connections are then secured on. Throws what OpenSSL says of material it refuses. */
export function termsOf({ certificates, clientCa, clientNames }: TlsMaterial): TlsTerms {
  const { SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_TICKET } = constants;
  const context = createSecureContext({
    cert: certificates.map(({ certificate }) => certificate),
    key: certificates.map(({ key }) => key),
    ...(clientCa === undefined ? {} : { ca: clientCa }),
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS.join(':'),
    secureOptions: SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET,
    // OpenSSL wants one where clients show certificates, else a client that offers a session is turned away
    sessionIdContext: 'sealdir',
  });
  return { context, asksForCertificate: clientCa !== undefined, clientNames };
}
