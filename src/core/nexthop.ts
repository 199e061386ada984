/**
 * The address of a store behind LMTP, as settings and recipient sources write it: "lmtp:unix:/path",
 * "lmtp:inet:host:port", or "lmtps:inet:host:port" where TCP begins with TLS.
 */
import { isLoopback, type Listener } from './listener.ts';

export interface NextHop {
  /** As written. */
  readonly text: string;
  readonly at: Listener;
  /** TLS from the start. */
  readonly isTls: boolean;
}

/** What a recipient source says of one whose mail goes into a Maildir, whatever the site does. */
export const NO_HOP = 'off';

/** Returns the next hop, or what is wrong: the end of a sentence that begins with the address. */
export function parseNextHop(text: string): NextHop | string {
  const [, scheme, path, v6, name, digits] =
    /^(lmtps?):(?:unix:(\/.+)|inet:(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,255})):([0-9]{1,5}))$/.exec(
      text,
    ) ?? [];
  const isTls = scheme === 'lmtps';
  if (path !== undefined) {
    if (isTls) return 'is a Unix socket, which has no TLS: write "lmtp:unix:/path"';
    if (/\p{Cc}/u.test(path) || path.endsWith('/')) return 'has no path of a socket';
    // unix(7): sun_path has 108 bytes, the last one for the NUL
    return Buffer.byteLength(path) > 107
      ? 'is longer than 107 bytes, the limit for the path of a socket'
      : { text, at: { type: 'unix', path }, isTls };
  }
  const host = v6 ?? name;
  const port = Number(digits);
  if (host === undefined) return 'is not an address of LMTP';
  if (port < 1 || port > 65535) return 'has a port that is none';
  return { text, at: { type: 'tcp', host, port }, isTls };
}

/** Tells whether others may listen in on the way to it, unless there is TLS. */
export function isExposed({ at, isTls }: NextHop): boolean {
  return !isTls && at.type === 'tcp' && !isLoopback(at.host);
}
