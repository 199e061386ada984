/** Keys of SEARCH as a client sends them -> as an opened message is held against them. */
import type { TextKey } from '../imap/search.ts';
import { SyntaxFault } from '../imap/values.ts';
import type { SearchKey } from '../view/search/search.ts';
import { dayNumber } from '../view/search/sentday.ts';

/** Throws SyntaxFault for a date that is none. */
export function searchKeyOf(key: TextKey): SearchKey {
  switch (key.kind) {
    case 'text':
      return { kind: LOWER[key.key], text: key.wanted };
    case 'header':
      return { kind: 'header', name: key.field, text: key.wanted };
    case 'size':
      return { kind: key.key === 'LARGER' ? 'larger' : 'smaller', bytes: key.bytes };
    case 'date':
      return { kind: DATES[key.key], day: dayOf(key.day) };
    default:
      return key satisfies never;
  }
}

const LOWER = {
  BODY: 'body',
  TEXT: 'text',
  SUBJECT: 'subject',
  FROM: 'from',
  TO: 'to',
  CC: 'cc',
  BCC: 'bcc',
} as const;
const DATES = { SENTBEFORE: 'sentbefore', SENTON: 'senton', SENTSINCE: 'sentsince' } as const;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** RFC 3501 §9, date: `1-Feb-2026`. Dovecot takes a day with a blank before it, as that of a time has. */
function dayOf(text: string): number {
  const [, day, month = '', year] = /^ ?(\d{1,2})-([A-Za-z]{3})-(\d{4})$/.exec(text) ?? [];
  const index = MONTHS.indexOf(month.toLowerCase());
  const number = index === -1 ? undefined : dayNumber(Number(year), index, Number(day));
  if (number === undefined) throw new SyntaxFault('that is no date');
  return number;
}
