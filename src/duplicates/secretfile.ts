/** Files with a secret that the operator has put there: the one that hosts share, and a password. */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

const MOST_BYTES = 4096;
const LEAST_CHARACTERS = 32;
/** A group may read it (root:sealdir 0640), nobody else. */
const OTHERS = 0o037;

/** Returns the first line. Throws, with a sentence, if there is none, or others may read it. */
export function readSecretText(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error(`${path} is no regular file`);
    if ((stats.mode & OTHERS) !== 0)
      throw new Error(`${path} can be read or written by others (chmod 600 ${path})`);
    const bytes = Buffer.alloc(MOST_BYTES);
    const [line = ''] = bytes.toString('utf8', 0, readSync(fd, bytes, 0, MOST_BYTES, 0)).split('\n');
    if (line.trim() === '') throw new Error(`${path} is empty`);
    return line.trim();
  } finally {
    closeSync(fd);
  }
}

/** Returns the key under which hosts that remember together hash what they share. */
export function readSharedSecret(path: string): Buffer {
  const text = readSecretText(path);
  if (text.length < LEAST_CHARACTERS)
    throw new Error(
      `${path} has fewer than ${LEAST_CHARACTERS} characters (make one: openssl rand -base64 32)`,
    );
  return createHash('sha256').update(`sealdir shared state\n${text}`).digest();
}
