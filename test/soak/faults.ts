// Makes faults around the server while the clients deliver: a disk fills up and is emptied, and a key file
// changes.

import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { SoakSite } from './site.ts';

export interface Clock {
  readonly isOver: () => boolean;
}

/**
 * Fills the small disk to its last byte for a while and empties it, again and again. Resolves to how often.
 */
export async function fillAndEmpty({ small }: SoakSite, clock: Clock): Promise<number> {
  let rounds = 0;
  if (small === undefined) return rounds;
  const filler = join(small.path, 'filler');
  while (!clock.isOver()) {
    await fill(filler);
    rounds++;
    await pause(700);
    await rm(filler);
    await pause(700);
  }
  return rounds;
}

/** Sizes of writes, and how many of each: the disk's 4 MiB, large writes, pages. */
const STEPS = [
  [65_536, 64],
  [4096, 16],
  [1, 4096],
] as const;

async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    // The number is bounded: if a mailbox is emptied meanwhile, writes of single bytes would go on for
    // minutes.
    for (const [bytes, most] of STEPS) {
      let isFull = false;
      for (let n = 0; n < most && !isFull; n++) {
        isFull = await file.write(Buffer.alloc(bytes)).then(
          ({ bytesWritten }) => bytesWritten < bytes,
          () => true, // the disk is full (ENOSPC)
        );
      }
    }
  } finally {
    await file.close();
  }
}

/**
 * Changes a key file again and again: to one key, another, half of one, none, a secret one, by a rename or in
 * place. Resolves to how often.
 */
export async function turnKeys(site: SoakSite, clock: Clock): Promise<number> {
  const [first, second] = site.changing.keys;
  const files = [
    ...[first.certificate, second.certificate, first.certificate.subarray(0, 300)],
    ...[Buffer.concat([first.certificate, second.certificate]), undefined, second.secretKey],
  ];
  let changes = 0;
  for (; !clock.isOver(); changes++) {
    await site.putKey(files[changes % files.length], changes % 4 < 2 ? 'at once' : 'in place');
    await pause(100);
  }
  return changes;
}
