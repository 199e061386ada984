/**
 * ENVELOPE (RFC 3501 §7.4.2) of a message, from its header fields.
 */

import { type Address, parseAddresses } from './address.ts';
import { type Field, foldedValue, unfoldedValue } from './fields.ts';
import { display, nstring } from './quote.ts';

const TEXTS = ['date', 'subject', 'in-reply-to', 'message-id'] as const;
const ADDRESSES = ['from', 'sender', 'reply-to', 'to', 'cc', 'bcc'] as const;

/** In one kind of field: what is more is left out. */
const MOST_ADDRESSES = 50_000;

type Text = (typeof TEXTS)[number];
type List = (typeof ADDRESSES)[number];

/** Returns it as IMAP, a byte in each character. */
export function envelopeOf(bytes: Buffer, fields: Iterable<Field>): string {
  const texts: Partial<Record<Text, string>> = {};
  const lists: Partial<Record<List, Address[]>> = {};
  for (const field of fields) {
    const text = TEXTS.find((name) => name === field.name);
    // of a field that is there twice the last one counts, but all addresses do
    if (text !== undefined) texts[text] = (text === 'subject' ? foldedValue : unfoldedValue)(bytes, field);
    const list = ADDRESSES.find((name) => name === field.name);
    if (list !== undefined) addTo(lists, list, unfoldedValue(bytes, field));
  }
  const from = listOf(lists.from);
  const orFrom = (list: string) => (list === 'NIL' ? from : list);
  const { subject } = texts;
  return `(${[
    nstring(texts.date),
    subject === undefined ? 'NIL' : display(subject),
    from,
    orFrom(listOf(lists.sender)),
    orFrom(listOf(lists['reply-to'])),
    listOf(lists.to),
    listOf(lists.cc),
    listOf(lists.bcc),
    nstring(texts['in-reply-to']),
    nstring(texts['message-id']),
  ].join(' ')})`;
}

/** Adds addresses, up to a number that no list of people has. */
function addTo(lists: Partial<Record<List, Address[]>>, name: List, value: string): void {
  const list = lists[name] ?? [];
  lists[name] = list;
  for (const address of parseAddresses(value, MOST_ADDRESSES - list.length)) list.push(address);
}

function listOf(addresses: readonly Address[] = []): string {
  return addresses.length === 0 ? 'NIL' : `(${addresses.map(addressOf).join('')})`;
}

function addressOf({ name, route, mailbox, domain }: Address): string {
  const shown = name === undefined ? 'NIL' : display(name);
  return `(${shown} ${nstring(route)} ${nstring(mailbox)} ${nstring(domain)})`;
}
