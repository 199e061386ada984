// The table of `tls-report`: in order, within the width of the terminal, and harmless.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ReportRow, reportTable, sorted } from '../../src/commands/reporttable.ts';
import { repositoryRoot } from '../support/shared.ts';

const row = (domain: string, version: string, cipher: string, count = 1): ReportRow => ({
  domain,
  version,
  cipher,
  count,
  last: '2026-11-29',
});

test('mail in clear comes first, then what is weak, what is not known, what is good, and our own', () => {
  const rows = [
    row('own.example', 'local', 'none', 9),
    row('good.example', 'TLSv1.3', 'TLS_AES_256_GCM_SHA384', 9),
    row('silent.example', 'TLS', 'unknown'),
    row('static.example', 'TLSv1.2', 'TLS_RSA_WITH_AES_256_CBC_SHA'),
    row('old.example', 'TLSv1', 'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 2),
    row('few.example', 'none', 'none', 1),
    row('many.example', 'none', 'none', 5),
  ];
  assert.deepEqual(
    sorted(rows).map(({ domain }) => domain.split('.')[0]),
    ['many', 'few', 'old', 'static', 'silent', 'good', 'own'],
  );
});

test('names of IANA and codes where there is room, else those of OpenSSL', () => {
  const rows = [row('a.example', 'TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384')];
  assert.match([...reportTable(rows, 200)].join('\n'), /TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 0xC030/);
  assert.match([...reportTable(rows, 70)].join('\n'), / ECDHE-RSA-AES256-GCM-SHA384 0xC030/);
  assert.match([...reportTable(rows, 55)].join('\n'), / ECDHE-RSA-AES256-GCM-SHA384 {4}1$/m);
});

test('whatever is in the rows, no line is wider than the terminal, and no control character is left', () => {
  const text = fc.string({ unit: 'binary', maxLength: 300 });
  const anyRow = fc.record({
    domain: text,
    relay: text,
    version: text,
    cipher: fc.oneof(text, fc.constant('TLS_RSA_WITH_RC4_128_MD5')),
    count: fc.integer({ min: 1 }),
    last: text,
  });
  fc.assert(
    fc.property(
      fc.array(anyRow, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 20, max: 250 }),
      (rows, columns) => {
        for (const line of reportTable(sorted(rows), columns)) {
          assert.ok(line.length <= columns, line);
          assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        }
      },
    ),
  );
});

test("README's example is what the command prints", () => {
  const readme = readFileSync(join(repositoryRoot(), 'README.md'), 'utf8');
  const [, counted = '', shown = ''] =
    /\$ runuser -u sealdir -- sealdir tls-report\nreceived since 2026-11-01: (\d+) messages.*\n([\s\S]*?)```/.exec(
      readme,
    ) ?? [];
  const rows = [
    { ...row('lists.example', 'TLSv1.3', 'TLS_AES_256_GCM_SHA384', 208) },
    { ...row('example.com', 'local', 'none', 40) },
    { ...row('old.example', 'TLSv1.2', 'TLS_RSA_WITH_AES_256_CBC_SHA', 3), last: '2026-11-27' },
    { ...row('shop.example', 'none', 'none', 12), last: '2026-11-28' },
  ];
  assert.equal(
    Number(counted),
    rows.reduce((sum, { count }) => sum + count, 0),
  );
  assert.equal([...reportTable(sorted(rows), 110)].map((line) => `${line}\n`).join(''), shown);
});
