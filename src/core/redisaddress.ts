/**
 * The address of a Redis server, or of another one that speaks the same (Valkey), as a setting writes it:
 * "redis://host:port/db", "rediss://" where there is TLS, or "unix:/path?db=1". No password is in it.
 */
import { isLoopback, type Listener } from './listener.ts';

export interface RedisAddress {
  /** As written. */
  readonly text: string;
  readonly at: Listener;
  readonly isTls: boolean;
  readonly db: number;
  /** '' for the default user. */
  readonly user: string;
}

const USUAL_PORT = '6379';
const URL_OF_TCP =
  /^(?:redis|valkey)(s?):\/\/(?:([^\s:/@?#]{1,255})@)?(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,255}))(?::([0-9]{1,5}))?(?:\/([0-9]{0,5}))?$/;
const URL_OF_SOCKET =
  /^(?:(?:redis|valkey)\+)?unix:(?:\/\/(?:([^\s:/@?#]{1,255})@)?)?(\/[^?#]+)(?:\?db=([0-9]{1,5}))?$/;

/** Whether that is how a path of a directory does not begin. */
export function isRedisUrl(text: string): boolean {
  return /^(?:(?:redis|valkey)s?:|(?:(?:redis|valkey)\+)?unix:)/.test(text);
}

/** Returns the address, or what is wrong: the end of a sentence that begins with it. */
export function parseRedisAddress(text: string): RedisAddress | string {
  if (/^[^/]*:\/\/[^/@]*:[^@]*@/.test(text))
    return 'has a password: put that into a file, and name it in store.state_password_file';
  const socket = URL_OF_SOCKET.exec(text);
  if (socket !== null) {
    const [, user = '', path = '', db = '0'] = socket;
    if (/\p{Cc}/u.test(path) || path.endsWith('/')) return 'has no path of a socket';
    // unix(7): sun_path has 108 bytes, the last one for the NUL
    if (Buffer.byteLength(path) > 107) return 'is longer than 107 bytes, the limit for the path of a socket';
    return { text, at: { type: 'unix', path }, isTls: false, db: Number(db), user };
  }
  const [, tls, user = '', v6, name, digits = USUAL_PORT, db = ''] = URL_OF_TCP.exec(text) ?? [];
  const host = v6 ?? name;
  const port = Number(digits);
  if (host === undefined)
    return 'is not an address of Redis (write it like "redis://host:6379/0", "rediss://host/0" or "unix:/path?db=0")';
  if (port < 1 || port > 65535) return 'has a port that is none';
  return { text, at: { type: 'tcp', host, port }, isTls: tls === 's', db: Number(db), user };
}

/** Tells whether others may listen in on the way to it. */
export function isInClear({ at, isTls }: RedisAddress): boolean {
  return !isTls && at.type === 'tcp' && !isLoopback(at.host);
}
