/**
 * What stands for an address in a log that must not name it: always the same for one address, so that lines
 * can be joined, and of no use to whoever tries all addresses without the secret.
 */
import { createHmac } from 'node:crypto';
import { canonicalAddress, catchAllOf, parseAddress, type SameAddress } from './address.ts';

const HEX_DIGITS = 20;

/** Returns `addr:` and hexadecimal digits, the same for all spellings of an address. */
export function pseudonymOf(written: string, secret: Buffer, same: SameAddress): string {
  const hash = createHmac('sha256', secret).update(canonical(written, same) ?? written);
  return `addr:${hash.digest('hex').slice(0, HEX_DIGITS)}`;
}

function canonical(written: string, same: SameAddress): string | undefined {
  if (written.startsWith('@')) return catchAllOf(written.slice(1), same);
  // what names a file may have a local part that would have to be quoted
  const at = written.lastIndexOf('@');
  const bare = at > 0 ? { local: written.slice(0, at), domain: written.slice(at + 1) } : undefined;
  const address = parseAddress(written) ?? bare;
  return address && canonicalAddress(address, same);
}
