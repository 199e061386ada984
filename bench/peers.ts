// Sealdir beside Dovecot, and its encryption beside gpg, sqop and openpgp.js. The two parts are in files of their own.

import type { Bench } from './bench.ts';
import { joinParts } from './part.ts';
import { peersInBulk } from './peers-bulk.ts';
import { peersInDelivery } from './peers-delivery.ts';

export const peers: Bench = {
  name: 'peers',
  about: `Sealdir against its peers under the same load in the same run. All servers run at the same time and are loaded in turn,
round after round; what counts is the median of the ratios within a round, so that a machine busy with something else slows
both sides. Delivery: 10 mailboxes, 20 connections, every message fsynced, file and directory. Dovecot stores plaintext, or
ciphertext by its mail_crypt plugin; Sealdir SEIPD v1 to a Cv25519 key. Bulk: one stream of 64 MiB in one thread, armored.`,

  async run(bed) {
    const parts = [await peersInDelivery(bed), await peersInBulk(bed)];
    return joinParts('Sealdir is this many times as fast as', 'x', parts);
  },
};
