// The server that is measured, Sealdir or another.

export interface Server {
  readonly name: string;
  /** The port of LMTP on 127.0.0.1. */
  readonly port: number;
  /** The parent of all its processes. */
  readonly pid: number;
  /** Safe to call twice. */
  stop(): Promise<void>;
}
