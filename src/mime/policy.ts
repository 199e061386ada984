/**
 * Decides which fields of the original stand outside, in clear, on a sealed message. Inside, everything is
 * as it came. `visible` shows what lists of messages, searches, threads and server-side rules need; policies
 * that show less belong into POLICIES.
 */
import { copyWithLfLines, fieldsOf, type HeaderBlock } from './header.ts';

export type HeaderPolicy = keyof typeof POLICIES;

/** Each policy says by the lower-case name of a field whether it stays visible. */
const POLICIES = {
  visible: (name: string) => !isReplaced(name),
} as const;

/** Fields that describe a body which no longer stands there: its structure, and signatures over it. */
const OF_THE_BODY = new Set([
  'mime-version',
  'dkim-signature',
  'domainkey-signature',
  'x-google-dkim-signature',
  'arc-seal',
  'arc-message-signature',
  'arc-authentication-results', // worthless without the other two fields of its set
]);

function isReplaced(name: string): boolean {
  // there is one Return-Path only, and it is ours: RFC 5321 §4.4
  return name === 'return-path' || name.startsWith('content-') || OF_THE_BODY.has(name);
}

/**
 * Names that mail programs write. If the header is not certain, the message may be a text without a header
 * whose first lines have a colon in them, so that only these are shown.
 */
const COMMON =
  /^(from|sender|reply-to|to|cc|date|subject|message-id|in-reply-to|references|received|list-[a-z-]+|precedence|auto-submitted|authentication-results)$/;

/**
 * Mail clients need one of these to list a message; notmuch takes a file without them for no message at all.
 */
const LISTED = new Set(['from', 'to', 'subject']);
/** What RFC 9788 §3.2.1 writes for a Subject that is sealed only. */
const PLACEHOLDER = Buffer.from('Subject: [...]\n');

/** Returns the original fields that stand outside, in their order and with LF line ends. */
export function outerFields(block: HeaderBlock, policy: HeaderPolicy): Buffer {
  const stays = POLICIES[policy];
  const out = Buffer.allocUnsafe(block.bytes.length + PLACEHOLDER.length); // no field becomes longer
  let length = 0;
  let isListed = false;
  for (const field of fieldsOf(block)) {
    if (!stays(field.name) || !(block.isCertain || COMMON.test(field.name))) continue;
    length = copyWithLfLines(field, out, length);
    isListed ||= LISTED.has(field.name);
  }
  if (!isListed) length += PLACEHOLDER.copy(out, length);
  return out.subarray(0, length);
}
