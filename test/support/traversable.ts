// mkdtemp makes directories of mode 0700. Daemons that run as another user must get through them to their own
// files.

import { chmod, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';

/**
 * Makes a directory below the temporary directory searchable and readable for everybody, and its parents
 * searchable.
 */
export async function makeTraversable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (let parent = dirname(directory); parent.startsWith(`${tmpdir()}/`); parent = dirname(parent)) {
    await chmod(parent, (await stat(parent)).mode | 0o011);
  }
}
