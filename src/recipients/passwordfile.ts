/** Reads the password for a server from a file of its own. */
import { readFile } from 'node:fs/promises';

/**
 * Returns the password. Throws, with a sentence, if there is none: a server may take an empty one for nobody
 * in particular, and let them in.
 */
export async function readPassword(file: string): Promise<string> {
  const password = (await readFile(file, 'utf8')).trim();
  if (password === '') throw new Error(`${file} is empty: put the password there, or name no such file`);
  return password;
}
