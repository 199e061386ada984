/** The mail server at the other end of a session, as far as a delivery writes it down. */

export interface Client {
  /** Name given in LHLO. */
  readonly name: string;
  /** IP address, or undefined on a Unix socket. */
  readonly address: string | undefined;
}
