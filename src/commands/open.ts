/** `sealdir open`: a sealed message -> the original bytes. Runs at the reader's, never on the server. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { decryptArmored, readSecretKeys } from '../keys/secretkeys.ts';
import { DEMO_SECRET } from './demo.ts';
import { CommandError } from './errors.ts';

export interface OpenOptions {
  readonly message: Buffer;
  readonly keyFile: string | undefined;
  readonly passphraseFile: string | undefined;
}

/** Takes a stored message or a bare armored one. Nothing comes out before its integrity is verified. */
export async function openMessage(options: OpenOptions): Promise<Uint8Array> {
  const armored = await armorOf(options.message);
  const keyFile = options.keyFile ?? (existsSync(DEMO_SECRET) ? DEMO_SECRET : undefined);
  if (keyFile === undefined) throw new CommandError('usage', 'which secret key? Give one with -k SECRETKEY');
  const passphrase = options.passphraseFile && (await readText(options.passphraseFile)).replace(/\r?\n$/, '');
  const keys = await readSecretKeys(await readBytes(keyFile), passphrase).catch((error: Error) => {
    throw new CommandError('data', `${keyFile}: ${error.message}`);
  });
  return decryptArmored(armored, keys).catch((error: Error) => {
    throw new CommandError('data', `cannot open this message with ${keyFile}: ${error.message}`);
  });
}

async function armorOf(message: Buffer): Promise<string> {
  const text = message.toString('latin1');
  const [armored] = /^-----BEGIN PGP MESSAGE-----\r?\n[\s\S]*?^-----END PGP MESSAGE-----/m.exec(text) ?? [];
  if (armored !== undefined) return armored;
  const end = text.search(/\r?\n\r?\n/);
  const { contentTypeOf } = await import('../edge/contenttype.ts'); // slow to load, and seldom needed
  const { value } = await contentTypeOf(end === -1 ? message : message.subarray(0, end));
  throw new CommandError('data', `this is no sealed message (its Content-Type is ${value})`);
}

async function readText(path: string): Promise<string> {
  return (await readBytes(path)).toString('utf8');
}

async function readBytes(path: string): Promise<Buffer> {
  return readFile(path).catch((error: Error) => {
    throw new CommandError('noInput', error.message);
  });
}
