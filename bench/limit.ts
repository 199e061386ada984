// Tells what this machine can do at most, and how much of it Sealdir reaches. The two parts are in files of
// their own.

import type { Bench } from './bench.ts';
import { limitOfCipher } from './limit-cipher.ts';
import { limitOfDisk } from './limit-disk.ts';
import { joinParts } from './part.ts';

export const limit: Bench = {
  name: 'limit',
  about: `Measures what cannot be beaten here, and how near Sealdir comes. Cipher: 64 MiB in pieces of 64 KiB go through
node:crypto alone, in one thread, with and without the base64 of the armor: AES-256-CFB and SHA-1 for SEIPD v1, GCM
and OCB with a cipher for each 256 KiB for v2. Disk: Node makes create, write, fsync, rename and directory fsync for
each sealed message of 10 kB, one at a time and 20 at a time. Sealdir delivers the same messages from 20 connections
to 10 mailboxes, with everything that belongs to a delivery.`,

  async run(bed) {
    return joinParts('Sealdir as share of the limit', '%', [
      await limitOfCipher(bed),
      await limitOfDisk(bed),
    ]);
  },
};
