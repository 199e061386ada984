// Finds the key collection and the message corpus: beside the repository, or where SEALDIR_SHARED says.
//
// They are not part of the repository, so every caller must cope with `undefined`.

import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Returns the directory of package.json, from test/support as well as from dist/test/support. */
export function repositoryRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

export function sharedDirectory(): string | undefined {
  const { SEALDIR_SHARED = join(repositoryRoot(), '../shared') } = process.env;
  const directory = resolve(SEALDIR_SHARED);
  return existsSync(directory) ? directory : undefined;
}
