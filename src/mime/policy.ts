/**
 * Header policy: which fields of the original stand outside, in clear, on a sealed message.
 * Inside everything is as it came. `visible` is what IMAP lists, searches, threads and
 * server-side rules expect; policies that show less have their place in POLICIES.
 */
import { fieldsOf, type HeaderBlock, withLfLines } from './header.ts';

export type HeaderPolicy = keyof typeof POLICIES;

/** Whether a field, by its lower-case name, stays visible. */
const POLICIES = {
  visible: (name: string) => !isReplaced(name),
} as const;

// They describe a body that is no longer there: structure, and signatures over it.
const OF_THE_BODY = new Set([
  'mime-version',
  'dkim-signature',
  'domainkey-signature',
  'x-google-dkim-signature',
  'arc-seal',
  'arc-message-signature',
  'arc-authentication-results', // an ARC set is worthless without its other two
]);

function isReplaced(name: string): boolean {
  // one Return-Path only, and it is ours: RFC 5321 §4.4
  return name === 'return-path' || name.startsWith('content-') || OF_THE_BODY.has(name);
}

// Where no empty line ended the header, a line of text with a colon in it may have passed for a
// field: only names that mail programs write are shown then.
const COMMON =
  /^(from|sender|reply-to|to|cc|date|subject|message-id|in-reply-to|references|received|list-[a-z-]+|precedence|auto-submitted|authentication-results)$/;

/** The outer copy of the original fields, in their order, with LF line ends. */
export function outerFields(block: HeaderBlock, policy: HeaderPolicy): Buffer {
  const stays = POLICIES[policy];
  const out = Buffer.allocUnsafe(block.bytes.length); // a field gets no longer
  let length = 0;
  for (const field of fieldsOf(block)) {
    if (!stays(field.name) || !(block.isCertain || COMMON.test(field.name))) continue;
    length += withLfLines(field)?.copy(out, length) ?? 0;
  }
  return out.subarray(0, length);
}
