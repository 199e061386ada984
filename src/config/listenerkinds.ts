// The kinds of value that say where to listen, or whom to ask. See kinds.ts.

import { z } from 'zod/v3';
import type { Listener } from '../core/listener.ts';
import { converted, type Kind, type Schema, Wrong } from './kinds.ts';
import { parseListener } from './listener.ts';

/** With TLS from the start: `tls`, and the TCP sockets among those of `tlsSystemd`. */
export type LmtpListener =
  | Listener
  | { readonly type: 'tls'; readonly host: string; readonly port: number }
  | { readonly type: 'systemd' }
  | { readonly type: 'tlsSystemd' };
export type MetricsListener = Listener | { readonly type: 'off' };

function listenerOr<W extends string>(word: W): Schema<Listener | { readonly type: W }> {
  const allowed = `(write a socket path with a "/", "host:port", "[v6]:port" or "${word}")`;
  return converted(z.string({ message: `is not an address to listen on ${allowed}` }), (written) => {
    if (written === word) return { type: word };
    const listener = parseListener(written);
    return typeof listener === 'string' ? new Wrong(`${listener} ${allowed}`) : listener;
  });
}

const ALLOWED =
  '(write a socket path with a "/", "host:port", "[v6]:port", "tls://" before one of these two, or "systemd")';
const lmtpListener: Schema<LmtpListener> = converted(
  z.string({ message: `is not an address to listen on ${ALLOWED}` }),
  (written) => {
    const [, scheme, address = ''] = /^(tls:\/\/)?(.*)$/s.exec(written) ?? [];
    if (address === 'systemd') return { type: scheme === undefined ? 'systemd' : 'tlsSystemd' };
    const listener = parseListener(address);
    if (typeof listener === 'string') return new Wrong(`${listener} ${ALLOWED}`);
    if (scheme === undefined) return listener;
    return listener.type === 'tcp' ? { ...listener, type: 'tls' } : new Wrong(`is for TCP only ${ALLOWED}`);
  },
);

export const lmtpListeners: Kind<readonly LmtpListener[]> = {
  name: 'list of socket paths, "host:port", "[v6]:port", "tls://host:port" or "systemd"',
  schema: z
    .array(lmtpListener, {
      message: 'is not a list of addresses (write it like ["/run/sealdir/lmtp.sock"])',
    })
    .min(1, 'is empty, at least one address is needed')
    .superRefine((listeners, context) => {
      const seen = new Set<string>();
      for (const [index, listener] of listeners.entries()) {
        const identity = JSON.stringify(listener);
        if (seen.has(identity)) {
          context.addIssue({ code: 'custom', path: [index], message: 'is in the list twice' });
        }
        seen.add(identity);
      }
    }),
};

export const metricsListener: Kind<MetricsListener> = {
  name: 'socket path, "host:port", "[v6]:port" or "off"',
  schema: listenerOr('off'),
};

const NOT_A_SERVER = 'is not the address of a server (a socket path with a "/", "host:port" or "[v6]:port")';
export const serverOrNone: Kind<Listener | undefined> = {
  name: 'socket path, "host:port" or "[v6]:port", or "" for none',
  schema: converted(z.string({ message: NOT_A_SERVER }), (written) => {
    if (written === '') return undefined;
    const server = parseListener(written);
    return typeof server === 'string' ? new Wrong(`${server} (${NOT_A_SERVER})`) : server;
  }),
};
