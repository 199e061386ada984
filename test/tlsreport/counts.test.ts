// Counts of mail by domain: bounded, and kept by those who write often.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Batch } from '../../src/tlsreport/batch.ts';
import { Counts, MOST_DOMAINS, type Row } from '../../src/tlsreport/counts.ts';
import { domainOf } from '../../src/tlsreport/domain.ts';

const row = (domain: string, last = 1, count = 1): Row => ({
  domain,
  version: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  count,
  last,
});
const sum = (rows: readonly Row[]) => rows.reduce((all, { count }) => all + count, 0);

test('the same way of the same domain is one row, with the last time', () => {
  const counts = new Counts();
  for (const last of [5, 9, 7]) counts.add(row('a.example', last));
  counts.add({ ...row('a.example'), version: 'none', cipher: 'none' });
  assert.deepEqual(counts.rows, [
    row('a.example', 9, 3),
    { domain: 'a.example', version: 'none', cipher: 'none', count: 1, last: 1 },
  ]);
  assert.equal(sum(counts.take()), 4);
  assert.deepEqual(counts.rows, []);
});

test('of many domains that write once each the table has 1000, and those that write often stay', () => {
  const counts = new Counts();
  for (let n = 0; n < 900; n++) counts.add(row(`friend${n}.example`, n, 2));
  for (let n = 0; n < 5000; n++) counts.add(row(`made-up${n}.example`, 1000 + n));
  const domains = new Set(counts.rows.map(({ domain }) => domain));
  assert.equal(domains.size, MOST_DOMAINS + 1);
  for (let n = 0; n < 900; n++) assert.ok(domains.has(`friend${n}.example`));
  assert.ok(domains.has('made-up4999.example'), 'the newest has a place');
  assert.equal(sum(counts.rows), 900 * 2 + 5000, 'and no message is lost');
  assert.equal(counts.rows.find(({ domain }) => domain === 'other')?.count, 4900);
});

test('a domain that comes in ever other ways has a bounded number of rows', () => {
  const counts = new Counts();
  for (let n = 0; n < 1000; n++) counts.add({ ...row('a.example'), cipher: `C${n}` });
  assert.ok(counts.rows.length <= 41, String(counts.rows.length));
  assert.equal(sum(counts.rows), 1000);
});

test('domains in one spelling; what is none is "other", and a bounce is "<>"', () => {
  for (const [path, domain] of [
    ['bob@Example.ORG', 'example.org'],
    ['bob@example.org.', 'example.org'],
    ['"a@b"@example.org', 'example.org'],
    ['bob@bücher.example', 'xn--bcher-kva.example'],
    ['', '<>'],
    ['root', 'other'],
    ['bob@[192.0.2.1]', 'other'],
    ['bob@192.0.2.1', 'other'],
    ['bob@\u001b[31m.example', 'other'],
    ['bob@', 'other'],
    [`bob@${'a.'.repeat(200)}example`, 'other'],
  ] as const)
    assert.equal(domainOf(path), domain, path);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.match(domainOf(`a@${text}`), /^[a-z0-9._-]{1,255}$/);
    }),
  );
});

test('a batch tells all it was given at once when it is flushed, and nothing twice', () => {
  const told: Row[] = [];
  const batch = new Batch((rows) => told.push(...rows));
  for (let n = 0; n < 100; n++) batch.add(row(`d${n % 3}.example`));
  assert.deepEqual(told, []);
  batch.flush();
  batch.flush();
  assert.deepEqual([told.length, sum(told)], [3, 100]);
});
