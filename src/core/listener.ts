/** Where a server listens: the configuration reads it (config/listener.ts), edge/sockets.ts binds it. */
export type Listener =
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number };

/** A socket that listens already and was passed by systemd, as `FileDescriptorName=` names it. */
export interface InheritedSocket {
  readonly fd: number;
  readonly name: string;
}

/** Tells whether an address is one that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(host);
}

/** How a connection begins: in clear, where TLS may come with STARTTLS, or with TLS. */
export type Opening = 'plain' | 'tls';
