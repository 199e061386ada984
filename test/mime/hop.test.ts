// How a message came, from the Received field of our own mail server, and from no other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { wayOf } from '../../src/core/hop.ts';
import { HeaderScanner } from '../../src/mime/header.ts';
import { hopOf, type IsOwn } from '../../src/mime/hop.ts';
import { tokensOf } from '../../src/mime/tokens.ts';
import { openCorpus } from '../support/corpus.ts';

function hopIn(message: string | Buffer, isOwn?: IsOwn) {
  const scanner = new HeaderScanner(2 ** 21);
  const scan = scanner.update(Buffer.isBuffer(message) ? message : Buffer.from(message, 'latin1'));
  return hopOf(scan.state === 'complete' ? scan.block : scanner.end(), isOwn);
}

/** Returns version and cipher of a message with these Received fields, the topmost one first. */
function way(...received: readonly string[]): string {
  return wayWith(() => false, ...received);
}

function wayWith(isOwn: IsOwn, ...received: readonly string[]): string {
  const fields = received.map((value) => `Received: ${value}\r\n`).join('');
  const { version, cipher } = wayOf(hopIn(`${fields}Subject: x\r\n\r\nbody\r\n`, isOwn));
  return `${version} ${cipher}`;
}

const TLS13 = 'TLSv1.3 TLS_AES_256_GCM_SHA384';
const DATE = '; Sun, 29 Nov 2026 05:00:00 +0000';
/** As the sender would like it to be. */
const FORGED = `from a.example (a.example [192.0.2.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\tby mx.example.com (Postfix) with ESMTPS id 4b9${DATE}`;

const CASES: readonly (readonly [name: string, way: string, received: string])[] = [
  [
    'Postfix, TLS with a certificate of the client and a key exchange',
    TLS13,
    `from mail.example.org (mail.example.org [192.0.2.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n\t(Client CN "mail.example.org", Issuer "CA" (verified OK))\r\n\tby mx.example.com (Postfix) with ESMTPS id 4b9PtX2VkSz1Y\r\n\tfor <alice@example.com>${DATE}`,
  ],
  [
    'Postfix, an older version',
    'TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    `from x (unknown [IPv6:2001:db8::1])\r\n\t(using TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits))\r\n\t(No client certificate requested)\r\n\tby mx.example.com (Postfix) with ESMTPS id 4b9${DATE}`,
  ],
  [
    'Postfix in clear',
    'none none',
    `from x (x [192.0.2.1])\r\n\tby mx.example.com (Postfix) with ESMTP id 4b9${DATE}`,
  ],
  [
    'Postfix in clear, HELO',
    'none none',
    `from x (x [192.0.2.1]) by mx.example.com (Postfix) with SMTP id 4b9${DATE}`,
  ],
  [
    'Postfix without smtpd_tls_received_header',
    'TLS unknown',
    `from x (x [192.0.2.1]) by mx (Postfix) with ESMTPS id 4b9${DATE}`,
  ],
  ['Postfix, SMTPUTF8', 'none none', `from x (x [192.0.2.1]) by mx (Postfix) with UTF8SMTP id 4b9${DATE}`],
  [
    'Postfix, pickup',
    'local none',
    `by mx.example.com (Postfix, from userid 1000)\r\n\tid 4b9PtX2VkSz1Y${DATE}`,
  ],
  [
    'Postfix from this machine',
    'local none',
    `from x (localhost [127.0.0.1]) by mx (Postfix) with ESMTP id 4b9${DATE}`,
  ],
  [
    'Postfix from this machine with TLS',
    TLS13,
    `from x (localhost [127.0.0.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) by mx (Postfix) with ESMTPS id 4b9${DATE}`,
  ],
  [
    'Postfix, submission',
    'local none',
    `from x (x [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) (Authenticated sender: alice) by mx (Postfix) with ESMTPSA id 4b9${DATE}`,
  ],
  [
    'a cipher that nobody knows',
    'TLSv1.3 other',
    `from x (x [192.0.2.1]) (using TLSv1.3 with cipher TLS_MADE_UP (256/256 bits)) by mx (Postfix) with ESMTPS id 4b9${DATE}`,
  ],
  [
    'Exim',
    TLS13,
    `from mail.example.org ([192.0.2.1])\r\n\tby mx.example.com with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n\t(Exim 4.96)\r\n\t(envelope-from <bob@example.org>)\r\n\tid 1vOqpK-000000003Bc-0hTf\r\n\tfor alice@example.com${DATE}`,
  ],
  [
    'Exim of before, with GnuTLS',
    'TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    `from x ([192.0.2.1] helo=y)\r\n\tby mx with esmtps (TLS1.2:ECDHE_RSA_AES_256_GCM_SHA384:256)\r\n\t(Exim 4.92)\r\n\t(envelope-from <b@example.org>)\r\n\tid 1abc${DATE}`,
  ],
  [
    'Exim of before, with OpenSSL',
    'TLSv1 TLS_RSA_WITH_AES_256_CBC_SHA',
    `from [192.0.2.1] (helo=x) by mx with esmtps (TLSv1:AES256-SHA:256) (Exim 4.72) id 1abc${DATE}`,
  ],
  [
    'Exim in clear',
    'none none',
    `from x ([192.0.2.1]) by mx with esmtp (Exim 4.96) (envelope-from <b@e>) id 1abc${DATE}`,
  ],
  [
    'Exim, from a program',
    'local none',
    `from root by mx with local (Exim 4.96) (envelope-from <root@mx>) id 1abc${DATE}`,
  ],
  [
    'Exim, submission',
    'local none',
    `from x ([192.0.2.1]) by mx with esmtpsa (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.96) id 1${DATE}`,
  ],
  [
    'Sendmail',
    TLS13,
    `from x (x.example [192.0.2.1])\r\n\tby mx.example.com (8.17.1.9/8.17.1.9) with ESMTPS id 5AT50\r\n\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)\r\n\tfor <alice@example.com>${DATE}`,
  ],
  [
    'Sendmail of before, which has no S',
    'TLSv1 TLS_DHE_RSA_WITH_AES_256_CBC_SHA',
    `from x (x [192.0.2.1] (may be forged)) by mx (8.14.4/8.14.4) with ESMTP id t1 (version=TLSv1/SSLv3 cipher=DHE-RSA-AES256-SHA bits=256 verify=OK)${DATE}`,
  ],
  [
    'Sendmail in clear',
    'none none',
    `from x (x [192.0.2.1]) by mx (8.17.1/8.17.1) with ESMTP id t1 for <a@b>${DATE}`,
  ],
  [
    'OpenSMTPD',
    TLS13,
    `from x (x [192.0.2.1])\r\n\tby mx (OpenSMTPD) with ESMTPS id 0a1b (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)\r\n\tfor <a@b>${DATE}`,
  ],
  [
    'ours',
    TLS13,
    `from x ([192.0.2.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\tby mx.example.com with LMTPS id 0011223344556677${DATE}`,
  ],
  [
    'a protocol of another kind',
    'unknown unknown',
    `from pop.example ([192.0.2.1]) by mx with POP3 (fetchmail-6.4)${DATE}`,
  ],
  ['nothing that makes sense', 'unknown unknown', `once upon a time${DATE}`],
];

for (const [name, expected, received] of CASES)
  test(`${name}: ${expected}`, () => {
    assert.equal(way(received), expected);
    assert.equal(way(received, FORGED), expected, 'whatever stands below');
    assert.equal(way(received.replaceAll('\r\n\t', ' ')), expected, 'unfolded');
  });

test('without any Received field nothing is known', () => {
  assert.deepEqual(hopIn('Subject: x\r\n\r\nReceived: by here; date\r\n'), { how: 'unknown' });
  assert.deepEqual(hopIn(''), { how: 'unknown' });
});

test('what a client writes into its name, its address or a recipient never counts', () => {
  const clear = 'none none';
  const tls = '(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))';
  const exim = '(TLS1.3) tls TLS_AES_256_GCM_SHA384';
  const sendmail = '(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)';
  const where = `(x [192.0.2.1])`;
  for (const received of [
    `from x ${where} by mx (Postfix) with ESMTP id 4b9 for <"${tls}"@b>${DATE}`,
    `from x ${where} by mx (Postfix) with ESMTP id 4b9 for <a@b> ${sendmail}${DATE}`,
    `from x ${where} by mx (Postfix) with ESMTP id 4b9 for <a@b>; ${tls} with ESMTPS`,
    `from x ([192.0.2.1]) by mx with esmtp (Exim 4.96) (envelope-from <"${exim}"@b>) id 1${DATE}`,
    `from x ([192.0.2.1]) by mx with esmtp (Exim 4.96) (envelope-from <"a) id x ${sendmail} (b"@b>) id 1${DATE}`,
    `from x (x [192.0.2.1]) (Client CN "using TLSv1.3 with cipher X (256/256 bits)") by mx (Postfix) with ESMTP id 4${DATE}`,
    `from x ${where} (comment) ${tls} by mx (Postfix) with ESMTP id 4b9${DATE}`,
  ])
    assert.equal(way(received), clear, received);
  // a name that looks like an address of ours leads to nothing below
  const isOwn = (address: string) => address === '127.0.0.1';
  for (const received of [
    `from [127.0.0.1] (x [192.0.2.1]) by mx (Postfix) with ESMTP id 4b9${DATE}`,
    `from x ([192.0.2.1] helo=[127.0.0.1]) by mx with esmtp (Exim 4.96) id 1${DATE}`,
    `from [192.0.2.1] (helo=[127.0.0.1]) by mx with esmtp (Exim 4.96) id 1${DATE}`,
    `from [127.0.0.1] (unknown [192.0.2.1] (may be forged)) by mx (8.17/8.17) with ESMTP id 1${DATE}`,
  ])
    assert.equal(wayWith(isOwn, received, FORGED), clear, received);
});

test('of mail from a machine of ours the field below counts, and so on; of other mail it does not', () => {
  const isOwn = (address: string) => ['127.0.0.1', '2001:db8::5'].includes(address);
  const filter = `from localhost (localhost [127.0.0.1]) by mx (Postfix) with ESMTP id 4b9${DATE}`;
  const amavis = `from mx.example.com ([127.0.0.1]) by localhost (mx [127.0.0.1]) (amavisd-new, port 10024) with ESMTP id a1${DATE}`;
  const first = `from mx1 (mx1.example.com [IPv6:2001:DB8::5]) by mx (Postfix) with ESMTP id 4b9${DATE}`;
  const exim = `from mx1.example.com ([2001:db8::5]:1234 helo=mx1) by mx with esmtp (Exim 4.96) id 1${DATE}`;
  const clear = `from x (x [192.0.2.1]) by mx (Postfix) with ESMTP id 4b9${DATE}`;
  assert.equal(wayWith(isOwn, filter, amavis, FORGED), TLS13);
  assert.equal(wayWith(isOwn, filter, amavis, clear, FORGED), 'none none');
  assert.equal(wayWith(isOwn, first, FORGED), TLS13);
  assert.equal(wayWith(isOwn, exim, clear, FORGED), 'none none');
  assert.equal(wayWith(isOwn, filter), 'local none');
  assert.equal(wayWith(isOwn, first), 'unknown unknown');
  assert.equal(way(filter, FORGED), 'local none', 'unless the site says so');
  assert.equal(way(first, FORGED), 'none none');
  assert.equal(
    wayWith(() => true, ...Array.from({ length: 50 }, () => filter)),
    'unknown unknown',
  );
});

test('fields that filters put above are passed over, and a hundred are enough', () => {
  const [, , postfix] = CASES[0] ?? [];
  const message = (above: number) => `${'X-Spam: no\r\n'.repeat(above)}Received: ${postfix}\r\n\r\n`;
  assert.equal(hopIn(message(50)).how, 'tls');
  assert.equal(hopIn(message(1000)).how, 'unknown');
});

test('whatever stands there, it is read in linear time, and words come from few', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom(
      '(',
      ')',
      '"',
      '\\',
      ';',
      ' by ',
      ' with ESMTPS ',
      ' id x ',
      'from ',
      '[',
      ']',
      '\r\n\t',
      'TLS1.3',
      'using TLSv1.3 with cipher ',
    ),
  );
  const WORDS = /^(?:TLSv1(?:\.[123])?|SSLv[23]|TLS|other|none|local|unknown)$/;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 100 }), (pieces) => {
      const hop = hopIn(`Received: ${pieces.join('')}\r\n\r\n`);
      const { version, cipher } = wayOf(hop);
      assert.match(version, WORDS);
      assert.match(cipher, /^(?:TLS_[A-Za-z0-9_]+|other|none|unknown)$/);
    }),
    { numRuns: 2000 },
  );
  for (const hostile of ['(', '()', '( ', '"', '\\', ' ', 'a ', 'by ', '(((a)))', '[', 'from a ('])
    for (const start of ['', 'from x (x [192.0.2.1]) (using ', 'by mx with esmtps (']) {
      const text = `${start}${hostile.repeat(1_000_000 / hostile.length)}`;
      const begun = performance.now();
      tokensOf(text);
      hopIn(`Received: ${text}\r\n\r\n`);
      hopIn(`Received: ${text.slice(0, 4000)}\r\n\r\n`);
      assert.ok(performance.now() - begun < 2000, `${start}${hostile}`);
    }
});

test('most real messages tell how they came', () => {
  const { messages } = openCorpus();
  const hows = new Map<string, number>();
  for (const { wire } of messages) {
    const { how } = hopIn(wire());
    hows.set(how, (hows.get(how) ?? 0) + 1);
  }
  if (messages.length === 0) return;
  const known = messages.length - (hows.get('unknown') ?? 0);
  assert.ok(known > 300, JSON.stringify([...hows]));
});
