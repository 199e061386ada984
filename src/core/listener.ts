/** Where a server listens: the configuration reads it (config/listener.ts), edge/sockets.ts binds it. */
export type Listener =
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number };
