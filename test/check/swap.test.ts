// Swap that is on a disk in clear.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkSwap, swapsIn } from '../../src/check/swap.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';

test('the files and devices of /proc/swaps are found, with blanks in their names', () => {
  const text = `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/dm-1                               partition\t999420\t\t0\t\t-2
/swap\\040file                           file\t\t1020\t\t0\t\t-3
`;
  assert.deepEqual(swapsIn(text), [{ path: '/dev/dm-1' }, { path: '/swap file' }]);
  assert.deepEqual(swapsIn(''), []);
});

testLong(
  'a file on a disk in clear is found, and its fix turns it off',
  needs('root', 'mkswap', 'swapon'),
  async () => {
    const directory = await mkdtemp(join(repositoryRoot(), 'var/swap-'));
    const file = join(directory, 'swap file');
    await writeFile(file, Buffer.alloc(2 << 20), { mode: 0o600 });
    const found = () => checkSwap().filter(({ what }) => what.includes(file));
    try {
      assert.equal((await run('mkswap', [file])).code, 0);
      const { code, stderr } = await run('swapon', ['--priority', '0', file]);
      assert.equal(code, 0, stderr);
      const [finding] = found();
      assert.equal(finding?.id, 'swap-in-clear');
      assert.equal((await run('sh', ['-ec', finding?.command ?? 'false'])).code, 0);
      assert.deepEqual(found(), []);
    } finally {
      await run('swapoff', [file]);
      await rm(directory, { recursive: true });
    }
  },
);
