/** The secret of a site: 32 random bytes in its state directory, the same for all processes of its server. */
import {
  closeSync,
  constants,
  fsyncSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { World } from '../core/world.ts';
import { openOwn } from './ownfile.ts';

const SECRET_BYTES = 32;
const NAME = 'secret';

/** Returns the secret. Throws if it is missing or not as it should be. */
export function readSecret(directory: string): Buffer {
  const path = join(directory, NAME);
  const fd = openOwn(path, constants.O_RDONLY);
  try {
    const bytes = Buffer.alloc(SECRET_BYTES + 1);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    if (length === SECRET_BYTES) return bytes.subarray(0, SECRET_BYTES);
    throw new Error(
      `${path} does not have ${SECRET_BYTES} bytes (remove it, and another is made at the next start)`,
    );
  } finally {
    closeSync(fd);
  }
}

/** Makes the secret if it is missing. To be called by the owner of the directory only. */
export function makeSecret(directory: string, world: Pick<World, 'random'>): void {
  const names = readdirSync(directory);
  for (const draft of names.filter((name) => /^secret\.[0-9a-f]{16}$/.test(name)))
    unlinkSync(join(directory, draft)); // of a start that was interrupted
  if (names.includes(NAME)) return;
  const draft = join(directory, `${NAME}.${world.random(8).toString('hex')}`);
  const fd = openOwn(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL);
  try {
    writeSync(fd, world.random(SECRET_BYTES));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(draft, join(directory, NAME));
}
