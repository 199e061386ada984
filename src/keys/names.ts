/**
 * Names in the key directory: which address a file stands for, and for a file that stands for none, why and
 * which name it should have. Knows the names of files only, not what is in them.
 */
import {
  canonicalAddress,
  catchAllOf,
  parseAddress,
  partsOf,
  pathSegment,
  type SameAddress,
  textOfSegment,
} from '../core/address.ts';

/** Of equal length: a stem is what is left without as many characters. */
const EXTENSIONS = ['.asc', '.pgp'];
/** What others call their key files, and what programs append to names. */
const OTHER_EXTENSION =
  /\.(?:asc|pgp|gpg|pub|public|key|keys|kbx|sig|pem|txt|bin|cer|crt|armou?r|gz|bz2|xz|zst|zip)(?: ?\(\d+\))?$/i;
const LEFT_BY_AN_EDITOR = /~$|\.(?:bak|old|orig|save|tmp|swp|swo|dpkg-[a-z]+|rpm[a-z]+)$|^#.*#$/;

export function isKeyFile(name: string): boolean {
  return !name.startsWith('.') && (name.endsWith('.asc') || name.endsWith('.pgp'));
}

/** Returns the names under which the keys of an address are looked up first. */
export function usualNames(address: string): string[] {
  return EXTENSIONS.map((extension) => pathSegment(address) + extension);
}

/**
 * Tells whether this is a usual name for an address. A file with such a name hides those in other spellings.
 */
export function isUsualName(file: string, address: string): boolean {
  return usualNames(address).includes(file);
}

/** Returns the canonical address that a key file stands for, or undefined if its name is no address. */
export function addressOf(file: string, same: SameAddress): string | undefined {
  return addressOfStem(file.slice(0, -'.asc'.length), same);
}

function addressOfStem(stem: string, same: SameAddress): string | undefined {
  const text = textOfSegment(stem);
  if (text.startsWith('@')) return catchAllOf(text.slice(1), same);
  // a name that pathSegment made holds a local part without its quotes: `a%20b@example.com`
  const address = parseAddress(text) ?? (text === stem ? undefined : partsOf(text));
  return address && canonicalAddress(address, same);
}

/** Returns the canonical address in a user ID, or undefined if there is none. */
export function addressOfUserId(userId: string, same: SameAddress): string | undefined {
  const text = /<([^<>]+)>\s*$/.exec(userId)?.[1] ?? userId;
  const address = text.includes('@') ? parseAddress(text) : undefined;
  return address && canonicalAddress(address, same);
}

/**
 * Returns the name, without an extension, that a file should have whose keys are for these addresses: for the
 * one that its name begins with, or else `own`, which its name tells, or else the only one. Undefined if
 * nothing tells.
 */
export function stemFor(name: string, addresses: readonly string[], own?: string): string | undefined {
  const stems = [...new Set(addresses.map(pathSegment))];
  const bare = name.replace(/^\.+/, '').toLowerCase();
  const meant = stems.filter((stem) => bare.startsWith(stem.toLowerCase()));
  const [longest] = meant.sort((a, b) => b.length - a.length);
  return longest ?? own ?? (stems.length === 1 ? stems[0] : undefined);
}

/** Why a file makes no recipient. */
export interface Misnamed {
  readonly why: string;
  /** The name that it should have, without an extension, as far as its own name tells. */
  readonly stem: string | undefined;
}

/** Returns what is wrong with a name that makes no recipient. */
export function misnamed(name: string, isUtf8: boolean, same: SameAddress): Misnamed {
  if (LEFT_BY_AN_EDITOR.test(name)) return { why: 'looks like a copy left by an editor', stem: undefined };
  // without an '@' a name is hardly an address, although a bare local part may be one
  const stem = stemOf(name);
  const address = stem.includes('@') ? addressOfStem(stem, same) : undefined;
  const suggestion = address && pathSegment(address);
  if (name.startsWith('.')) return { why: 'begins with a dot, as hidden files do', stem: suggestion };
  if (!isUtf8) return { why: 'has a name that is not UTF-8', stem: suggestion };
  return {
    why: isKeyFile(name) ? 'has a name that is no address' : 'does not end in .asc or .pgp',
    stem: suggestion,
  };
}

/** Takes all endings off a name, but none without which its domain would have a single label. */
function stemOf(name: string): string {
  let stem = name.replace(/^\.+/, '').replace(OTHER_EXTENSION, '');
  for (;;) {
    const shorter = stem.replace(OTHER_EXTENSION, '');
    if (shorter === stem || !/@.*\./.test(shorter)) return stem;
    stem = shorter;
  }
}
