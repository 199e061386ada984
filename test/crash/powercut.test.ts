// Power cuts on real journaled file systems; also with disks that forget something, to show that the cuts
// find it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import type { OpenFile } from '../../src/disk/disk.ts';
import { FakeDisk } from '../support/fakedisk.ts';
import { isLong } from '../support/long.ts';
import { needsLoopMount } from '../support/loopmount.ts';
import { cutPower } from './powercut.ts';

const CUTS = isLong ? 20 : 3;
const needed = await needsLoopMount('xfs_io');
const options = { timeout: 240_000 };

class ForgetsDirectories extends FakeDisk {
  override async syncDirectory(): Promise<void> {}

  override batchCalls(): ReturnType<FakeDisk['batchCalls']> {
    return { ...super.batchCalls(), syncDirectory: async () => {} };
  }
}

class ForgetsFiles extends FakeDisk {
  override async create(path: string, mode: number): Promise<OpenFile> {
    return { ...(await super.create(path, mode)), sync: async () => {} };
  }
}

// They run at the same time, since most of it is waiting for mount and umount.
describe('power cuts', { ...needed, concurrency: true }, () => {
  for (const type of isLong ? (['ext4', 'xfs'] as const) : (['ext4'] as const)) {
    test(
      `F19: ${type}: no power cut loses what was acknowledged right before it, or tears a file`,
      options,
      async (t) => {
        const seed = randomBytes(4).toString('hex');
        const { states, wrong } = await cutPower({ type, seed, quiet: CUTS, busy: isLong ? 4 : 1 });
        t.diagnostic(`seed ${seed}: ${JSON.stringify(states)}`);
        assert.deepEqual(wrong, []);
        assert.ok(states.acknowledged >= CUTS, 'each quiet cut comes after an acknowledgement');
      },
    );

    test(
      `${type}: a cut does lose the message of a disk that does not sync directories`,
      options,
      async () => {
        const { wrong } = await cutPower({
          type,
          seed: 'control',
          quiet: 2,
          busy: 0,
          disk: new ForgetsDirectories(),
        });
        assert.match(wrong.join('\n'), /was acknowledged and is lost/);
      },
    );

    test(`${type}: a cut does tear the message of a disk that does not sync files`, options, async () => {
      const { wrong } = await cutPower({
        type,
        seed: 'control',
        quiet: 2,
        busy: 0,
        disk: new ForgetsFiles(),
      });
      assert.match(wrong.join('\n'), /,S=\d+,W=\d+: has 0 bytes/);
    });
  }
});
