// Whether a delivery costs more as a site grows. The two parts are in files of their own.

import type { Bench } from './bench.ts';
import { growthOfMailbox } from './growth-mailbox.ts';
import { growthOfSite } from './growth-site.ts';
import { joinParts } from './part.ts';

export const growth: Bench = {
  name: 'growth',
  about: `Cost of a message of 10 kB from 20 connections as a site grows. Mailbox: all messages go to one, whose new/ already holds 1,
10,000, 100,000 (and in the long form 500,000) files. Site: 10 to 100,000 recipients, each with a key file in the one key
directory (few files under many names), messages to the same 10 of them, and to another of them each time: there most
messages of a large site meet a key that was not read and a Maildir that was not made yet. Rounds in turn, medians.`,

  async run(bed) {
    const parts = [await growthOfMailbox(bed), await growthOfSite(bed)];
    return joinParts('Cost of a message (CPU time), as multiple of the smallest', 'x', parts);
  },
};
