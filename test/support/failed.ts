// Loaded into each process of `node --test`: it notes its file when a test of it has failed. What was noted
// is what `SEALDIR_AGAIN=1` runs (again.ts). The runner's own events name the file that calls `test`, which
// for tests of the long form is long.ts.

import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repositoryRoot } from './shared.ts';

export const FAILED = join(repositoryRoot(), 'var/failed');

const [, file = ''] = process.argv;
if (process.env.NODE_TEST_CONTEXT !== undefined && file.includes('/dist/test/'))
  process.on('exit', (code) => {
    if (code === 0) return;
    mkdirSync(dirname(FAILED), { recursive: true });
    appendFileSync(FAILED, `${file}\n`);
  });
