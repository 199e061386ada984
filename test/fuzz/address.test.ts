// Any text as a path of MAIL or RCPT: there is always an answer and never an exception, and an accepted path
// means one address and one mailbox, however it is written.

import assert from 'node:assert/strict';
import { dirname, normalize } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Address,
  canonicalAddress,
  parseAddress,
  partsOf,
  pathSegment,
  type SameAddress,
  textOfSegment,
} from '../../src/core/address.ts';
import { replyOf } from '../../src/core/outcome.ts';
import { acceptRecipient, acceptSender } from '../../src/delivery/accept.ts';
import { mailboxPath } from '../../src/maildir/template.ts';
import { fuzz } from '../support/fuzz.ts';

const RULES: readonly SameAddress[] = [
  { localCase: 'ignore', defaultDomain: 'mx.example.com' },
  { localCase: 'exact', defaultDomain: '[192.0.2.1]' },
];

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...'"\\@<>.:,;[]()%/+- ~*=\0\r\n\t\x7f') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        'a',
        'Ab',
        '.',
        '..',
        'user',
        'example.com',
        'EXAMPLE.org',
        '@example.com',
        '@relay.example:',
        'xn--',
      ],
      ...[
        'bücher',
        'BU\u0308CHER',
        'ß',
        'İ',
        'ı',
        '\u212a',
        '\u200b',
        '\u3002',
        'ﬁ',
        '用户',
        '😀',
        'I\u0327\u0307',
      ],
      ...[
        '[192.0.2.1]',
        '[IPv6:2001:db8::1]',
        '127.1',
        '0x7f',
        '"a b"',
        '"\\""',
        '"@"',
        '%2F',
        '../',
        'x'.repeat(63),
      ],
    ),
  },
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
const quoted = text.map((local) => `"${local.replace(/["\\]/g, '\\$&')}"`);
const domain = fc.oneof(
  text,
  fc.constantFrom('example.com', 'BÜCHER.example', '[IPv6:2001:DB8::1]', 'a.b.', 'x_y'),
);
const path = fc.oneof(
  text,
  quoted,
  fc.tuple(fc.oneof(text, quoted), domain).map(([local, behind]) => `${local}@${behind}`),
);

/** Writes an address by RFC 5321 §4.1.2 with a quoted local part, which can hold anything. */
function written({ local, domain }: Address): string {
  const quoted = `"${local.replace(/["\\]/g, '\\$&')}"`;
  return domain === '' ? quoted : `${quoted}@${domain}`;
}

function checkAddress(text: string): void {
  const address = parseAddress(text);
  if (address === undefined) return;
  assert.deepEqual(parseAddress(written(address)), address, 'comes back from its quoted form');
  for (const same of RULES) {
    const canonical = canonicalAddress(address, same);
    if (canonical === undefined) continue;
    assert.equal(
      canonicalAddress(partsOf(canonical), same),
      canonical,
      'canonical form of the canonical form',
    );
    assert.equal(textOfSegment(pathSegment(canonical)), canonical, 'comes back from its file name');
    assert.match(canonical, /@[!-~]+$/, 'a domain of ASCII');
    const mailbox = mailboxPath('/mail/{domain}/{local}', canonical);
    assert.equal(mailbox, normalize(mailbox));
    assert.equal(dirname(dirname(mailbox)), '/mail', 'a mailbox two below the store');
  }
}

/** Checks a line with any text after the path, read as UTF-8 and as latin1. */
function checkAccepted(line: string): void {
  for (const encoding of ['utf8', 'latin1'] as const) {
    const rest = Buffer.from(line, encoding);
    for (const accepted of [
      acceptSender(rest, 1000),
      acceptRecipient(rest, true),
      acceptRecipient(rest, false),
    ]) {
      if (typeof accepted === 'string') assert.ok(replyOf(accepted).code >= 500);
    }
  }
}

test('any path is no address or one that keeps its meaning, and any line has an answer', (t) =>
  fuzz<[path: string, behind: string]>(t, {
    arbitrary: fc.tuple(path, fc.oneof(text, fc.constantFrom('', ' SIZE=1', ' SMTPUTF8', '>'.repeat(4000)))),
    finds: [
      ['"\\\\"@a', ''],
      ['"."@example.com', ''],
      ['".."@example.com', ''],
    ],
    check([written, behind]) {
      checkAddress(written);
      checkAccepted(`<${written}>${behind}`);
      checkAccepted(` <${behind}${written}`);
    },
  }));
