// Power cuts under a store on a journaled file system of its own. After each cut the file system is mounted
// again, as after a reboot, and looked at.
//
// Most cuts come right after an acknowledgement, with no message after it: the fsync of a next message would
// also save what this one forgot. The others come in the middle of a load, where files are torn if they can
// be.

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Disk } from '../../src/disk/disk.ts';
import { searchImage } from '../support/canary.ts';
import { Dice } from '../support/dice.ts';
import { type FileSystem, LoopMount } from '../support/loopmount.ts';
import type { States } from './ledger.ts';
import { load } from './load.ts';
import { CrashSite } from './site.ts';

export interface CutOptions {
  readonly type: FileSystem;
  readonly seed: string;
  /** Number of cuts right after an acknowledgement. */
  readonly quiet: number;
  /** Number of cuts in the middle of a load. */
  readonly busy: number;
  /** Used instead of the real disk. */
  readonly disk?: Disk | undefined;
}

export interface CutReport {
  readonly states: States;
  /** Sentences about what was lost or torn, and canaries found. */
  readonly wrong: readonly string[];
}

const LATEST_MS = 150;

export async function cutPower({ type, seed, quiet, busy, disk }: CutOptions): Promise<CutReport> {
  const site = await CrashSite.open();
  const wrong: string[] = [];
  let mount: LoopMount | undefined;
  try {
    mount = await LoopMount.open(type, join(site.directory, 'mail'));
    const server = await site.serveHere(disk);
    try {
      for (let n = 0; n < quiet + busy; n++) {
        wrong.push(...(await cutOnce(site, mount, `${seed}/${type}/${n}`, n < quiet ? 'quiet' : 'busy')));
      }
    } finally {
      await server.stop(0);
    }
    wrong.push(...(await site.leaks(server.log)));
    await mount.unmount();
    wrong.push(...(await searchImage(mount.image, site.canaries)));
    return { states: site.ledger.states, wrong };
  } finally {
    await mount?.close();
    await site.close();
  }
}

async function cutOnce(site: CrashSite, mount: LoopMount, seed: string, when: 'quiet' | 'busy') {
  const mailboxes = await site.mailboxesFor(seed.replaceAll('/', '-'));
  const cut = mount.armPowerCut();
  if (when === 'quiet') {
    await load(site, { mailboxes, seed, connections: 1, messages: 1 });
    await cut();
  } else {
    // The ioctl takes a moment, in which xfs lets an fsync of a directory succeed although its log is gone
    // (xfs_dir_fsync finds the inode unpinned). In a real power cut no client would hear of that success.
    let isPowered = true;
    const options = { mailboxes, seed, connections: 4, messages: Number.POSITIVE_INFINITY };
    const loading = load(site, { ...options, isPowered: () => isPowered });
    await pause(new Dice(seed).below(LATEST_MS));
    isPowered = false;
    await cut();
    await loading; // it ends with the next reply
  }
  await mount.unmount();
  await mount.mount();
  return (await site.ledger.check(mailboxes)).map((sentence) => `seed ${seed}: ${sentence}`);
}
