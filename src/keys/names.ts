/**
 * Names in the key directory: which address a file stands for, and for a file that stands for none, why and
 * which name it should have. Knows the names of files only, not what is in them.
 */
import {
  canonicalAddress,
  parseAddress,
  partsOf,
  pathSegment,
  type SameAddress,
  textOfSegment,
} from '../core/address.ts';

/** Of equal length: a stem is what is left without as many characters. */
const EXTENSIONS = ['.asc', '.pgp'];
/** What others call their key files. */
const OTHER_EXTENSION = /\.(?:asc|pgp|gpg|pub|key|pem|txt|bin|cer|crt)$/i;
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
  // a name that pathSegment made holds a local part without its quotes: `a%20b@example.com`
  const address = parseAddress(text) ?? (text === stem ? undefined : partsOf(text));
  return address && canonicalAddress(address, same);
}

/** Returns the canonical form of an address that stands in a user ID, or undefined if it is none. */
export function addressOfText(text: string, same: SameAddress): string | undefined {
  const address = text.includes('@') ? parseAddress(text) : undefined;
  return address && canonicalAddress(address, same);
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
  const stem = name.replace(OTHER_EXTENSION, '');
  // without an '@' a name is hardly an address, although a bare local part may be one
  const address = stem.includes('@') ? addressOfStem(stem, same) : undefined;
  const suggestion = address && pathSegment(address);
  if (!isUtf8) return { why: 'has a name that is not UTF-8', stem: suggestion };
  return {
    why: isKeyFile(name) ? 'has a name that is no address' : 'does not end in .asc or .pgp',
    stem: suggestion,
  };
}
