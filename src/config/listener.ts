// Reads addresses to listen on, as written in the configuration, and checks host names and paths.
// An address with a "/" is the path of a Unix socket; any other is host:port or [v6]:port.
// Resolves no name and opens nothing.

import { isIPv4, isIPv6 } from 'node:net';
import type { Listener } from '../core/listener.ts';

/** Returns the listener, or what is wrong: the end of a sentence that begins with the address. */
export function parseListener(written: string): Listener | string {
  return written.includes('/') ? parseSocket(written) : parseEndpoint(written);
}

function parseSocket(path: string): Listener | string {
  if (!isPath(path) || path.endsWith('/')) return 'is not the path of a socket';
  // unix(7): sun_path has 108 bytes, the last one for the NUL.
  if (Buffer.byteLength(path) > 107) return 'is longer than 107 bytes, the limit for the path of a socket';
  return { type: 'unix', path };
}

function parseEndpoint(written: string): Listener | string {
  const [, v6, name = '', digits] = /^(?:\[([^\]]*)\]|([^:]+)):([0-9]{1,5})$/.exec(written) ?? [];
  if (digits === undefined) {
    return isIPv6(written.replace(/:[0-9]+$/, ''))
      ? 'needs brackets around its IPv6 address, like "[::1]:24"'
      : 'is not an address to listen on';
  }
  const port = Number(digits);
  if (port > 65535) return 'has a port above 65535';
  if (v6 !== undefined) {
    return isIPv6(v6)
      ? { type: 'tcp', host: v6, port }
      : 'has something else than an IPv6 address in its brackets';
  }
  const isHost = /^[0-9.]+$/.test(name) ? isIPv4(name) : isHostName(name);
  return isHost
    ? { type: 'tcp', host: name, port }
    : 'has no valid host name or IPv4 address before its port';
}

/**
 * Tells whether a name has the labels of RFC 1123 §2.1, or such with the underscore that real machines have.
 * The name of this server becomes part of Maildir file names, so "/" and ":" must not be in it.
 */
export function isHostName(name: string): boolean {
  if (name.length > 255) return false;
  return name.split('.').every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/.test(label));
}

export function isPath(text: string): boolean {
  return text !== '' && !/\p{Cc}/u.test(text);
}
