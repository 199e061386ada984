/**
 * What operators are told about keys: the log and `check` show these sentences, and no other text about a
 * key, so that no message of a library reaches them. Each says what is wrong with this key and what to do.
 * Those about a file follow its name ("alice@example.com.asc is empty ..."); those about a certificate follow
 * its fingerprint.
 */
import { algorithmName, KNOWN_ALGORITHMS } from '../openpgp/algorithms.ts';
import type { Doubt } from './facts.ts';
import { MAX_RSA_BITS, MAX_RSA_EXPONENT_BITS } from './limits.ts';
import type { KeyHead } from './parts.ts';

const EXPORT = 'export it again (gpg --armor --export ADDRESS) and replace the file';

/** About a file. */
export const WORDS = {
  empty: 'is empty: put the exported public key there',
  secret: 'holds a SECRET key: remove it, and treat that key as exposed',
  noKey: 'holds no OpenPGP public key: put the exported public key there',
  noKeyInArmor: (type: string) =>
    `holds no OpenPGP public key, but a "PGP ${type}": put the exported public key there`,
  oddBeginLine: `holds no OpenPGP public key that can be read: its BEGIN line is damaged; ${EXPORT}`,
  utf16: 'is UTF-16 text: save it as plain text (ASCII or UTF-8)',
  indented: 'holds an indented key: remove the blanks or marks in front of its lines',
  truncated: 'ends in the middle of an armored key (truncated?): copy all of it, down to the END line',
  noBeginLine:
    'holds a key without its line "-----BEGIN PGP PUBLIC KEY BLOCK-----": copy all of it, down to the END line, ' +
    'or remove it',
  otherBlock: (type: string) => `holds a block "PGP ${type}" that is no public key: remove it`,
  damaged: `is damaged, and cannot be read as an OpenPGP key: ${EXPORT}`,
  startsInTheMiddle: `begins in the middle of a key: ${EXPORT}`,
  notText: `holds bytes that are neither text nor an OpenPGP key: ${EXPORT}`,
  noPublicKey: 'holds no OpenPGP public key, but other OpenPGP data: put the exported public key there',
  revocationAlone: (keyId: string) =>
    `holds the revocation of a key that is not in it (${keyId}): remove the revocation, or add its key`,
  otherData: 'holds other OpenPGP data beside a key: leave nothing but public keys in the file',
  tooLarge: (kibibytes: number) =>
    `is too large (over ${kibibytes} KiB): export it without the signatures of others (gpg --export-options export-minimal)`,
  tooManySignatures:
    'holds too many keys and signatures to check them all: its owner has to remove those no longer needed',
  unsupportedKey: (kind: string) =>
    `holds a key that Sealdir cannot use (${kind}): no mail is sealed to a part of the keys ` +
    'in a file; remove it, or ask its owner for a key of version 4 or 6',
  outsizedRsa: (bits: number, exponentBits: number) =>
    `holds an RSA key of an absurd size (${bits} bits, exponent of ${exponentBits} bits; at most ` +
    `${MAX_RSA_BITS} and ${MAX_RSA_EXPONENT_BITS}), which would make every message slow: its owner has to make a new one`,
  weakRsaExponent:
    'holds an RSA key that protects nothing (its exponent is 1 or even): its owner has to make a new one',
  outsized: 'holds a key with numbers of an absurd size: its owner has to make a new one',
  notTheirs: (address: string) =>
    `holds no key with a user ID for ${address}: remove it, or put a key there that has one`,
  notAFile: 'is not a regular file: put the exported public key there',
  linkToNothing: 'is a link to nothing: mend the link, or mount what it leads to',
  missing: 'does not exist: put the exported public key there',
  hidden: (address: string) =>
    `is not used, since ${address} has a file in the usual spelling: remove it, or merge the two`,
  unreadable: (code: string | undefined) => `cannot be read (${code ?? 'unknown error'})`,
} as const;

/** About a certificate. */
export const REASONS = {
  weak: (kind: string) => `is too weak (${kind}): its owner has to make a new key`,
  revoked: 'is revoked: ask its owner for a new key',
  notYetValid: (from: Date) => `is valid from ${day(from)} on only: check the clock, or ask its owner`,
  expired: (at: Date) => `expired on ${day(at)}: its owner has to extend it, and export it again`,
  noUserId:
    'has no user ID: its owner has to export it with one (keys.openpgp.org leaves them out unless confirmed)',
  noValidUserId: 'has no user ID that its owner has certified: ask its owner to export it again',
  criticalPart:
    'is certified with a critical part that Sealdir does not know, such as a notation: its owner has to certify it ' +
    'again without that part',
  unchecked: (kind: string) =>
    `is certified in a way that Sealdir cannot check (a signature ${kind}): its owner has to certify it again with ` +
    'current software',
  userIdsRevoked: 'has no user ID left that is not revoked: its owner has to add one',
  userIdsLapsed: (at: Date) =>
    `has no user ID whose certification still counts (the last ended on ${day(at)}): its owner has to renew it`,
  noSelfSignature: 'says nothing valid about itself: ask its owner to export it again',
  noEncryptionKey: 'can only sign: its owner has to add a subkey for encryption',
  noPurpose:
    'does not say which of its keys are for encryption (made by very old software?): its owner has to make a new key',
  subkeysExpired: (at: Date) =>
    `has no valid subkey for encryption (the last ended on ${day(at)}): its owner has to extend it or add one`,
  subkeysUnbound: `has a subkey for encryption whose binding signature is damaged or missing: ${EXPORT}`,
  subkeysRevoked: 'has no subkey for encryption that is not revoked: its owner has to add one',
  subkeysNotYet: (from: Date) =>
    `has no subkey for encryption that is valid before ${day(from)}: check the clock`,
  subkeysWeak: (kind: string) =>
    `has only subkeys for encryption that are too weak (${kind}): its owner has to add another`,
  broken: 'has a key for encryption that cannot work (wrong numbers in it): its owner has to make a new one',
  unsupportedSubkey: (kind: string) =>
    `has a subkey for encryption that Sealdir cannot use (${kind}), and is not used without it: ` +
    'set keys.unsupported_subkeys = "ignore" to seal to its other subkeys, or ask its owner for another key',
  falseBinding:
    'has a subkey for encryption whose binding signature is damaged, and is not used without it: ' +
    `${EXPORT}, or set keys.unsupported_subkeys = "ignore" to seal to its other subkeys`,
  doubtfulRevocation:
    'carries a revocation that cannot be checked: in doubt it is revoked; ask its owner for a new key, or export it again',
  unsupportedOnly: (kind: string) =>
    `has only subkeys for encryption that Sealdir cannot use (${kind}): its owner has to add one of X25519 or RSA`,
  tooManyKeys: (count: number, most: number) =>
    `has ${count} subkeys for encryption, and a message is sealed to ${most} at most: its owner has to revoke old ones`,
  tooExpensive: (milliseconds: number, most: number) =>
    `has subkeys for encryption that cost every message ${milliseconds} ms (at most ${most}): its owner has to revoke ` +
    'some of them, or use Curve25519',
  tooManyMisplaced:
    'has too many signatures that do not fit where they stand to try them all elsewhere: ask its owner to export it again',
  unjudged:
    'cannot be judged, since its contents are not as they should be: ask its owner to export it again',
} as const;

/** About pins of keys from web key directories elsewhere. */
export const PINS = {
  another: (address: string, now: string, pinned: readonly string[], path: string) =>
    `the key of ${address} in its web key directory is another one than before: ${now}, where ` +
    `${pinned.join(' and ')} was pinned; it is not used. If its owner confirms the new key, remove ${path}, or put ` +
    'the key in keys.directory',
  damaged: (path: string) => `keys.state: ${path} is damaged: remove it, if its owner confirms the key`,
  noPlace: (code: string, path: string) =>
    `keys.state: no key can be pinned, so none is taken from a web key directory: ${code} at ${path}`,
} as const;

/** About subkeys that a message is not sealed to, though it is sealed to others of the certificate. */
export const LEFT_OUT = {
  weak: (kind: string) => `its ${kind} subkey is not used: too weak`,
  unsupported: (kind: string) => `its subkey of a kind that Sealdir cannot use (${kind}) is not used`,
  noPurpose: 'a subkey that does not say what it is for is not used',
  unbound:
    'a subkey without a valid binding signature (damaged, missing, or not by the owner of the key) is not used',
} as const;

/** Returns version and algorithm of a key in words. */
export function kindOfKey({ version, algorithm }: KeyHead): string {
  if (version < 4) return `version ${version}, of the 1990s`;
  const name = algorithmName(algorithm);
  if (version === 5) return `version 5, of LibrePGP, ${name}`;
  return KNOWN_ALGORITHMS.includes(algorithm)
    ? `version ${version}, ${name} on a curve that is not known here`
    : `version ${version}, ${name}`;
}

/** Returns what is said of a subkey that may be bound by a signature that is not believed. */
export function boundBy(doubt: Pick<Doubt, 'version' | 'why'>): string {
  return `bound by a signature ${kindOfSignature(doubt)}`;
}

/** Returns in words why a signature is not believed that may be the owner's. */
export function kindOfSignature({ version, why }: Pick<Doubt, 'version' | 'why'>): string {
  if (why === 'critical') return 'with a critical part that is not known here';
  if (version !== 4 && version !== 6) return `of version ${version}`;
  return 'of an algorithm that is too weak, or not known here';
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
