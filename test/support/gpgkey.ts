// Makes fresh keys with GnuPG, for machines without the key collection and for tests that need a key of their
// own.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openGnupgHome } from './gnupghome.ts';

export const GPG_KEY_KINDS = ['rsa2048', 'rsa4096', 'nistp256', 'cv25519', 'nistp384', 'nistp521'] as const;
/** Some programs do not know these. */
export const BRAINPOOL_KINDS = ['brainpoolP256r1', 'brainpoolP384r1', 'brainpoolP512r1'] as const;

export type GpgKeyKind = (typeof GPG_KEY_KINDS | typeof BRAINPOOL_KINDS)[number];

export interface GpgKey {
  kind: GpgKeyKind;
  address: string;
  /** Of the primary key, 40 hexadecimal digits. */
  fingerprint: string;
  certificate: Buffer;
  certificateFile: string;
  secretKey: Buffer;
  secretKeyFile: string;
  passphrase: string;
}

export interface GpgKeyOptions {
  kind: GpgKeyKind;
  address: string;
  /** The directory for the two armored files `<address>.<kind>.pub.asc` and `<address>.<kind>.sec.asc`. */
  directory: string;
  passphrase?: string;
}

const ALGORITHMS: Record<GpgKeyKind, readonly string[]> = {
  rsa2048: ['Key-Type: RSA', 'Key-Length: 2048', 'Subkey-Type: RSA', 'Subkey-Length: 2048'],
  rsa4096: ['Key-Type: RSA', 'Key-Length: 4096', 'Subkey-Type: RSA', 'Subkey-Length: 4096'],
  nistp256: onCurve('nistp256'),
  nistp384: onCurve('nistp384'),
  nistp521: onCurve('nistp521'),
  brainpoolP256r1: onCurve('brainpoolP256r1'),
  brainpoolP384r1: onCurve('brainpoolP384r1'),
  brainpoolP512r1: onCurve('brainpoolP512r1'),
  cv25519: ['Key-Type: EDDSA', 'Key-Curve: Ed25519', 'Subkey-Type: ECDH', 'Subkey-Curve: Cv25519'],
};

function onCurve(curve: string): readonly string[] {
  return ['Key-Type: ECDSA', `Key-Curve: ${curve}`, 'Subkey-Type: ECDH', `Subkey-Curve: ${curve}`];
}

/** Makes a signing primary key with one encryption subkey. Takes 0.1 s, and 1 to 4 s for RSA-4096. */
export async function makeGpgKey(options: GpgKeyOptions): Promise<GpgKey> {
  const { kind, address, directory, passphrase = '' } = options;
  const home = await openGnupgHome(passphrase);
  try {
    // A parameter file is used since --quick-generate-key makes no encryption subkey if an algorithm is
    // named.
    await home.gpg(['--generate-key'], parameters(kind, address, passphrase));
    const listing = await home.gpg(['--list-keys', '--with-colons']);
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listing.toString())?.[1];
    if (fingerprint === undefined) throw new Error(`gpg made no key for ${address}`);
    const certificate = await home.gpg(['--armor', '--export']);
    const secretKey = await home.gpg(['--armor', '--export-secret-keys']);
    const certificateFile = join(directory, `${address}.${kind}.pub.asc`);
    const secretKeyFile = join(directory, `${address}.${kind}.sec.asc`);
    await writeFile(certificateFile, certificate);
    await writeFile(secretKeyFile, secretKey, { mode: 0o600 });
    return { kind, address, fingerprint, certificate, certificateFile, secretKey, secretKeyFile, passphrase };
  } finally {
    await home.close();
  }
}

function parameters(kind: GpgKeyKind, address: string, passphrase: string): string {
  return [
    ...ALGORITHMS[kind],
    'Key-Usage: sign',
    'Subkey-Usage: encrypt',
    `Name-Email: ${address}`,
    'Expire-Date: 0',
    passphrase === '' ? '%no-protection' : `Passphrase: ${passphrase}`,
    '%commit',
    '',
  ].join('\n');
}
