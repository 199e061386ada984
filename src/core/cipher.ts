/**
 * Cipher suites under one name, that of IANA, whatever a mail server calls them; and which of them, and of
 * the versions of TLS, are weak.
 */
import { CIPHERS } from './ciphertable.ts';

export interface Cipher {
  /** The name at IANA. */
  readonly name: string;
  /** As OpenSSL calls it. */
  readonly short: string;
  /** Its code, as `0x1302`. */
  readonly code: string;
}

const TABLE: readonly (Cipher & { readonly names: readonly string[] })[] = CIPHERS.trim()
  .split('\n')
  .map((line) => {
    const [code = '', name = '', ...others] = line.split(' ');
    return {
      name,
      short: others.find((each) => !each.startsWith('AEAD')) ?? name,
      code: `0x${code}`,
      names: [name, ...others],
    };
  });
const BY_SPELLING = new Map(TABLE.flatMap((cipher) => cipher.names.map((name) => [spelling(name), cipher])));
const BY_NAME = new Map(TABLE.map((cipher) => [cipher.name, cipher]));

const LONGEST_NAME = 100;
/** GnuTLS names what was agreed on one by one: key exchange, signature, bulk cipher. */
const OF_GNUTLS = /^([A-Z]+)_[A-Z0-9_]+?__([A-Z]+)[A-Z0-9_]*?__(AES_128_GCM|AES_256_GCM|CHACHA20_POLY1305)$/;

/** Returns the suite that a mail server means; undefined if the table does not have it. */
export function cipherNamed(written: string): Cipher | undefined {
  if (written.length > LONGEST_NAME) return undefined;
  return BY_NAME.get(written) ?? BY_SPELLING.get(spelling(written));
}

/** Returns the same, where `version` tells apart what GnuTLS names in pieces. */
export function cipherOf(written: string, version: string): Cipher | undefined {
  const known = cipherNamed(written);
  if (known !== undefined || written.length > LONGEST_NAME) return known;
  const [, exchange, signature, bulk = ''] = OF_GNUTLS.exec(written) ?? [];
  if (exchange === undefined) return undefined;
  const hash = bulk === 'AES_256_GCM' ? 'SHA384' : 'SHA256';
  return cipherNamed(
    version === 'TLSv1.3' ? `TLS_${bulk}_${hash}` : `TLS_${exchange}_${signature}_WITH_${bulk}_${hash}`,
  );
}

/** Returns the suite with a name of IANA. */
export function cipherAt(name: string): Cipher | undefined {
  return BY_NAME.get(name);
}

/** TLS_A_WITH_B at IANA is A_B in GnuTLS, and SHA is SHA1 there. */
function spelling(name: string): string {
  return name
    .toUpperCase()
    .replaceAll('-', '_')
    .replace(/^(?:TLS|SSL)_/, '')
    .replace('_WITH_', '_')
    .replace(/_SHA1$/, '_SHA');
}

const VERSIONS: Readonly<Record<string, string>> = {
  '1': 'TLSv1',
  '1.0': 'TLSv1',
  '1.1': 'TLSv1.1',
  '1.2': 'TLSv1.2',
  '1.3': 'TLSv1.3',
};

/** Returns the version as OpenSSL writes it; `other` if it is none. */
export function versionOf(written: string): string {
  const [, number = ''] = /^TLSv?(\d(?:[._]\d)?)(?:\/SSLv3)?$/i.exec(written) ?? [];
  if (/^SSLv[23]$/i.test(written)) return `SSLv${written.at(-1)}`;
  return VERSIONS[number.replace('_', '.')] ?? 'other';
}

/** What is wrong with a suite, by a part of its name at IANA. */
const WEAK: readonly (readonly [RegExp, string])[] = [
  [/_NULL_/, 'no encryption'],
  [/_EXPORT_/, 'export'],
  [/_anon_/, 'anonymous'],
  [/_RC4_/, 'RC4'],
  [/_RC2_/, 'RC2'],
  [/_DES(?:40)?_/, 'DES'],
  [/_3DES_/, '3DES'],
  [/_MD5$/, 'MD5'],
  [/^TLS_RSA_/, 'no forward secrecy'],
];

/** Says what is weak: RFC 8996, RFC 9325. Empty if nothing is, or nothing is known. */
export function weaknessesOf({
  version,
  cipher,
}: {
  readonly version: string;
  readonly cipher: string;
}): string[] {
  const isOld = /^(?:SSLv[23]|TLSv1|TLSv1\.1)$/.test(version);
  const found = WEAK.flatMap(([part, why]) => (part.test(cipher) ? [why] : []));
  return isOld ? ['old version', ...found] : found;
}
