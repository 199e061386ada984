/**
 * Decides which fields of the original stand outside, in clear, on a sealed message. Inside, everything is
 * as it came. `visible` shows what lists of messages, searches, threads and server-side rules need; policies
 * that show less belong into POLICIES.
 */
import { fieldsOf, type HeaderBlock, withLfLines } from './header.ts';

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
 * Names that mail programs write. If no empty line ended the header, a line of text with a colon in it may
 * have been taken for a field, so that only these are shown.
 */
const COMMON =
  /^(from|sender|reply-to|to|cc|date|subject|message-id|in-reply-to|references|received|list-[a-z-]+|precedence|auto-submitted|authentication-results)$/;

/** Returns the outer copy of the original fields, in their order, with LF line ends. */
export function outerFields(block: HeaderBlock, policy: HeaderPolicy): Buffer {
  const stays = POLICIES[policy];
  const out = Buffer.allocUnsafe(block.bytes.length); // no field becomes longer
  let length = 0;
  for (const field of fieldsOf(block)) {
    if (!stays(field.name) || !(block.isCertain || COMMON.test(field.name))) continue;
    length += withLfLines(field)?.copy(out, length) ?? 0;
  }
  return out.subarray(0, length);
}
