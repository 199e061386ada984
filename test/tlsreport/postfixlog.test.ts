// Postfix's log, as its smtp(8) writes it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PostfixLog } from '../../src/tlsreport/postfixlog.ts';

const RELAY = 'mx.example.org[192.0.2.1]:25';
const sent = (id: string, to: string, relay = RELAY) =>
  `${id}: to=<${to}>, relay=${relay}, delay=0.5, delays=0/0/0.4/0.1, dsn=2.0.0, status=sent (250 2.0.0 OK)`;
const tls = (what = 'TLSv1.3 with cipher TLS_AES_256_GCM_SHA384', relay = RELAY, kind = 'Trusted') =>
  `${kind} TLS connection established to ${relay}: ${what} (256/256 bits) key-exchange X25519`;

/** Takes lines of processes, each with the text after its name. */
function rowsOf(
  lines: readonly (readonly [pid: number, text: string])[],
  start = 'Nov 29 05:00:00 mx postfix/smtp',
) {
  const log = new PostfixLog();
  for (const [pid, text] of lines) log.take(`${start}[${pid}]: ${text}`);
  return log.rows.map(
    ({ domain, relay, version, cipher, count }) => `${domain} ${relay} ${version} ${cipher} ${count}`,
  );
}

const GOOD = 'TLSv1.3 TLS_AES_256_GCM_SHA384';

test('the TLS of a connection is that of the message over it, for each recipient, and of no other', () => {
  assert.deepEqual(
    rowsOf([
      [1, tls()],
      [2, tls('TLSv1.2 with cipher AES256-SHA', 'b.example[192.0.2.2]:25', 'Untrusted')],
      [1, sent('A1', 'x@example.org')],
      [1, sent('A1', 'y@example.org')],
      [2, sent('B1', 'x@b.example', 'b.example[192.0.2.2]:25')],
      [1, sent('A2', 'x@example.org')], // no TLS line before it
      [3, sent('C1', 'z@plain.example', 'c.example[192.0.2.3]:25')],
    ]),
    [
      `example.org mx.example.org ${GOOD} 2`,
      'example.org mx.example.org none none 1',
      'b.example b.example TLSv1.2 TLS_RSA_WITH_AES_256_CBC_SHA 1',
      'plain.example c.example none none 1',
    ],
  );
});

test('TLS with one server says nothing of the next that the process asks', () => {
  assert.deepEqual(
    rowsOf([
      [1, tls()],
      [1, 'A1: host mx.example.org[192.0.2.1] said: 451 4.7.1 later (in reply to RCPT TO command)'],
      [1, sent('A1', 'x@example.org', 'mx2.example.org[192.0.2.9]:25')],
    ]),
    ['example.org mx2.example.org none none 1'],
  );
});

test('other forms of the lines, and names of services', () => {
  for (const start of [
    '2026-11-29T05:00:00.123456+00:00 mx postfix/smtp',
    'Nov 29 05:00:00 mx postfix/relay/smtp',
    'Nov 29 05:00:00 mx postfix-out/smtp',
  ])
    for (const kind of ['Trusted', 'Untrusted', 'Verified', 'Anonymous'])
      assert.deepEqual(
        rowsOf(
          [
            [1, tls(undefined, RELAY, kind)],
            [1, sent('A1', 'X@Example.ORG').replace('relay=', 'orig_to=<root>, relay=')],
          ],
          start,
        ),
        [`example.org mx.example.org ${GOOD} 1`],
        `${start} ${kind}`,
      );
});

test('what was not sent, or is by another program, is passed over, and what stayed here is local', () => {
  const lines = [
    [1, sent('A1', 'x@example.org', '127.0.0.1[127.0.0.1]:10024')],
    [1, sent('A2', 'x@example.org', 'none')],
    [1, sent('A3', 'x@example.org').replace('status=sent', 'status=deferred')],
    [1, 'A4: client=x[192.0.2.1]'],
  ] as const;
  assert.deepEqual(rowsOf(lines), ['example.org 127.0.0.1 local none 1']);
  for (const program of ['smtpd', 'lmtp', 'local', 'virtual'])
    assert.deepEqual(rowsOf([[1, sent('A1', 'x@example.org')]], `Nov 29 05:00:00 mx postfix/${program}`), []);
});

test('a log that never speaks of TLS does not say that mail went in clear', () => {
  assert.deepEqual(rowsOf([[1, sent('A1', 'x@example.org')]]), ['example.org mx.example.org unknown none 1']);
});

test('the day of the last message is that of its line', () => {
  const log = new PostfixLog();
  for (const day of ['Nov 28', 'Nov  9', 'Nov 29'])
    log.take(`${day} 05:00:00 mx postfix/smtp[1]: ${sent('A1', 'x@example.org')}`);
  assert.equal(log.rows[0]?.last, 'Nov 29');
});

test('a log of anything is read, each line in linear time, into a bounded table', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 60 })), (lines) => {
      const log = new PostfixLog();
      for (const line of lines) log.take(line);
      for (const line of lines) log.take(`x postfix/smtp[1]: A1: to=<${line}>, relay=${line}, status=sent `);
      assert.ok(Array.isArray(log.rows));
    }),
  );
  const log = new PostfixLog();
  const begun = performance.now();
  for (const hostile of ['/a', 'postfix/', 'smtp[1]: ', ' ', '/smtp', 'to=<', ', relay=', 'status=sent '])
    for (const start of ['', 'x postfix/smtp[1]: ', 'x postfix/smtp[1]: A1: to=<a@b>, relay=']) {
      const line = `${start}${hostile.repeat(4096)}`.slice(0, 4096);
      for (let n = 0; n < 20; n++) log.take(line);
    }
  assert.ok(performance.now() - begun < 5000);
  for (let n = 0; n < 3000; n++)
    log.take(`x postfix/smtp[${n}]: ${sent('A1', `x@d${n}.example`, `r${n}.example[192.0.2.1]:25`)}`);
  assert.ok(log.rows.length <= 1100);
});
