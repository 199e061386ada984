/** The mail server at the other end of a session: what a delivery writes down about it. */
import type { TlsFacts } from './tls.ts';

export interface Client {
  /** The name it gave in LHLO. */
  readonly name: string;
  /** Its IP address, or undefined on a Unix socket. */
  readonly address: string | undefined;
  /** Left out: the session is not encrypted. */
  readonly tls?: TlsFacts | undefined;
}
