/**
 * Header policy: which fields of the original stand outside, in clear, on a sealed message.
 * Inside everything is as it came. `visible` is what IMAP lists, searches, threads and
 * server-side rules expect; policies that show less have their place in POLICIES.
 */
import { type RawField, withLfLines } from './header.ts';

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

/** The outer copy of the original fields, in their order, with LF line ends. */
export function outerFields(fields: readonly RawField[], policy: HeaderPolicy): Buffer {
  const stays = POLICIES[policy];
  const out: Buffer[] = [];
  for (const field of fields) {
    const bytes = stays(field.name) ? withLfLines(field) : undefined;
    if (bytes !== undefined) out.push(bytes);
  }
  return Buffer.concat(out);
}
