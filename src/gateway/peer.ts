/** Where a connection comes from, as far as it says who is there. */
import { isIPv6 } from 'node:net';

const GROUPS = 8;
/** Of an IPv6 address, those that a provider gives one customer. */
const NETWORK_GROUPS = 4;
/** And those that one who has many networks is given. */
const SITE_GROUPS = 3;

/**
 * Returns what counts as one place: an IPv4 address, or a network of IPv6 (/64). Undefined for this machine:
 * a Dovecot or a webmail there asks for many.
 */
export function networkOf(peer: string): string | undefined {
  if (peer === 'unix' || peer === '::1' || peer.startsWith('127.')) return undefined;
  if (!isIPv6(peer)) return peer;
  const [front = '', back] = (peer.split('%')[0] ?? '')
    .split('::')
    .map((half) => half.split(':').filter(Boolean));
  const zeros = Array.from({ length: GROUPS - front.length - (back?.length ?? 0) }, () => '0');
  const groups = back === undefined ? [...front] : [...front, ...zeros, ...back];
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

/** Returns the /48 of a network of IPv6, all of which one machine may have; '' for this machine. */
export function siteOf(network: string | undefined): string {
  return (network ?? '').split(':').slice(0, SITE_GROUPS).join(':');
}
