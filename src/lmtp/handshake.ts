/**
 * The server's side of a TLS handshake, on a connection that a session or nobody has used before, and the
 * judgement about the client's certificate. Node's tls.Server would do both, but only for connections that
 * begin with TLS, and it does not tell which socket a handshake is about before it is over.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { TlsFacts } from '../core/tls.ts';
import type { TlsTerms } from './terms.ts';

export interface Handshake {
  /** Takes the place of the socket below it, and is the one to destroy. */
  readonly socket: TLSSocket;
  /** What was agreed on, or why nothing was, and then the connection is closed. */
  readonly result: Promise<TlsFacts | { readonly failed: string }>;
}

/** Begins a handshake. It is given up after `patienceMs`, however busy the client is with it. */
export function shakeHands(raw: Socket, terms: TlsTerms, patienceMs: number): Handshake {
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext: terms.context,
    requestCert: terms.asksForCertificate,
    rejectUnauthorized: false, // we judge it, and say so in a reply that a mail server shows its operator
  });
  const result = new Promise<Awaited<Handshake['result']>>((resolve) => {
    let why = 'the client left';
    const fail = (error: Error) => {
      why = error.message;
      socket.destroy(error);
    };
    const timer = setTimeout(() => fail(new Error('it took too long')), patienceMs);
    socket.on('error', (error) => {
      why = error.message;
    });
    // Node 20 to 24 tell faults of the protocol, also later ones, in this way to whoever is no tls.Server
    socket.on('_tlsError', fail);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve({ failed: why });
    });
    socket.once('secure', () => {
      clearTimeout(timer);
      resolve(factsOf(socket, terms));
    });
  });
  return { socket, result };
}

function factsOf(socket: TLSSocket, terms: TlsTerms): TlsFacts {
  const { name } = socket.getCipher();
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: name,
    bits: /AES_?128/.test(name) ? 128 : 256, // those that terms.ts allows
    distrust: terms.asksForCertificate ? distrustOf(socket, terms.clientNames) : undefined,
  };
}

function distrustOf(socket: TLSSocket, names: readonly string[]): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return 'it showed no certificate';
  const fault = verifyError(socket);
  if (fault !== undefined) return `its certificate does not lead to tls.client_ca (${fault})`;
  if (names.length === 0 || names.some((name) => isFor(certificate, name))) return undefined;
  return 'its certificate has none of the names in tls.client_names';
}

/**
 * Asks for the result of OpenSSL. Node has no public way to it but that of its tls.Server, which looks there
 * too. If a later version has it elsewhere, no client is trusted, and test/e2e/tlsclients.test.ts fails.
 */
function verifyError(socket: TLSSocket): string | undefined {
  const { _handle: handle } = socket as { _handle?: { verifyError?(): (Error & { code?: string }) | null } };
  if (typeof handle?.verifyError !== 'function') return 'cannot be verified';
  const error = handle.verifyError();
  return error ? (error.code ?? error.message) : undefined;
}

/** Tells whether a certificate has a name, as a DNS name or as its CN. Wildcards stand for no client. */
function isFor(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name, { subject: 'always', wildcards: false }) !== undefined;
}
