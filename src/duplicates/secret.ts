/**
 * The secret of a site: 32 random bytes in its state directory, made once and the same for all its processes.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { World } from '../core/world.ts';

const SECRET_BYTES = 32;

/** Returns the secret, and makes it if it is missing. Throws if the file is not as it should be. */
export function siteSecret(directory: string, world: Pick<World, 'random'>): Buffer {
  const path = join(directory, 'secret');
  if (!existsSync(path)) makeSecret(path, world);
  const secret = readFileSync(path);
  if (secret.length === SECRET_BYTES) return secret;
  throw new Error(`${path} has ${secret.length} bytes, not ${SECRET_BYTES} (remove it, and another is made)`);
}

/**
 * Writes the secret under another name first, so that several processes that start together get the same one.
 */
function makeSecret(path: string, world: Pick<World, 'random'>): void {
  const draft = `${path}.${world.random(8).toString('hex')}`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    try {
      writeSync(file, world.random(SECRET_BYTES));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was first
  } finally {
    unlinkSync(draft);
  }
}
