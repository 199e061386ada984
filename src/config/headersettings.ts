// The settings about header fields: a part of the table in settings.ts.

import { HEADER_POLICIES } from '../core/headerpolicy.ts';
import { oneOf } from './kinds.ts';
import { wordsByRecipient } from './saidkind.ts';
import type { Setting } from './setting.ts';

export const headerSettings = {
  'headers.policy': {
    kind: oneOf(...HEADER_POLICIES),
    default: 'visible',
    doc: 'Which header fields stay readable outside the encrypted part. "visible": all of them, unchanged, except those that describe the body or sign it. "baseline": the same without the subject, and without fields that repeat it, describe the text or quote it. "minimal": those only that threads, lists and sorting need (From, Date, Message-ID, In-Reply-To, References, Auto-Submitted, Precedence and those of mailing lists). With the last two, mail clients are told inside that the fields there are the real ones. A recipient source may say it for each recipient (the column "header_policy").',
  },
  'headers.recipients': {
    kind: wordsByRecipient('list of "address: policy" or "@domain: policy"', HEADER_POLICIES),
    default: [],
    doc: 'Recipients who have another policy than the site, such as ["alice@example.com: minimal", "@example.org: baseline"]. An address goes before its domain, and what a recipient source says before both.',
  },
} as const satisfies Record<string, Setting>;
