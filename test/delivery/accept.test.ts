// MAIL and RCPT arguments as real clients send them, and as they should not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { replyOf } from '../../src/core/outcome.ts';
import { acceptRecipient, acceptSender } from '../../src/delivery/accept.ts';

const MAX = 1000;
const LATIN1_SENDER = Buffer.from('<j\xfcrgen@example.org>', 'latin1');

function sender(text: string | Buffer): string {
  const accepted = acceptSender(Buffer.from(text as string), MAX);
  return 'why' in accepted ? accepted.why : `<${accepted.sender.toString('latin1')}>`;
}

function recipient(text: string | Buffer, smtpUtf8 = false): string {
  const accepted = acceptRecipient(Buffer.from(text as string), smtpUtf8);
  return 'why' in accepted ? accepted.why : accepted.path;
}

// what follows `MAIL FROM:` -> the path kept, or why it is refused
const SENDERS: readonly (readonly [string | Buffer, string])[] = [
  ['<a@example.org>', '<a@example.org>'],
  ['<>', '<>'],
  [' <a@example.org>', '<a@example.org>'], // a blank some clients send
  ['<a@example.org> ', '<a@example.org>'],
  ['<unknown>', '<unknown>'], // getmail
  [LATIN1_SENDER, '<j\xfcrgen@example.org>'], // fetchmail
  ['<"quoted >"@example.org>', '<"quoted >"@example.org>'],
  ['<a@example.org> SIZE=1000', '<a@example.org>'],
  ['<a@example.org> size=1 BODY=8BITMIME SMTPUTF8', '<a@example.org>'],
  ['<a@example.org> BODY=7bit RET=HDRS ENVID=x+3Dy AUTH=<>', '<a@example.org>'],
  ['<a@example.org> SIZE=1001', 'tooBig'],
  ['<a@example.org> SIZE=99999999999999999999', 'tooBig'],
  ['<a@example.org> SIZE=', 'badSender'],
  ['<a@example.org> SIZE', 'badParameters'],
  ['<a@example.org> SIZE=-1', 'badParameters'],
  ['<a@example.org> SIZE=1e3', 'badParameters'],
  ['<a@example.org> SIZE=1 SIZE=2', 'badSender'],
  ['<a@example.org> BODY=BINARYMIME', 'badParameters'],
  ['<a@example.org> SMTPUTF8=yes', 'badParameters'],
  ['<a@example.org> MT-PRIORITY=3', 'unknownParameter'],
  ['<a@example.org>SIZE=1', 'badSender'],
  ['a@example.org', 'badSender'],
  ['', 'badSender'],
  ['<a@example.org', 'badSender'],
  ['<<a@example.org>>', 'badSender'],
  ['<a\0@example.org>', 'badSender'],
  ['<a\r\nRCPT TO:<b@example.com>', 'badSender'],
  [`<${'a'.repeat(243)}@example.org>`, 'badSender'],
];

for (const [text, expected] of SENDERS) {
  test(`MAIL FROM:${JSON.stringify(text.toString().slice(0, 60))} is ${expected.slice(0, 60)}`, () => {
    assert.equal(sender(text), expected);
  });
}

// what follows `RCPT TO:` -> the path kept, or why it is refused
const RECIPIENTS: readonly (readonly [string | Buffer, string])[] = [
  ['<alice@example.com>', 'alice@example.com'],
  [' <alice@example.com>', 'alice@example.com'],
  ['<postmaster>', 'postmaster'],
  ['<@a.example,@b.example:alice@example.com>', 'alice@example.com'],
  ['<"a b"@example.com>', '"a b"@example.com'],
  ['<"a@b:c"@example.com>', '"a@b:c"@example.com'],
  ['<@a.example:"x:y"@example.com>', '"x:y"@example.com'],
  ['<alice@[192.0.2.1]>', 'alice@[192.0.2.1]'],
  ['<alice@example.com> NOTIFY=NEVER ORCPT=rfc822;alice@example.com', 'alice@example.com'],
  ['<alice@example.com> NOTIFY', 'badParameters'],
  ['<alice@example.com> X-WHAT=1', 'unknownParameter'],
  ['<alice@m\u00fcnchen.example>', 'recipientNeedsUtf8'],
  [Buffer.from('<al\xefce@example.com>', 'latin1'), 'badRecipient'],
  ['<>', 'badRecipient'],
  ['<""@example.com>', 'badRecipient'], // CVE-2020-10967 of Dovecot
  ['<@example.com>', 'badRecipient'],
  ['<alice@>', 'badRecipient'],
  ['<alice@exa mple.com>', 'badRecipient'],
  ['<alice bob@example.com>', 'badRecipient'],
  ['alice@example.com', 'badRecipient'],
  ['<alice@example.com', 'badRecipient'],
  ['<a\nb@example.com>', 'badRecipient'],
  [`<${'a'.repeat(250)}@example.com>`, 'badRecipient'],
];

for (const [text, expected] of RECIPIENTS) {
  test(`RCPT TO:${JSON.stringify(text.toString().slice(0, 60))} is ${expected}`, () => {
    assert.equal(recipient(text), expected);
  });
}

test('a UTF-8 recipient is accepted in an SMTPUTF8 transaction', () => {
  assert.equal(recipient('<j\u00fcrgen@m\u00fcnchen.example>', true), 'j\u00fcrgen@m\u00fcnchen.example');
});

test('whatever follows MAIL FROM: or RCPT TO: is accepted without control characters, or refused with 5yz', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '"',
    '\\',
    '@',
    ':',
    ',',
    ' ',
    '=',
    '\0',
    '\r',
    '\n',
    'a',
    '.com',
    'SIZE',
    '\xff',
  );
  const bytes = fc.array(piece, { maxLength: 20 }).map((pieces) => Buffer.from(pieces.join(''), 'latin1'));
  fc.assert(
    fc.property(
      fc.oneof(
        bytes,
        fc.uint8Array().map((array) => Buffer.from(array)),
      ),
      fc.boolean(),
      (rest, smtpUtf8) => {
        const results = [acceptSender(rest, MAX), acceptRecipient(rest, smtpUtf8)];
        for (const result of results) {
          if ('why' in result) {
            assert.equal(Math.trunc(replyOf(result.why).code / 100), 5);
            continue;
          }
          const kept = 'path' in result ? Buffer.from(result.path) : result.sender;
          assert.ok(kept.every((byte) => byte >= 0x20 && byte !== 0x7f));
        }
      },
    ),
    { numRuns: 3000 },
  );
});
