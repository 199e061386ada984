// Foreign OpenPGP programs as oracles. Each takes a secret key file and an armored message, and returns the
// exact bytes of the plaintext or rejects with what the program said. The user's own key rings are not
// touched. sq 0.27 asks for a passphrase on a terminal only, so it is used with unprotected keys.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGnupgHome } from './gnupghome.ts';
import { run } from './process.ts';

export interface DecryptOptions {
  passphrase?: string;
}

export interface GpgReader {
  decrypt(sealed: Uint8Array): Promise<Buffer>;
  close(): Promise<void>;
}

/** Opens a reader for many messages of one key, which is imported only once. */
export async function openGpgReader(secretKeyFile: string, options: DecryptOptions = {}): Promise<GpgReader> {
  const home = await openGnupgHome(options.passphrase);
  try {
    await home.gpg(['--import', secretKeyFile]);
  } catch (error) {
    await home.close();
    throw error;
  }
  return { decrypt: (sealed) => home.gpg(['--decrypt'], sealed), close: home.close };
}

export async function gpgDecrypt(
  secretKeyFile: string,
  sealed: Uint8Array,
  options: DecryptOptions = {},
): Promise<Buffer> {
  const reader = await openGpgReader(secretKeyFile, options);
  try {
    return await reader.decrypt(sealed);
  } finally {
    await reader.close();
  }
}

export async function sqDecrypt(secretKeyFile: string, sealed: Uint8Array): Promise<Buffer> {
  return read('sq', ['decrypt', '--recipient-key', secretKeyFile], sealed);
}

type Decrypt = (secretKeyFile: string, sealed: Uint8Array, options?: DecryptOptions) => Promise<Buffer>;

export const sqopDecrypt = sopDecrypt('sqop');
export const gosopDecrypt = sopDecrypt('gosop');
export const pgpainlessDecrypt = sopDecrypt('pgpainless-cli');

/** Returns the decryption of a Stateless OpenPGP program. Such programs take passwords from files. */
function sopDecrypt(program: string): Decrypt {
  return async (secretKeyFile, sealed, options = {}) => {
    if (options.passphrase === undefined) return read(program, ['decrypt', secretKeyFile], sealed);
    const directory = await mkdtemp(join(tmpdir(), 'sealdir-sop-'));
    try {
      const file = join(directory, 'password');
      await writeFile(file, options.passphrase);
      return await read(program, ['decrypt', `--with-key-password=${file}`, secretKeyFile], sealed);
    } finally {
      await rm(directory, { recursive: true });
    }
  };
}

/** Decrypts with rnp. It gets a fresh --homedir, since it must never use ~/.rnp. */
export async function rnpDecrypt(
  secretKeyFile: string,
  sealed: Uint8Array,
  options: DecryptOptions = {},
): Promise<Buffer> {
  const home = await mkdtemp(join(tmpdir(), 'sealdir-rnp-'));
  try {
    const password = options.passphrase === undefined ? [] : ['--password', options.passphrase];
    const source = ['--homedir', home, '--keyfile', secretKeyFile];
    return await read('rnp', ['--notty', ...source, ...password, '--output', '-', '--decrypt'], sealed);
  } finally {
    await rm(home, { recursive: true });
  }
}

const BEGIN = '-----BEGIN PGP MESSAGE-----';
const END = '-----END PGP MESSAGE-----';

/**
 * Cuts the first armored message out of a stored PGP/MIME message, with its END line, and changes no byte.
 */
export function armorOf(sealedMessage: Buffer): Buffer {
  const begin = sealedMessage.indexOf(`\n${BEGIN}`) + 1;
  const end = sealedMessage.indexOf(`\n${END}`, begin);
  if (begin === 0 || end === -1) throw new Error('no armored OpenPGP message in there');
  const afterEnd = end + 1 + END.length;
  const lineEnd = sealedMessage.indexOf('\n', afterEnd);
  return sealedMessage.subarray(begin, lineEnd === -1 ? afterEnd : lineEnd + 1);
}

async function read(program: string, args: readonly string[], sealed: Uint8Array): Promise<Buffer> {
  const { code, stdout, stderr } = await run(program, args, { stdin: sealed });
  if (code !== 0) throw new Error(`${program}: exit ${code}: ${stderr}`);
  return stdout;
}
