// What the tests of duplicates have in common: a whole attempt to deliver one message, and servers that
// outlive it.

import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLI } from './child.ts';
import { deliver, openSession } from './lmtp.ts';
import { type Running, start } from './process.ts';
import { tomlFor } from './sealdir.ts';
import { makeKey } from './testkeys.ts';

export const ALICE = 'alice@example.com';
export const BOB = 'bob@example.com';
export const ON = { duplicates: '1h' };
export const BEFORE = /^250 2\.0\.0 Sealed before [0-9a-f]{16}$/;
export const SEALED = /^250 2\.0\.0 Sealed [0-9a-f]+$/;
export const MESSAGE = Buffer.from('Subject: once\r\n\r\nonce\r\n');

export const keysOf = async (...addresses: string[]) =>
  Object.fromEntries(
    await Promise.all(addresses.map(async (a) => [a, (await makeKey(a)).certificate] as const)),
  );

export const filesOf = (directory: string) => readdir(join(directory, 'mail/example.com/alice/new'));

interface Attempt {
  readonly to?: string;
  readonly from?: string;
  readonly message?: Buffer;
}

/** Makes a whole attempt in a session of its own; returns the last reply. */
export async function send(
  socketPath: string,
  { to = ALICE, message = MESSAGE, ...rest }: Attempt = {},
): Promise<string> {
  const session = await openSession(socketPath);
  const { final } = await deliver(session, { to: [to], message, ...rest });
  await session.vanish();
  return final[0] ?? '';
}

/** `sealdir serve` with two workers in a directory that outlives it. */
export async function serveAt(directory: string): Promise<Running> {
  const config = join(directory, 'sealdir.toml');
  await writeFile(config, tomlFor(directory, { toml: { processes: 2, ...ON } }));
  const ready = (output: string) => output.includes('"msg":"listening"');
  return start(process.execPath, [CLI, 'serve', '-c', config], { ready });
}
