/** What the rooms share about TLS: what a server shows, and what a session has agreed on. */

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
