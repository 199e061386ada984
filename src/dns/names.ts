/** Names in the DNS: as they are written there, with A-labels, in lower case and without the final dot. */
import { isIP, isIPv4 } from 'node:net';
import { domainToASCII } from 'node:url';

/** RFC 1035 §2.3.4 has 255 bytes, of which "_dmarc.", "selector._domainkey." and the like need some. */
const MOST_CHARACTERS = 180;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
/** What a URL would give a meaning of its own; the rest is for domainToASCII. */
const NO_NAME = /[^\p{L}\p{M}\p{N}._\-\u3002]/u;

/** Returns the name as the DNS has it, of at least two labels, or undefined if it is none. */
export function asciiName(written: string): string | undefined {
  if (NO_NAME.test(written)) return undefined;
  const name = domainToASCII(written.replace(/[.\u3002]$/, ''));
  const labels = name.split('.');
  const isName = labels.length > 1 && labels.every((label) => LABEL.test(label));
  return isName && name.length <= MOST_CHARACTERS && isIP(name) === 0 ? name : undefined;
}

/** Tells whether a name is that of a zone, or in it. */
export function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

/** Returns the name that has the PTR record of an address (RFC 1035 §3.5, RFC 3596 §2.5). */
export function reverseName(address: string): string {
  if (isIPv4(address)) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const nibbles = groupsOf(address).map((group) => group.padStart(4, '0'));
  return `${[...nibbles.join('')].reverse().join('.')}.ip6.arpa`;
}

/** Returns an address in the one spelling that can be compared (RFC 5952), or undefined if it is none. */
export function plainAddress(written: string): string | undefined {
  if (isIPv4(written)) return written;
  // an address with a zone means something on this machine only
  if (isIP(written) === 0 || written.includes('%')) return undefined;
  return new URL(`http://[${written}]/`).hostname.slice(1, -1);
}

/** Returns the eight groups of an IPv6 address. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = (plainAddress(address) ?? '').split('::');
  const of = (part: string) => part.split(':').filter((group) => group !== '');
  if (tail === undefined) return of(head);
  const zeros = 8 - of(head).length - of(tail).length;
  return [...of(head), ...Array.from({ length: zeros }, () => '0'), ...of(tail)];
}
