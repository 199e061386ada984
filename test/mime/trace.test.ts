import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mailDate, type Trace, traceFields } from '../../src/mime/trace.ts';

const TRACE: Trace = {
  sender: Buffer.from('bob@example.org'),
  client: { name: 'mta.example.org', address: '192.0.2.7' },
  host: 'mx.example.com',
  smtpUtf8: false,
  id: '0123456789abcdef',
  arrivedAt: Date.UTC(2024, 0, 2, 3, 4, 5),
};

function fields(changes: Partial<Trace> = {}, recipient = 'alice@example.com'): string {
  return traceFields({ ...TRACE, ...changes }, recipient).toString('utf8');
}

/** Checks RFC 5321 §4.4: Return-Path is first, there is one Received, all in LF lines, and nothing else. */
function assertThreeFields(text: string): void {
  const unfolded = text.replaceAll(/\n[ \t]/g, ' ').split('\n');
  assert.deepEqual(
    unfolded.map((line) => line.replace(/:.*/s, '')),
    ['Return-Path', 'Delivered-To', 'Received', ''],
  );
  assert.ok(!/[\r\0]/.test(text));
}

test('the trace is Return-Path, Delivered-To and Received, and names one recipient once', () => {
  assert.equal(
    fields(),
    'Return-Path: <bob@example.org>\n' +
      'Delivered-To: alice@example.com\n' +
      'Received: from mta.example.org ([192.0.2.7])\n' +
      '\tby mx.example.com with LMTP id 0123456789abcdef;\n' +
      '\tTue, 02 Jan 2024 03:04:05 +0000\n',
  );
});

test('the null sender is <> (RFC 5321 §4.5.5)', () => {
  assert.ok(fields({ sender: Buffer.alloc(0) }).startsWith('Return-Path: <>\n'));
});

test('a sender of raw 8-bit bytes is kept byte for byte', () => {
  const sender = Buffer.from('j\xfcrgen@example.org', 'latin1');
  const bytes = traceFields({ ...TRACE, sender }, 'alice@example.com');
  assert.ok(bytes.subarray(14, 14 + sender.length).equals(sender));
});

test('a recipient outside ASCII stands in UTF-8, and the protocol says so (RFC 6531 §4.3)', () => {
  const text = fields({ smtpUtf8: true }, 'jürgen@bücher.example');
  assert.match(text, /^Delivered-To: jürgen@bücher\.example$/m);
  assert.match(text, / with UTF8LMTP id /);
});

test('an IPv6 peer is written as an address literal (RFC 5321 §4.1.3)', () => {
  assert.match(
    fields({ client: { ...TRACE.client, address: '2001:db8::1' } }),
    /^Received: from \S+ \(\[IPv6:2001:db8::1\]\)$/m,
  );
});

test('a peer on a Unix socket has no address', () => {
  assert.match(
    fields({ client: { ...TRACE.client, address: undefined } }),
    /^Received: from mta\.example\.org \(local\)$/m,
  );
});

test('a client that gives no usable name is "unknown"', () => {
  assert.match(fields({ client: { ...TRACE.client, name: '' } }), /^Received: from unknown /m);
});

test('a hostile client name adds no field, no comment and no line', () => {
  const names = [
    'a\nBcc: x@example.org',
    'a\r\nBcc: x@example.org',
    'a\rb',
    'a)b (c',
    'a; Thu, 01 Jan 1970 00:00:00 +0000',
    'a by evil with SMTP id 1',
    '\0',
    'x'.repeat(10_000),
    'é\u2028ü',
  ];
  for (const name of names) {
    const text = fields({ client: { ...TRACE.client, name } });
    assertThreeFields(text);
    assert.match(text, /^Received: from [A-Za-z0-9.:_?[\]-]{1,255} \(\[192\.0\.2\.7\]\)$/m);
  }
});

test('whatever a client and a host call themselves, there are three fields', () => {
  const anything = fc.string({ unit: fc.nat(0x2fff).map((code) => String.fromCodePoint(code)) });
  fc.assert(
    fc.property(anything, anything, (name, host) =>
      assertThreeFields(fields({ client: { ...TRACE.client, name }, host })),
    ),
  );
});

test('dates are RFC 5322 §3.3 dates in UTC, with a two-digit day', () => {
  assert.equal(mailDate(0), 'Thu, 01 Jan 1970 00:00:00 +0000');
  assert.equal(mailDate(Date.UTC(2031, 11, 31, 23, 59, 59, 999)), 'Wed, 31 Dec 2031 23:59:59 +0000');
});
