// Compares Sealdir with Dovecot, and its encryption with that of gpg, sqop and openpgp.js. The two parts are
// in files of their own.

import type { Bench } from './bench.ts';
import { joinParts } from './part.ts';
import { peersInBulk } from './peers-bulk.ts';
import { peersInDelivery } from './peers-delivery.ts';

export const peers: Bench = {
  name: 'peers',
  about: `Compares Sealdir with its peers under the same load in the same run. All servers run at the same time and are loaded
in turn, round after round. The median of the ratios within a round counts, so that a machine busy with something
else slows both sides. Delivery: 10 mailboxes, 20 connections, an fsync of file and directory for every message.
Dovecot stores plaintext, or ciphertext by its mail_crypt plugin; Sealdir stores SEIPD v1 for a Cv25519 key. Bulk: one
stream of 64 MiB in one thread, armored.`,

  async run(bed) {
    const parts = [await peersInDelivery(bed), await peersInBulk(bed)];
    return joinParts('Sealdir is this many times as fast as', 'x', parts);
  },
};
