// Power cuts right after the first message to a new folder was acknowledged: the folder is there, as a
// Maildir++ one, with the message in it. Also with a disk that forgets directories, to show that the cuts
// find it.

import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Disk } from '../../src/disk/disk.ts';
import { openDisk } from '../../src/disk/open.ts';
import { realWorld } from '../../src/edge/world.ts';
import { deliver, openSite } from '../support/delivery.ts';
import { FakeDisk } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';
import { isLong } from '../support/long.ts';
import { LoopMount, needsLoopMount } from '../support/loopmount.ts';

const ALICE = 'alice@example.com';
const CUTS = isLong ? 5 : 2;

class ForgetsFolders extends FakeDisk {
  override async syncDirectory(): Promise<void> {}

  override batchCalls(): ReturnType<FakeDisk['batchCalls']> {
    return { ...super.batchCalls(), syncDirectory: async () => {} };
  }
}

describe('power cuts after the first message of a folder', await needsLoopMount('xfs_io'), () => {
  const key = freshKey(ALICE);
  const real = () => openDisk({ hungMs: 30_000, world: realWorld('mx.example.com') });
  const disks: readonly (readonly [string, () => Disk, boolean])[] = [
    ['it is whole', real, true],
    ['it is missing if nobody synced the directories', () => new ForgetsFolders(), false],
  ];
  for (const type of isLong ? (['ext4', 'xfs'] as const) : (['ext4'] as const)) {
    for (const [what, openOne, isKept] of disks) {
      test(`F19: ${type}: ${what}`, { timeout: 240_000 }, async (t) => {
        const disk = openOne();
        const lost: string[] = [];
        for (let n = 0; n < CUTS; n++) {
          const rules = [`header X exists -> Lists.${n}`];
          await using site = await openSite(t, { keys: [await key], rules, disk });
          const mount = await LoopMount.open(type, site.store);
          try {
            const cut = mount.armPowerCut();
            const { replies } = await deliver(site.transaction(), [ALICE], Buffer.from('X: y\r\n\r\nz\r\n'));
            assert.equal(replies[0]?.code, 250);
            await cut();
            await mount.unmount();
            await mount.mount();
            const folder = join(site.store, `example.com/alice/.Lists.${n}`);
            const names = await readdir(folder).catch((): string[] => []);
            const messages = await readdir(join(folder, 'new')).catch((): string[] => []);
            if (names.sort().join() !== 'cur,maildirfolder,new,tmp' || messages.length !== 1)
              lost.push(`cut ${n}: ${names}; ${messages}`);
          } finally {
            await mount.close();
            await rm(site.store, { recursive: true, force: true });
          }
        }
        disk.close();
        if (isKept) assert.deepEqual(lost, []);
        else assert.ok(lost.length > 0, 'a cut that finds nothing proves nothing');
      });
    }
  }
});
