// Values of FETCH items, as `src/view` has them: to compare with those of Dovecot.

import type { MessageView } from '../../src/view/view.ts';
import { parseSection } from './section.ts';

/** Items whose values have to be Dovecot's for every message. */
export const EXACT_ITEMS = [
  'RFC822.SIZE',
  'RFC822.HEADER',
  'BODY[]',
  'BODY[HEADER]',
  'BODY[TEXT]',
  'BODY[HEADER.FIELDS (SUBJECT FROM DATE X-NOPE)]',
  'BODY[HEADER.FIELDS.NOT (RECEIVED SUBJECT)]',
  'BODY[]<0.100>',
  'BODY[]<100.1000>',
  'BODY[]<100000000.10>',
  'BODY[TEXT]<5.50>',
  'BODY[HEADER]<10.20>',
];

const PARTS = ['1', '2', '3', '9', '1.1', '1.2', '2.1', '2.2', '1.1.1', '1.1.2', '2.1.1', '1.9'];
const OF_PARTS = [
  'MIME',
  'HEADER',
  'TEXT',
  'HEADER.FIELDS (SUBJECT FROM)',
  'HEADER.FIELDS.NOT (SUBJECT FROM)',
];

/** Items that depend on how a message is taken apart. */
export const STRUCTURE_ITEMS = [
  'ENVELOPE',
  'BODY',
  'BODYSTRUCTURE',
  ...PARTS.map((part) => `BODY[${part}]`),
  ...PARTS.flatMap((part) => OF_PARTS.map((kind) => `BODY[${part}.${kind}]`)),
  'BODY[1]<0.10>',
  'BODY[1]<10.99999999>',
  'BODY[9]<0.10>',
  'BODY[1.MIME]<3.10>',
];

/** What to ask a server for: nothing that sets \Seen. */
export function peeked(item: string): string {
  return item.replace('BODY[', 'BODY.PEEK[');
}

/** The name of an item in the answer, which has no length. */
export function answered(item: string): string {
  return item.replace(/<(\d+)\.\d+>$/, '<$1>');
}

/** Returns the value on the wire, a byte in each character. */
export function fetched(view: MessageView, item: string): string {
  if (item === 'RFC822.SIZE') return `${view.size}`;
  if (item === 'ENVELOPE') return view.envelope;
  if (item === 'BODY') return view.body;
  if (item === 'BODYSTRUCTURE') return view.bodyStructure;
  const asked = item === 'RFC822.HEADER' ? 'BODY[HEADER]' : item;
  const [, text = '', origin, length] = /^BODY\[(.*)\](?:<(\d+)\.(\d+)>)?$/.exec(asked) ?? [];
  const section = parseSection(text);
  if (section === undefined) throw new Error(`${item} has no section`);
  const partial = origin === undefined ? undefined : { origin: Number(origin), length: Number(length) };
  const bytes = view.section(section, partial);
  return `{${bytes.length}}\r\n${bytes.toString('latin1')}`;
}
