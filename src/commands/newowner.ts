/** What somebody has typed about the owner of a new key. */
import { asciiDomain, parseAddress } from '../core/address.ts';
import { CommandError } from './errors.ts';

const DAY_SECONDS = 24 * 60 * 60;
const UNIT_DAYS: Readonly<Record<string, number>> = { d: 1, w: 7, m: 30, y: 365 };
/** RFC 9580 §5.2.3.13: four octets of seconds. */
const MOST_SECONDS = 2 ** 32 - 1;

/** Returns an address that a key can be made for. `command` is what was typed before it. */
export function emailOf(written: string | undefined, command: string): string {
  if (written === undefined) throw new CommandError('usage', `for whom? sealdir ${command} ADDRESS`);
  const address = parseAddress(written);
  const domain = address && asciiDomain(address.domain);
  // what openpgp takes for a mail address, too
  const isPlain = address !== undefined && /^[^\p{C}\p{Z}@<>\\"]+$/u.test(address.local);
  if (domain === undefined || !isPlain || !/[a-z0-9]$/.test(domain))
    throw new CommandError('usage', `"${written}" is not an address that a key can be made for`);
  return `${address.local}@${domain}`;
}

export function nameOf(written: string | undefined): string | undefined {
  if (written === undefined) return undefined;
  if (written.trim() === '' || /[<>()\p{C}]/u.test(written))
    throw new CommandError('usage', `"${written}" is not a name: no brackets, and nothing invisible`);
  return written.trim();
}

/** Returns seconds; 0 for a key that never ends. */
export function lifetimeOf(written: string | undefined): number {
  if (written === undefined || written === 'never') return 0;
  const [, count, unit = ''] = /^([1-9][0-9]{0,4})([dwmy])$/.exec(written) ?? [];
  const seconds = Number(count) * (UNIT_DAYS[unit] ?? 0) * DAY_SECONDS;
  if (count !== undefined && seconds <= MOST_SECONDS) return seconds;
  throw new CommandError('usage', `--expires takes 90d, 6w, 18m, 2y or never, not "${written}"`);
}
