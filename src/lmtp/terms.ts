/** On which terms a server of LMTP speaks TLS: as all of them, and it may ask clients for a certificate. */
import { createSecureContext, type SecureContext } from 'node:tls';
import { offered, type TlsMaterial } from '../core/tls.ts';

export interface TlsTerms {
  readonly context: SecureContext;
  readonly asksForCertificate: boolean;
  readonly clientNames: readonly string[];
}

/** Makes the terms that connections are then secured on. Throws what OpenSSL says of material it refuses. */
export function termsOf({ certificates, clientCa, clientNames }: TlsMaterial): TlsTerms {
  const context = createSecureContext({
    ...offered(certificates),
    ...(clientCa === undefined ? {} : { ca: clientCa }),
    // OpenSSL wants one where clients show certificates, else a client that offers a session is turned away
    sessionIdContext: 'sealdir',
  });
  return { context, asksForCertificate: clientCa !== undefined, clientNames };
}
