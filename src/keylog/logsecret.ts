/**
 * The secret that addresses in the log are hashed with (log.addresses): 32 bytes in a file of keys.state, so
 * that it survives a reboot, and the same address is the same word for as long as it is there.
 */
import type { World } from '../core/world.ts';
import { StateFiles } from './files.ts';
import { openKeyState } from './statedirectory.ts';

const NAME = 'log.secret';
const BYTES = 32;

/** Returns the secret, made if it is missing. Throws, with a sentence, if it cannot be. */
export function ownLogSecret(directory: string, world: Pick<World, 'random'>): Buffer {
  openKeyState(directory);
  const files = new StateFiles(directory);
  if (!files.has(NAME)) files.replace(NAME, [world.random(BYTES)]);
  return checked(files);
}

/** Returns undefined if no log has used one yet. Throws if it may not be read. */
export function readLogSecret(directory: string): Buffer | undefined {
  const files = new StateFiles(directory);
  return files.has(NAME) ? checked(files) : undefined;
}

function checked(files: StateFiles): Buffer {
  const secret = files.read(NAME);
  if (secret?.length === BYTES) return secret;
  throw new Error(`${files.path(NAME)} does not have ${BYTES} bytes: remove it, and restart`);
}
