// What this machine gives at most, and Sealdir's share of it. The two parts are in files of their own.

import type { Bench } from './bench.ts';
import { limitOfCipher } from './limit-cipher.ts';
import { limitOfDisk } from './limit-disk.ts';
import { joinParts } from './part.ts';

export const limit: Bench = {
  name: 'limit',
  about: `What cannot be beaten here, and how near Sealdir comes. Cipher: 64 MiB in pieces of 64 KiB through node:crypto alone in one
thread (AES-256-CFB and SHA-1 as SEIPD v1 needs, GCM and OCB with a cipher for each 256 KiB as v2 needs), with and without the
base64 of the armor. Disk: create, write, fsync, rename and directory fsync for each message of 10 kB as sealed, one at a time and
20 at a time, from Node; Sealdir's messages a second there are from 20 connections and 10 mailboxes, all of it included.`,

  async run(bed) {
    return joinParts('Sealdir as share of the limit', '%', [
      await limitOfCipher(bed),
      await limitOfDisk(bed),
    ]);
  },
};
