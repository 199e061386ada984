// What bulk encryption is measured with: a stream of 64 MiB of text that cannot be compressed, and
// certificates.

import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from './bed.ts';
import { secondsInNode } from './bulk.ts';
import type { EncryptorName } from './encryptors.ts';
import { type KeyKind, makeCertificate } from './keys.ts';
import type { Contestant } from './rounds.ts';

export const STREAM_BYTES = 64 * 2 ** 20;
const KINDS = ['cv25519, v1', 'cv25519, v2 GCM', 'cv25519, v2 OCB'] as const satisfies KeyKind[];
type StreamKey = (typeof KINDS)[number];

export interface Stream {
  readonly file: string;
  certificateFile(kind: StreamKey): string;
  /** Makes a contestant that runs in Node. Speeds are in MB/s. */
  inNode(name: string, encryptor: EncryptorName, kind: StreamKey): Contestant;
}

export async function makeStream(bed: Bed): Promise<Stream> {
  const directory = await bed.directory('stream');
  const file = join(directory, 'message');
  const text = randomBytes(STREAM_BYTES * 0.75).toString('base64');
  await writeFile(file, (text.match(/.{1,76}/g) ?? []).join('\r\n').slice(0, STREAM_BYTES));
  const certificateFile = (kind: StreamKey) => join(directory, `${kind.replaceAll(/[ ,]+/g, '-')}.asc`);
  for (const kind of KINDS) await writeFile(certificateFile(kind), await makeCertificate(kind));
  return {
    file,
    certificateFile,
    inNode: (name, encryptor, kind) => ({
      name,
      speed: async () => megabytesPerSecond(await secondsInNode(encryptor, file, certificateFile(kind))),
    }),
  };
}

export function megabytesPerSecond(seconds: number): number {
  return STREAM_BYTES / 1e6 / seconds;
}
