/** Which program this is: its own version, and those of what reads keys and encrypts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Build {
  readonly version: string;
  readonly node: string;
  readonly openpgp: string;
  readonly openssl: string;
}

interface Package {
  readonly version: string;
  /** Pinned exactly. */
  readonly dependencies: { readonly openpgp: string };
}

export function buildOf(): Build {
  const text = readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8');
  const { version, dependencies } = JSON.parse(text) as Package;
  const { node, openssl = 'unknown' } = process.versions;
  return { version, node, openpgp: dependencies.openpgp, openssl };
}
