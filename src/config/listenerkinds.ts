// The kinds of value that say where to listen, or whom to ask. See kinds.ts.

import { z } from 'zod/v3';
import { isLoopback, type Listener } from '../core/listener.ts';
import { type NextHop, parseNextHop } from '../core/nexthop.ts';
import { converted, type Kind, type Schema, Wrong } from './kinds.ts';
import { parseListener } from './listener.ts';

/** With TLS from the start: `tls`, and the TCP sockets among those of `tlsSystemd`. */
export type LmtpListener =
  | Listener
  | { readonly type: 'tls'; readonly host: string; readonly port: number }
  | { readonly type: 'systemd'; readonly name: string | undefined }
  | { readonly type: 'tlsSystemd'; readonly name: string | undefined };
export type MetricsListener =
  | Listener
  | { readonly type: 'off' }
  | { readonly type: 'systemd'; readonly name: string };

/** A name that FileDescriptorName= of systemd may have. */
const BY_SYSTEMD = /^systemd(?::([\x21-\x39\x3b-\x7e]{1,255}))?$/;

const ONE_ALLOWED = '(write a socket path with a "/", "host:port", "[v6]:port", "systemd:NAME" or "off")';
const listenerOrOff: Schema<MetricsListener> = converted(
  z.string({ message: `is not an address to listen on ${ONE_ALLOWED}` }),
  (written) => {
    if (written === 'off') return { type: 'off' };
    const [, name] = BY_SYSTEMD.exec(written) ?? [];
    if (name !== undefined) return { type: 'systemd', name };
    const listener = parseListener(written);
    return typeof listener === 'string' ? new Wrong(`${listener} ${ONE_ALLOWED}`) : listener;
  },
);

const ALLOWED =
  '(write a socket path with a "/", "host:port", "[v6]:port", "tls://" before one of these two, "systemd" or "systemd:NAME")';
const lmtpListener: Schema<LmtpListener> = converted(
  z.string({ message: `is not an address to listen on ${ALLOWED}` }),
  (written) => {
    const [, scheme, address = ''] = /^(tls:\/\/)?(.*)$/s.exec(written) ?? [];
    const inherited = BY_SYSTEMD.exec(address);
    if (inherited !== null)
      return { type: scheme === undefined ? 'systemd' : 'tlsSystemd', name: inherited[1] };
    const listener = parseListener(address);
    if (typeof listener === 'string') return new Wrong(`${listener} ${ALLOWED}`);
    if (scheme === undefined) return listener;
    return listener.type === 'tcp' ? { ...listener, type: 'tls' } : new Wrong(`is for TCP only ${ALLOWED}`);
  },
);

export const lmtpListeners: Kind<readonly LmtpListener[]> = {
  name: 'list of socket paths, "host:port", "[v6]:port", "tls://host:port", "systemd" or "systemd:NAME"',
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
  name: 'socket path, "host:port", "[v6]:port", "systemd:NAME" or "off"',
  schema: listenerOrOff,
};

const NOT_OFF = '(write a socket path with a "/", "host:port", "[v6]:port" or "off")';
export const listenerOrNone: Kind<Listener | { readonly type: 'off' }> = {
  name: 'socket path, "host:port", "[v6]:port" or "off"',
  schema: converted(z.string({ message: `is not an address to listen on ${NOT_OFF}` }), (written) => {
    if (written === 'off') return { type: 'off' };
    const listener = parseListener(written);
    return typeof listener === 'string' ? new Wrong(`${listener} ${NOT_OFF}`) : listener;
  }),
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

const HOPS = '(write "lmtp:unix:/path", "lmtp:inet:host:port" or "lmtps:inet:host:port")';
export const nextHopOrNone: Kind<NextHop | undefined> = {
  name: '"lmtp:unix:/path", "lmtp:inet:host:port" or "lmtps:inet:host:port", or "" for none',
  schema: converted(z.string({ message: `is not an address of LMTP ${HOPS}` }), (written) => {
    if (written === '') return undefined;
    const hop = parseNextHop(written);
    return typeof hop === 'string' ? new Wrong(`${hop} ${HOPS}`) : hop;
  }),
};

export type GatewayListener =
  | Listener
  | { readonly type: 'tls'; readonly host: string; readonly port: number };

const GATEWAY_ALLOWED =
  '(write "tls://host:port", "tls://[v6]:port", "host:port" of the loopback, or a socket path with a "/")';
const gatewayListener: Schema<GatewayListener> = converted(
  z.string({ message: `is not an address to listen on ${GATEWAY_ALLOWED}` }),
  (written) => {
    const [, scheme, address = ''] = /^(tls:\/\/)?(.*)$/s.exec(written) ?? [];
    const listener = parseListener(address);
    if (typeof listener === 'string') return new Wrong(`${listener} ${GATEWAY_ALLOWED}`);
    if (listener.type === 'unix')
      return scheme === undefined ? listener : new Wrong(`is for TCP only ${GATEWAY_ALLOWED}`);
    if (scheme !== undefined) return { ...listener, type: 'tls' };
    // a password in clear
    return isLoopback(listener.host) ? listener : new Wrong(`needs "tls://" before it ${GATEWAY_ALLOWED}`);
  },
);

export const gatewayListeners: Kind<readonly GatewayListener[]> = {
  name: 'list of "tls://host:port", "tls://[v6]:port", "host:port" of the loopback or socket paths',
  schema: z
    .array(gatewayListener, { message: 'is not a list of addresses (write it like ["tls://0.0.0.0:993"])' })
    .min(1, 'is empty, at least one address is needed'),
};
