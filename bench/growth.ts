// Tells whether a delivery costs more as a site grows. The two parts are in files of their own.

import { needsPackage } from '../test/support/peers.ts';
import type { Bench } from './bench.ts';
import { growthOfMailbox } from './growth-mailbox.ts';
import { growthOfSite } from './growth-site.ts';
import { joinParts } from './part.ts';

export const growth: Bench = {
  name: 'growth',
  about: `Measures what a message of 10 kB from 20 connections costs as a site grows. Mailbox: all messages go to one
mailbox, whose new/ already holds 1, 10,000, 100,000 (and in the long form 500,000) files. Site: there are 10 to
100,000 recipients, each with a key file in the one key directory (few files under many names), or all of them in an
SQLite file and one key for their domain. Messages go to
the same 10 of them, or each to another one: then most messages, as at a large site, meet a key that was not read
and a Maildir that was not made before. Sizes take turns; medians of the rounds.`,

  async run(bed) {
    const parts = [await growthOfMailbox(bed), await growthOfSite(bed, 'key files')];
    const isThere = needsPackage('better-sqlite3').skip === false;
    if (isThere) parts.push(await growthOfSite(bed, 'SQLite'));
    return joinParts('Cost of a message (CPU time), as multiple of the smallest', 'x', parts);
  },
};
