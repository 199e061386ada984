/**
 * Decides which fields of the original stand outside, in clear, on a sealed message. Inside there are all of
 * them. What a policy other than `visible` puts there besides is in inner.ts.
 */
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import { copyWithLfLines, fieldsOf, type HeaderBlock } from './header.ts';
import { SEALED_FIELD, SEALED_LATER_FIELD } from './sealedfield.ts';

/** Each policy says by the lower-case name of a field whether it stays visible. */
const STAYS: Readonly<Record<HeaderPolicy, (name: string) => boolean>> = {
  visible: (name) => !isReplaced(name),
  baseline: (name) => !isReplaced(name) && !tellsContent(name),
  minimal: (name) => NEEDED.has(name),
};

/**
 * RFC 9788 §3.2.1 hides Subject, Comments and Keywords. The others have the subject once more, as Outlook's
 * Thread-Topic and SpamAssassin's copies do, or the first lines of the text, as SpamAssassin's report has.
 */
function tellsContent(name: string): boolean {
  return /subject|^comments$|^keywords$|^thread-topic$|^x-spam-report$/.test(name);
}

/**
 * Threads, lists of messages and their order, and whether a message is from a mailing list or a machine: RFC
 * 5322 §3.6, RFC 2369, RFC 2919, RFC 8058, RFC 3834.
 */
const NEEDED = new Set([
  ...['from', 'date', 'message-id', 'in-reply-to', 'references', 'auto-submitted', 'precedence'],
  ...['list-id', 'list-help', 'list-unsubscribe', 'list-unsubscribe-post', 'list-subscribe', 'list-post'],
  ...['list-owner', 'list-archive'],
]);

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

/** A sender's own would be taken for ours. */
const OUR_FIELDS = [SEALED_FIELD, SEALED_LATER_FIELD].map((name) => name.toLowerCase());

function isReplaced(name: string): boolean {
  // there is one Return-Path only, and it is ours: RFC 5321 §4.4
  if (name === 'return-path' || OUR_FIELDS.includes(name)) return true;
  return name.startsWith('content-') || OF_THE_BODY.has(name);
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
  const stays = STAYS[policy];
  const out = Buffer.allocUnsafe(block.bytes.length + PLACEHOLDER.length); // no field becomes longer
  let length = 0;
  let isListed = false;
  let isSubjectHidden = false;
  for (const field of fieldsOf(block)) {
    if (!stays(field.name)) {
      isSubjectHidden ||= field.name === 'subject';
      continue;
    }
    if (!block.isCertain && !COMMON.test(field.name)) continue;
    length = copyWithLfLines(field, out, length);
    isListed ||= LISTED.has(field.name);
  }
  if (isSubjectHidden || !isListed) length += PLACEHOLDER.copy(out, length);
  return out.subarray(0, length);
}

/** What a delivery writes, and nobody but the server of the recipient: they stand at the top. */
const OF_THE_DELIVERY = ['return-path', 'delivered-to'];

/**
 * Returns those fields of a message in a store that its delivery wrote at the top, and that the policy does
 * not show: on a sealed message they stand outside. With LF line ends.
 */
export function deliveryFields(block: HeaderBlock, policy: HeaderPolicy): Buffer {
  const out: Buffer[] = [];
  for (const field of fieldsOf(block)) {
    if (!block.isCertain || !OF_THE_DELIVERY.includes(field.name)) break;
    if (STAYS[policy](field.name)) continue;
    const bytes = Buffer.allocUnsafe(field.bytes.length);
    out.push(bytes.subarray(0, copyWithLfLines(field, bytes, 0)));
  }
  return Buffer.concat(out);
}
