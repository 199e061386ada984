/**
 * Swap on a disk that is not encrypted. Our units have none (MemorySwapMax=), but what passwords are typed
 * into has: `sealdir slots`, Dovecot, a webmail.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { type Finding, quoted, warning } from './finding.ts';

const MOST_LAYERS = 8;

export function checkSwap(): Finding[] {
  return swapsIn(read('/proc/swaps'))
    .filter(({ path }) => !isSafe(path))
    .map(({ path }) => {
      const what = `what is in memory may be written to ${path}, which is not encrypted`;
      const or = 'encrypt it (crypttab(5): swap); and change /etc/fstab';
      return warning('swap-in-clear', what, { command: `swapoff ${quoted(path)}`, or });
    });
}

/** Returns the files and devices of a /proc/swaps. */
export function swapsIn(text: string): { readonly path: string }[] {
  const [, ...lines] = text.split('\n');
  return lines.flatMap((line) => {
    const [path = ''] = line.split(/\s+/);
    // blanks and the like are octal there
    return path === '' ? [] : [{ path: path.replaceAll(/\\([0-7]{3})/g, (_, code) => byte(code)) }];
  });
}

function byte(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}

/** In memory, or on a device that dm-crypt has made, below however many others. */
function isSafe(path: string): boolean {
  if (/^\/dev\/zram\d+$/.test(path)) return true;
  try {
    const stats = statSync(path);
    const number = stats.isBlockDevice() ? stats.rdev : stats.dev;
    return isEncrypted(`/sys/dev/block/${majorOf(number)}:${minorOf(number)}`, 0);
  } catch {
    return false;
  }
}

function isEncrypted(device: string, layers: number): boolean {
  if (read(`${device}/dm/uuid`).startsWith('CRYPT-')) return true;
  if (layers === MOST_LAYERS) return false;
  const below = names(`${device}/slaves`);
  return below.length > 0 && below.every((name) => isEncrypted(`${device}/slaves/${name}`, layers + 1));
}

/** As glibc packs them into a dev_t of 64 bits; the number is exact below 2^53. */
function majorOf(number: number): number {
  return (Math.floor(number / 2 ** 8) & 0xfff) | (Math.floor(number / 2 ** 32) & ~0xfff);
}

function minorOf(number: number): number {
  return (number & 0xff) | (Math.floor(number / 2 ** 12) & ~0xff);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
