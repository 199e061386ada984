// The id of a message in the log of the mail server in front.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderScanner } from '../../src/mime/header.ts';
import { queueIdOf } from '../../src/mime/queueid.ts';
import { openCorpus } from '../support/corpus.ts';

function idOf(message: string | Buffer): string | undefined {
  const scanner = new HeaderScanner(2 ** 21);
  const scan = scanner.update(Buffer.from(message));
  return queueIdOf(scan.state === 'complete' ? scan.block : scanner.end());
}

const received = (value: string) => idOf(`Received: ${value}\r\nSubject: x\r\n\r\nbody\r\n`);

test('the id is found in the fields that mail servers write', () => {
  const forms: [string | undefined, string][] = [
    // Postfix: over SMTP, with TLS and a login, from its own sendmail
    [
      '4b9PtX2VkSz1Y',
      'from c.example (c.example [192.0.2.1])\r\n\tby mx.example (Postfix) with ESMTPS id 4b9PtX2VkSz1Y\r\n\tfor <a@b.example>; Sat, 28 Nov 2026 10:00:00 +0000 (UTC)',
    ],
    [
      'A1B2C3D4E5',
      'from [10.0.0.2] (unknown [10.0.0.2])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t key-exchange X25519)\r\n\t(No client certificate requested)\r\n\t(Authenticated sender: bob)\r\n\tby mx.example (Postfix) with ESMTPSA id A1B2C3D4E5;\r\n\tSat, 28 Nov 2026 10:00:00 +0000',
    ],
    ['7F00A', 'by mx.example (Postfix, from userid 0)\r\n\tid 7F00A; Sat, 28 Nov 2026 10:00:00 +0000 (UTC)'],
    // Exim: with a HELO and an envelope sender, and from its own sendmail
    [
      '1vOqpK-000000003Bc-0hTf',
      'from [192.0.2.1] (helo=c.example)\r\n\tby mx.example with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n\t(Exim 4.98)\r\n\t(envelope-from <s@c.example>)\r\n\tid 1vOqpK-000000003Bc-0hTf\r\n\tfor a@b.example; Sat, 28 Nov 2026 10:00:00 +0000',
    ],
    [
      '1abcde-000xyz-AB',
      'from root by mx.example with local (Exim 4.96)\r\n\t(envelope-from <root@mx.example>)\r\n\tid 1abcde-000xyz-AB\r\n\tfor a@b.example; Sat, 28 Nov 2026 10:00:00 +0000',
    ],
    // sendmail, OpenSMTPD, Exchange
    ['4ASA0x1c012345', 'from c (c [192.0.2.1]) by mx (8.17.1/8.17.1) with ESMTP id 4ASA0x1c012345; Sat'],
    ['0c9d8e7f', 'from c.example (c.example [192.0.2.1]) by mx (OpenSMTPD) with ESMTP id 0c9d8e7f; Sat'],
    [
      '15.20.1234.5',
      'from A (10.0.0.1) by B (10.0.0.2) with Microsoft SMTP Server id 15.20.1234.5 via Frontend; Sat',
    ],
    // none
    [undefined, '(qmail 12345 invoked by uid 89); 28 Nov 2026 10:00:00 -0000'],
    [undefined, 'from c by mx.example with ESMTP; Sat, 28 Nov 2026 10:00:00 +0000'],
    [undefined, ''],
    [undefined, 'from c by mx with ESMTP id'],
  ];
  for (const [id, value] of forms) assert.equal(received(value), id, value);
});

test('what a client says of itself is not taken for the id', () => {
  const of = (from: string) => received(`from ${from} by mx.example (Postfix) with ESMTP id REAL1; Sat`);
  for (const from of [
    'id (id [192.0.2.1])',
    'by (x [192.0.2.1])',
    'x (helo=by x id FAKE [192.0.2.1])',
    'x (a (nested by x id FAKE) \\) by x id FAKE)',
    '"by x id FAKE" (x)',
    'x (by y id FAKE; Sat)',
  ])
    assert.equal(of(from), 'REAL1', from);
  assert.equal(received('from x by mx with ESMTP for id id FAKE; Sat'), undefined);
  assert.equal(received('from x by mx with ESMTP; id FAKE'), undefined);
});

test('only the topmost Received counts, also where it names none', () => {
  const lower = 'Received: from x by y with SMTP id FAKE; Sat\r\n';
  assert.equal(idOf(`Received: from a by mx with ESMTP id REAL; Sat\r\n${lower}\r\n`), 'REAL');
  assert.equal(idOf(`Received: from a by mx with ESMTP; Sat\r\n${lower}\r\n`), undefined);
  assert.equal(idOf(`Received: ${'x'.repeat(5000)} by mx id LONG; Sat\r\n${lower}\r\n`), undefined);
  assert.equal(idOf(`Authentication-Results: mx; none\r\n${lower}\r\n`), 'FAKE');
  assert.equal(idOf(`Subject: x\r\n\r\n${lower}`), undefined);
  assert.equal(idOf(`${'X: y\r\n'.repeat(51)}${lower}\r\n`), undefined);
});

test('an id is short and has no character that means something anywhere', () => {
  const of = (id: string) => received(`from a by mx with ESMTP id ${id}; Sat`);
  for (const bad of [
    'a@b.example',
    '<4ABC@x>',
    'a/b',
    "a'b",
    'a=b',
    'a\u0007b',
    'ä',
    '-x',
    'x-',
    'x'.repeat(65),
  ])
    assert.equal(of(bad), undefined, bad);
  assert.equal(of('x'.repeat(64)), 'x'.repeat(64));
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.match(idOf(`Received: ${text}\r\n\r\n`) ?? 'none', /^[A-Za-z0-9._-]{1,64}$/);
    }),
  );
});

const real = openCorpus();
test('of real messages most name an id, and each of them stands in their first Received', {
  skip: real.skip,
}, () => {
  let found = 0;
  for (const { name, wire } of real.messages) {
    const bytes = wire();
    const id = idOf(bytes);
    if (id === undefined) continue;
    found++;
    const text = bytes.toString('latin1');
    const start = /^received:/im.exec(text)?.index ?? -1;
    const [field = ''] = /^.*\r?\n(?:[ \t].*\r?\n)*/.exec(text.slice(start)) ?? [];
    assert.match(field, new RegExp(`\\bid\\s+${id.replaceAll('.', '\\.')}(?![A-Za-z0-9._-])`, 'i'), name);
  }
  assert.ok(found > real.messages.length / 4, `${found} of ${real.messages.length}`);
});
