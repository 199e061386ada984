import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HeaderPolicy } from '../../src/core/headerpolicy.ts';
import { HeaderScanner } from '../../src/mime/header.ts';
import { deliveryFields, outerFields } from '../../src/mime/policy.ts';
import { openCorpus } from '../support/corpus.ts';
import { FIXTURES } from '../support/fixtures.ts';

const corpus = openCorpus();
const PLACEHOLDER = 'Subject: [...]\n';

function outside(message: Buffer | string, policy: HeaderPolicy = 'visible'): string {
  const scanner = new HeaderScanner(2 * 1024 * 1024);
  const scan = scanner.update(typeof message === 'string' ? Buffer.from(message, 'latin1') : message);
  assert.notEqual(scan.state, 'tooBig');
  return outerFields(scan.state === 'complete' ? scan.block : scanner.end(), policy).toString('latin1');
}

/** Checks what every reader of the stored file relies on. */
function assertWellFormed(outer: string, name: string): void {
  assert.ok(!/[\r\0\v\f]/.test(outer), `${name}: a byte that may end a line`);
  assert.ok(!/^[ \t]*\n/m.test(outer), `${name}: a blank line`);
  assert.ok(outer === '' || outer.endsWith('\n'), `${name}: ends in mid line`);
  for (const line of outer.split('\n').slice(0, -1))
    assert.match(line, /^([!-9;-~]+:|[ \t])/, `${name}: neither a field nor folded`);
  assert.ok(!/^[ \t]/.test(outer), `${name}: begins folded`);
  assert.ok(!/^(content-[!-9;-~]*|mime-version|return-path|dkim-signature)[ \t]*:/im.test(outer), name);
}

const GONE = [
  'MIME-Version: 1.0',
  'Content-Type: text/html',
  'content-TRANSFER-encoding: base64',
  'Content-Transfer-Encoding:base64',
  'Content-Anything-Else: x',
  'Return-Path: <x@example.org>',
  'DKIM-Signature: v=1',
  'DomainKey-Signature: x',
  'X-Google-DKIM-Signature: x',
  'ARC-Seal: i=1',
  'ARC-Message-Signature: i=1',
  'ARC-Authentication-Results: i=1',
];

for (const field of GONE) {
  test(`"${field}" and its folded lines do not stand outside`, () => {
    assert.equal(outside(`To: 1\r\n${field}\r\n folded\r\n\tonce more\r\nB: 2\r\n\r\n`), 'To: 1\nB: 2\n');
  });
}

const KEPT = [
  ...['From', 'To', 'Cc', 'Subject', 'Date', 'Message-ID', 'In-Reply-To', 'References', 'Received'],
  ...['Delivered-To', 'List-Id', 'List-Unsubscribe', 'Precedence', 'Auto-Submitted', 'X-Spam-Flag'],
  ...['Authentication-Results', 'Received-SPF', 'X-Content-Type', 'Contents', 'X-MIME-Version'],
];

test('fields that list, thread, sort or trace the mail stand outside, in their order', () => {
  const message = KEPT.map((name, n) => `${name}: ${n}\r\n`).join('');
  assert.equal(outside(`${message}\r\nbody\r\n`), message.replaceAll('\r\n', '\n'));
});

test('repeated fields are all kept, with their raw 8-bit bytes and folding', () => {
  const message = 'Received: b\r\n\tfolded\r\nSubject: Gr\xfc\xdfe \x1b$B\xff\r\nReceived: a\r\n\r\n';
  assert.equal(outside(message), message.slice(0, -2).replaceAll('\r\n', '\n'));
});

test('of a header with a doubtful line only well-known fields before it stand outside', () => {
  const known = 'From: a\r\nSubject: b\r\n c\r\nTo: d\r\nDate: e\r\nList-Id: f\r\nReferences: g\r\n';
  const doubtful = ['X: 1\rBcc: 2', 'X: \0', 'X: 1\r\n \rMIME-Version: 1.0', 'X: 1\r\r', 'Bcc : 2', 'X: \f'];
  for (const odd of doubtful)
    assert.equal(
      outside(`${known}X-Pin: 1\r\n${odd}\r\nSubject: 2\r\nCard-Number: 3\r\n\r\n`),
      known.replaceAll('\r\n', '\n'),
      JSON.stringify(odd),
    );
});

test('after an mbox line only well-known fields stand outside', () => {
  const mbox = 'From x@example.org Thu Jan  1 00:00:00 1970\r\n';
  assert.equal(outside(`${mbox}Subject: 1\r\nPassword: 2\r\nFrom: 3\r\n\r\n`), 'Subject: 1\nFrom: 3\n');
});

test('a message that shows neither From nor To nor Subject has a placeholder, so that every client lists it', () => {
  for (const message of [
    '',
    '\r\nbody\r\n',
    'no header\r\n',
    'From : a\r\nSubject: b\r\n\r\n',
    'From: a\rb\r\n\r\n',
  ])
    assert.equal(outside(message), PLACEHOLDER, JSON.stringify(message));
  assert.equal(outside('Date: 1\r\nX: 2\r\n\r\n'), `Date: 1\nX: 2\n${PLACEHOLDER}`);
  for (const name of ['From', 'TO', 'subject'])
    assert.equal(outside(`${name}: x\r\nX: 2\r\n\r\n`), `${name}: x\nX: 2\n`);
});

test('nothing of a body stands outside', () => {
  for (const separator of ['\r\n', '\n'])
    assert.equal(outside(`To: 1\r\n${separator}Secret: 2\r\n`), 'To: 1\n');
  // some readers take what follows such a line for the body, and the message may have no header at all
  for (const separator of [
    '\r\r\n',
    'no field\r\n',
    '\xfc: x\r\n',
    ': x\r\n',
    ' \r\n',
    'a : b\r\n',
    'a: \r\r\n',
    '',
  ])
    assert.equal(outside(`Subject: 1\r\nX-Odd: 2\r\n${separator}Secret: 3\r\n`), 'Subject: 1\n');
  assert.equal(outside('password: 1\r\nhttp://example.com/2\r\n'), PLACEHOLDER);
});

const HIDDEN = [
  ...['Subject', 'Comments', 'Keywords', 'Thread-Topic', 'X-Original-Subject', 'X-Spam-Report'],
  ...['X-Subject', 'SUBJECT'],
];

test('baseline hides the subject and what repeats it or tells of the text, and nothing else', () => {
  const shown = KEPT.filter((name) => name !== 'Subject');
  const lines = (names: readonly string[]) => names.map((name) => `${name}: 1\r\n 2\r\n`).join('');
  const message = `${lines(HIDDEN)}${lines(shown)}${lines(GONE.map((each) => each.split(':')[0] ?? ''))}`;
  assert.equal(
    outside(`${message}\r\nbody\r\n`, 'baseline'),
    `${lines(shown).replaceAll('\r\n', '\n')}${PLACEHOLDER}`,
  );
});

test('minimal shows what threads, lists and sorting need, and nothing else', () => {
  const shown = [
    ...['From', 'Date', 'Message-ID', 'In-Reply-To', 'References', 'Auto-Submitted', 'Precedence'],
    ...['List-Id', 'List-Unsubscribe', 'List-Unsubscribe-Post', 'List-Post', 'List-Archive'],
  ];
  const others = ['To', 'Cc', 'Reply-To', 'Sender', 'Received', 'X-Spam-Flag', 'List-Secret', 'X', 'Bcc'];
  const lines = (names: readonly string[]) => names.map((name) => `${name}: ${name}\r\n`).join('');
  const message = `${lines(HIDDEN)}${lines(others)}${lines(shown)}${lines(others)}\r\nbody\r\n`;
  assert.equal(outside(message, 'minimal'), `${lines(shown).replaceAll('\r\n', '\n')}${PLACEHOLDER}`);
});

test('a hidden subject is a placeholder outside, and there is none where there was no subject', () => {
  for (const policy of ['baseline', 'minimal'] as const) {
    assert.equal(outside('From: a\r\nSubject: 1\r\nsubject: 2\r\n\r\n', policy), `From: a\n${PLACEHOLDER}`);
    assert.equal(outside('From: a\r\nDate: b\r\n\r\n', policy), 'From: a\nDate: b\n');
    assert.equal(
      outside('From: a\r\nSubject: 1\r\nX-Pin: 2\r\nno field\r\n', policy),
      `From: a\n${PLACEHOLDER}`,
    );
  }
});

const POLICIES = ['visible', 'baseline', 'minimal'] as const;

test('what stands outside of every fixture is well formed', () => {
  for (const policy of POLICIES)
    for (const { name, bytes } of FIXTURES) assertWellFormed(outside(bytes, policy), name);
});

test('what stands outside of every message of the corpus is well formed', { skip: corpus.skip }, () => {
  for (const policy of POLICIES)
    for (const message of corpus.messages) assertWellFormed(outside(message.wire(), policy), message.name);
});

test('what stands outside of any bytes is well formed', () => {
  const piece = fc.constantFrom(
    ...['\r', '\n', '\r\n', ' ', '\t', ':', 'a', 'A: b', 'From ', '\0', '\xe4', 'Content-Type: '],
    ...['Return-Path: ', 'MIME-Version:1', 'DKIM-Signature : x', '\v', '\f', '\x1e'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.constantFrom(...POLICIES), (pieces, policy) => {
      assertWellFormed(outside(pieces.join(''), policy), JSON.stringify(pieces.join('')));
    }),
    { numRuns: 1000 },
  );
});

test('of a stored message, what its delivery wrote at the top stands outside, and no such field further down', () => {
  const message = [
    'Return-Path: <a@example.org>',
    'Delivered-To: b@example.com',
    'Received: from x',
    'Delivered-To: other@example.com',
    'Subject: s',
    '',
    '',
  ].join('\r\n');
  const of = (policy: HeaderPolicy, text = message) => {
    const scan = new HeaderScanner(10_000).update(Buffer.from(text));
    assert.ok(scan.state === 'complete');
    return deliveryFields(scan.block, policy).toString();
  };
  assert.equal(of('visible'), 'Return-Path: <a@example.org>\n');
  assert.equal(of('minimal'), 'Return-Path: <a@example.org>\nDelivered-To: b@example.com\n');
  assert.equal(of('minimal', message.replace('Return-Path', 'X-Other')), '');
  assert.doesNotMatch(outside(`Sealed-In-Store: by forged\r\n${message}`), /Sealed-In-Store/);
});
