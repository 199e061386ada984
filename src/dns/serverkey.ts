/** The keys of a mail server, from its certificates, and what TLSA records say of them (RFC 6698). */
import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';

export interface ServerKey {
  /** The file it comes from. */
  readonly file: string;
  /** "RSA", "ECDSA". */
  readonly kind: string;
  readonly publicKey: KeyObject;
  /** Undefined for a key that has none yet. */
  readonly certificate: X509Certificate | undefined;
  /** `next`: it is not shown to clients yet. */
  readonly use: 'now' | 'next';
}

/** A TLSA record, taken apart. */
export interface Tlsa {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  /** In hexadecimal digits, lower case. */
  readonly data: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

export interface PemFile {
  readonly file: string;
  readonly pem: string;
}

/**
 * Returns the keys of a server's own certificates: of the first one, and of each that stands after a private
 * key. Those after it lead to an authority, also in the next file. Throws if there is none, or one that
 * cannot be read.
 */
export function certifiedKeys(files: readonly PemFile[]): ServerKey[] {
  const blocks = files.flatMap(({ file, pem }) =>
    [...pem.matchAll(BLOCK)].map(([text, label = '']) => ({ file, text, label })),
  );
  const isCertificate = (n: number) => blocks[n]?.label === 'CERTIFICATE';
  const leaves = blocks.filter((_, n) => isCertificate(n) && !isCertificate(n - 1));
  if (leaves.length === 0) throw new Error('there is no certificate in PEM');
  return leaves.map(({ file, text }) => {
    const certificate = new X509Certificate(text);
    const { publicKey } = certificate;
    return { file, kind: kindOf(publicKey), publicKey, certificate, use: 'now' };
  });
}

/** Reads a key that will be shown: a certificate, a public key, or the public part of a private one. */
export function nextKey({ file, pem }: PemFile): ServerKey {
  const [certified] = pem.includes('-----BEGIN CERTIFICATE-----') ? certifiedKeys([{ file, pem }]) : [];
  if (certified !== undefined) return { ...certified, use: 'next' };
  const publicKey = createPublicKey(pem);
  return { file, kind: kindOf(publicKey), publicKey, certificate: undefined, use: 'next' };
}

function kindOf({ asymmetricKeyType }: KeyObject): string {
  const type: string = asymmetricKeyType ?? 'unknown';
  return { rsa: 'RSA', ec: 'ECDSA' }[type] ?? type;
}

/**
 * Returns the data of a record `3 1 2`: the key itself is what is trusted, by its SHA-512 (RFC 7671 §5.1).
 */
export function tlsaOf({ publicKey }: ServerKey): string {
  return `3 1 2 ${matchedBy(publicKey.export({ type: 'spki', format: 'der' }), 2)}`;
}

export function parseTlsa(text: string): Tlsa {
  const [usage, selector, matchingType, data = ''] = text.split(' ');
  return {
    usage: Number(usage),
    selector: Number(selector),
    matchingType: Number(matchingType),
    data: data.toLowerCase(),
  };
}

/** Tells whether a client of DANE that finds this record takes the key. */
export function fits({ usage, selector, matchingType, data }: Tlsa, key: ServerKey): boolean {
  if (usage !== 3) return false; // RFC 7672 §3.1: others name authorities, or are not for SMTP
  const whole = { 0: key.certificate?.raw, 1: key.publicKey.export({ type: 'spki', format: 'der' }) }[
    selector
  ];
  return whole !== undefined && matchedBy(whole, matchingType) === data;
}

/**
 * Returns those records that every client uses: where there are digests of several kinds, some use only the
 * strongest (RFC 7671 §9).
 */
export function usedByAll(records: readonly Tlsa[]): Tlsa[] {
  return records.filter(({ usage, selector, matchingType }) => {
    const likes = records.filter((each) => each.usage === usage && each.selector === selector);
    return matchingType === 0 || matchingType === Math.max(...likes.map((each) => each.matchingType));
  });
}

function matchedBy(bytes: Buffer, matchingType: number): string | undefined {
  if (matchingType === 0) return bytes.toString('hex');
  const digest = { 1: 'sha256', 2: 'sha512' }[matchingType];
  return digest && createHash(digest).update(bytes).digest('hex');
}
