// The lines of the log, whatever a client has put into an address.

import assert from 'node:assert/strict';
import { fstatSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLog } from '../../src/edge/log.ts';
import { type LogForm, logFormOf } from '../../src/edge/logtext.ts';

function logged(recipient: string, form: LogForm = 'json'): string {
  const lines: string[] = [];
  const log = createLog('info', { form }, { write: (line) => lines.push(line) });
  const outcome = { id: 'x', sender: 's@example.org', verdict: 'stored', why: 'stored', code: 250 } as const;
  log.outcome({ ...outcome, recipient, bytes: 1, ms: 1 });
  assert.equal(lines.length, 1);
  return lines[0] ?? '';
}

test('controls and marks that turn the direction of text are escaped in the log', () => {
  const ranges: [number, number][] = [
    [0x00, 0x1f],
    [0x7f, 0x9f],
    [0xad, 0xad],
    [0x61c, 0x61c],
    [0x200b, 0x200f],
    [0x2028, 0x202e],
    [0x2060, 0x2064],
    [0x2066, 0x206f],
    [0xfeff, 0xfeff],
    [0xe0001, 0xe0001],
    [0xe0020, 0xe007f],
  ];
  for (const [first, last] of ranges) {
    for (let code = first; code <= last; code++) {
      const recipient = `a${String.fromCodePoint(code)}b@example.com`;
      const line = logged(recipient);
      assert.match(line, /^[\x20-\x7e]+\n$/, `U+${code.toString(16)}`);
      assert.equal(JSON.parse(line).recipient, recipient);
    }
  }
  assert.ok(logged('a\u202eb').includes('"a\\u202eb"'));
  assert.ok(logged('a\u{e0020}b').includes('"a\\udb40\\udc20b"'));
});

test('letters stay readable, and a backslash before an escaped character is one of the address', () => {
  assert.ok(logged('grüße@例え.jp').includes('"grüße@例え.jp"'));
  assert.equal(JSON.parse(logged('a\\\u0085"b')).recipient, 'a\\\u0085"b');
});

test('every address comes back as it was from its line, which is one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (recipient) => {
      const line = logged(recipient);
      assert.equal(line.indexOf('\n'), line.length - 1);
      assert.equal(JSON.parse(line).recipient, recipient);
      assert.doesNotMatch(line, /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/);
    }),
  );
});

test('for people a line has the priority of syslog, or its time, and whatever an address holds it stays one line', () => {
  const fields = 'stored id=x sender=s@example.org verdict=stored why=stored code=250 recipient=';
  assert.equal(logged('a@b', 'journal'), `<6>${fields}a@b bytes=1 ms=1\n`);
  assert.match(
    logged('a@b', 'text'),
    new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\S+Z info ${fields}a@b bytes=1 ms=1\\n$`),
  );
  assert.ok(logged('a b="c', 'journal').includes(' recipient="a b=\\"c" bytes=1'));
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (recipient) => {
      const line = logged(recipient, 'journal');
      assert.equal(line.indexOf('\n'), line.length - 1);
      assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
});

test('lines are for people in the journal and where that is asked for, and JSON in a pipe or a file', () => {
  const { dev, ino } = fstatSync(0);
  assert.equal(logFormOf('auto', `${dev}:${ino}`, 0), 'journal');
  assert.equal(logFormOf('text', `${dev}:${ino}`, 0), 'journal');
  assert.equal(logFormOf('json', `${dev}:${ino}`, 0), 'json');
  assert.equal(logFormOf('auto', `${dev}:${ino + 1}`, 0), 'json');
  assert.equal(logFormOf('auto', undefined, 0), 'json');
  assert.equal(logFormOf('text', undefined, 0), 'text');
});
