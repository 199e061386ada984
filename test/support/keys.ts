// The key collection of ../shared/keys: certificates of 76 kinds, their secret keys, and the result to expect
// of each.

import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './process.ts';
import { sharedDirectory } from './shared.ts';

const EXPECTATIONS = ['encrypt', 'encrypt-until-expiry', 'refuse', 'policy', 'v6'] as const;

/**
 * With `policy` the site's setting decides. `v6` are keys of RFC 9580, which the programs of Debian 12 cannot
 * read.
 */
export type Expectation = (typeof EXPECTATIONS)[number];

export interface CollectedKey {
  name: string;
  madeBy: string;
  expectation: Expectation;
  description: string;
  certificateFile: string;
  certificate: Buffer;
  /** Undefined if the certificate has none (truncated, empty). */
  secretKeyFile: string | undefined;
  /** The empty string for an unprotected key. */
  passphrase: string;
}

export interface KeyCollection {
  keys: readonly CollectedKey[];
  /** Returns a key by its name. Throws if KEYS.tsv does not have it. */
  key(name: string): CollectedKey;
  close(): Promise<void>;
}

// Certificate files that are other spellings of one key, and the key that opens their messages.
const OPENED_BY: Record<string, string> = {
  'gpg-cv25519.pub.bin': 'gpg-cv25519',
  'crlf-armor': 'gpg-cv25519',
  'nocrc-armor': 'gpg-cv25519',
  'badcrc-armor': 'gpg-cv25519',
  'text-around-armor': 'gpg-cv25519',
  'secret-by-mistake': 'gpg-cv25519',
  'two-armors-one-file': 'gpg-cv25519',
  'two-certs-one-armor': 'gpg-rsa2048',
};

const PASSPHRASES: Record<string, string> = { 'gpg-pass': 'correct horse' };

/** Returns options for node:test: without the collection the test is skipped. */
export function needsKeyCollection(): { skip: string | false } {
  return { skip: keysDirectory() === undefined ? 'left out: needs the keys of ../shared/keys' : false };
}

/** Unpacks the secret keys into a directory that `close` removes. Undefined if there is no collection. */
export async function openKeyCollection(): Promise<KeyCollection | undefined> {
  const source = keysDirectory();
  if (source === undefined) return undefined;
  const secrets = await mkdtemp(join(tmpdir(), 'sealdir-keys-'));
  const close = () => rm(secrets, { recursive: true, force: true });
  const unpacked = await run('tar', [
    '-xzf',
    join(source, 'secret.tar.gz'),
    '-C',
    secrets,
    '--no-same-owner',
  ]);
  if (unpacked.code !== 0) {
    await close();
    throw new Error(`tar: ${unpacked.stderr}`);
  }
  const lines = readFileSync(join(source, 'KEYS.tsv'), 'utf8').split('\n').filter(Boolean);
  const keys = lines.map((line) => parseLine(line, source, secrets));
  return { keys, key: (name) => find(keys, name), close };
}

function keysDirectory(): string | undefined {
  const directory = join(sharedDirectory() ?? '', 'keys');
  return existsSync(join(directory, 'KEYS.tsv')) ? directory : undefined;
}

function parseLine(line: string, source: string, secrets: string): CollectedKey {
  const [name = '', madeBy = '', expected = '', description = ''] = line.split('\t');
  const expectation = EXPECTATIONS.find((known) => known === expected);
  if (expectation === undefined) throw new Error(`KEYS.tsv expects something unknown: ${line}`);
  const certificateFile = existing(
    join(source, `${name}.pub.asc`),
    join(source, `${name}.pgp`),
    join(secrets, `${name}.pub.asc`),
  );
  if (certificateFile === undefined) throw new Error(`KEYS.tsv names ${name}, which has no file`);
  return {
    name,
    madeBy,
    expectation,
    description,
    certificateFile,
    certificate: readFileSync(certificateFile),
    secretKeyFile: existing(join(secrets, `${OPENED_BY[name] ?? name}.sec.asc`)),
    passphrase: PASSPHRASES[name] ?? '',
  };
}

function existing(...paths: readonly string[]): string | undefined {
  return paths.find((path) => existsSync(path));
}

function find(keys: readonly CollectedKey[], name: string): CollectedKey {
  const key = keys.find((candidate) => candidate.name === name);
  if (key === undefined) throw new Error(`KEYS.tsv has no ${name}`);
  return key;
}
