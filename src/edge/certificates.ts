/**
 * The certificates and keys of a server: reads them from files, tries whether they can be used, and notices
 * when the files change. Every fault is an Error whose message is a sentence that names a setting and a file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { CertificateAndKey, TlsFiles, TlsMaterial } from '../core/tls.ts';

const LEAST_RSA_BITS = 2048;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

/** Reads the files. Undefined if they name no certificate: then there is no TLS. */
export async function readTls(files: TlsFiles): Promise<TlsMaterial | undefined> {
  if (files.certificates.length === 0) return undefined;
  const certificates: CertificateAndKey[] = [];
  const kinds = new Set<string>();
  for (const [index, path] of files.certificates.entries()) {
    const keyPath = files.keys[index] ?? '';
    const certificate = await textOf('tls.certificate', path);
    const key = await textOf('tls.key', keyPath);
    const kind = kindOfPair({ path, certificate }, { path: keyPath, key });
    if (kinds.has(kind)) throw new Error(`tls.certificate: ${path}: there is another one for ${kind}`);
    kinds.add(kind);
    certificates.push({ certificate, key });
  }
  const clientCa = files.clientCa === '' ? undefined : await authorities(files.clientCa);
  return { certificates, clientCa, clientNames: files.clientNames };
}

/** Returns the first certificate of a text of PEM: the server's own. */
export function leafOf({ certificate }: Pick<CertificateAndKey, 'certificate'>): X509Certificate {
  return new X509Certificate(certificate);
}

/** Returns when each certificate expires, in seconds since the epoch, by the kind of its key. */
export function expiriesOf({ certificates }: TlsMaterial): Map<string, number> {
  return new Map(
    certificates.map((each) => {
      const leaf = leafOf(each);
      return [kindOf(leaf), Date.parse(leaf.validTo) / 1000];
    }),
  );
}

/** Returns the identities of the files: another text means that one has changed. Never throws. */
export async function identityOf({ certificates, keys, clientCa }: TlsFiles): Promise<string> {
  const paths = [...certificates, ...keys, ...(clientCa === '' ? [] : [clientCa])];
  const identities = paths.map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return `${path} ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    } catch (error) {
      return `${path} ${(error as NodeJS.ErrnoException).code}`;
    }
  });
  return (await Promise.all(identities)).join('\n');
}

/** Tries a certificate with its key. Returns the kind of key: OpenSSL serves one certificate for each. */
function kindOfPair(
  { path, certificate }: { path: string; certificate: string },
  { path: keyPath, key }: { path: string; key: string },
): string {
  const leaf = attempt(`tls.certificate: ${path} is no certificate`, () => leafOf({ certificate }));
  const secret = attempt(`tls.key: ${keyPath} is no key without a passphrase`, () => createPrivateKey(key));
  if (!fits(leaf, secret)) throw new Error(`tls.key: ${keyPath} is not the key of ${path}`);
  const cannot = `tls.certificate: ${path} cannot be used`;
  attempt(cannot, () => createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' }));
  const fault = faultOfKey(leaf);
  if (fault !== undefined) throw new Error(`${cannot}: ${fault}`);
  return kindOf(leaf);
}

/** OpenSSL takes RSA keys of 1024 bits, and curves that no client speaks. */
function faultOfKey({ publicKey }: X509Certificate): string | undefined {
  const { modulusLength = 0, namedCurve = '' } = publicKey.asymmetricKeyDetails ?? {};
  if (publicKey.asymmetricKeyType === 'rsa')
    return modulusLength < LEAST_RSA_BITS ? `its key is too small (${modulusLength} bits)` : undefined;
  return CURVES.includes(namedCurve) ? undefined : 'its key is neither RSA nor on a curve of NIST';
}

function fits(leaf: X509Certificate, secret: KeyObject): boolean {
  try {
    return leaf.checkPrivateKey(secret);
  } catch {
    return false; // of another kind
  }
}

function kindOf({ publicKey }: X509Certificate): string {
  const { asymmetricKeyType: type = 'unknown' } = publicKey;
  return { rsa: 'RSA', ec: 'ECDSA' }[type as string] ?? type;
}

async function authorities(path: string): Promise<string> {
  const pem = await textOf('tls.client_ca', path);
  const each = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const what = `tls.client_ca: ${path} is no certificate`;
  if (each.length === 0) throw new Error(what);
  for (const certificate of each) attempt(what, () => new X509Certificate(certificate));
  return pem;
}

async function textOf(setting: string, path: string): Promise<string> {
  return readFile(path, 'latin1').catch(({ code }: NodeJS.ErrnoException) => {
    throw new Error(`${setting}: ${path} cannot be read (${code})`);
  });
}

function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${what} (${error instanceof Error ? error.message : String(error)})`, { cause: error });
  }
}
