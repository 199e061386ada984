// Messages of kinds that are rare in the corpus. Each has one oddity and is in wire form: not dot-stuffed,
// ending in CRLF.

import { type Fixture, fixture, HEADER, MIME, wire } from './fixture.ts';
import { headerFixtures, structureFixtures } from './fixtures-mime.ts';

export const FIXTURES: readonly Fixture[] = [
  ...charsets(),
  ...controlBytes(),
  ...lineEnds(),
  ...dots(),
  ...sizes(),
  ...headerFixtures(),
  ...structureFixtures(),
];

/** Returns a message of about `bytes` bytes, for tests that need many megabytes. */
export function messageOfSize(bytes: number): Buffer {
  const line = `${'The quick brown fox jumps over the lazy dog. 0123456789'.padEnd(76, '=')}\r\n`;
  return wire(`${HEADER}\r\n`, line.repeat(Math.ceil(bytes / line.length)));
}

function charsets(): Fixture[] {
  const body = (charset: string) => `${MIME}Content-Type: text/plain; charset=${charset}\r\n\r\n`;
  const konnichiwa = '\x1b$B$3$s$K$A$O\x1b(B';
  return [
    fixture(
      'iso-2022-jp body, escapes in the header too',
      `Subject: ${konnichiwa}\r\n`,
      body('iso-2022-jp'),
      konnichiwa,
      '\r\n',
    ),
    fixture(
      'gb18030 body with four-byte characters',
      body('gb18030'),
      '\xc4\xe3\xba\xc3 \x81\x30\x84\x36\x90\x30\x81\x30\r\n',
    ),
    fixture('raw latin1 header and body', 'Subject: Gr\xfc\xdfe\r\n', body('iso-8859-1'), 'stra\xdfe\r\n'),
    fixture('windows-1252 body declared as us-ascii', body('us-ascii'), '\x93quoted\x94 \x80 5\r\n'),
    fixture('utf-16 body', body('utf-16le'), 'h\0i\0\r\0\n\0\r\n'),
    fixture('invalid utf-8 declared as utf-8', body('utf-8'), '\xff\xfe\xc0\x80 \xed\xa0\x80\r\n'),
    fixture(
      'smtputf8 header',
      Buffer.from('From: Jürgen <jürgen@bücher.example>\r\nSubject: 你好 Grüße\r\n\r\nhello\r\n'),
    ),
    fixture(
      'every byte value in the body',
      HEADER,
      '\r\n',
      Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
      '\r\n',
    ),
  ];
}

function controlBytes(): Fixture[] {
  return [
    fixture('nul bytes in the body', HEADER, '\r\n', 'a\0b\0\0c\r\n\0\r\n'),
    fixture('nul byte in a header field', 'X-Nul: a\0b\r\n', HEADER, '\r\nhello\r\n'),
    fixture('del, bell and escape in the body', HEADER, '\r\n\x7f\x07\x1b[31m\r\n'),
  ];
}

function lineEnds(): Fixture[] {
  return [
    fixture('bare cr in the body', HEADER, '\r\none\rtwo\r\r\nthree\r\r\r\n'),
    fixture('bare lf in the body', HEADER, '\r\none\ntwo\n\nthree\r\n'),
    fixture('bare cr in the header', 'X-Cr: one\rX-Two: two\r\n', HEADER, '\r\nhello\r\n'),
    fixture('bare lf in the header', 'X-Lf: one\nX-Two: two\r\n', HEADER, '\r\nhello\r\n'),
    fixture('bare lf pair before the real end of the header', 'X-Early: end\n\n', HEADER, '\r\nhello\r\n'),
    fixture('ends of data that are none', HEADER, '\r\na\n.\nb\n.\r\nc\r.\rd\r.\r\ne\r\n.\nf\r\n.\rg\r\n'),
    fixture('ends in empty lines', HEADER, '\r\nhello\r\n\r\n\r\n\r\n'),
    fixture('trailing white space', HEADER, '\r\nhello \t \r\n \r\n\t\r\n'),
  ];
}

function dots(): Fixture[] {
  return [
    fixture('lines that start with dots', HEADER, '\r\n.\r\n..\r\n...\r\n.foo\r\n..foo\r\n. \r\nx.\r\n'),
    fixture('only dots', HEADER, '\r\n', '.\r\n'.repeat(1000)),
    fixture('dot after a bare lf or cr', HEADER, '\r\nx\n.y\n..z\r.w\r..v\r\n'),
    fixture('starts with a dot', '.Subject: dot\r\n\r\nhello\r\n'),
    fixture('one line of dots', HEADER, `\r\n${'.'.repeat(5000)}\r\n`),
  ];
}

function sizes(): Fixture[] {
  const field = (n: number) => `X-Field-${n}: ${'v'.repeat(60)}\r\n`;
  return [
    fixture('no bytes at all'),
    fixture('one empty line', '\r\n'),
    fixture('two empty lines', '\r\n\r\n'),
    fixture('one character', 'x\r\n'),
    fixture('body without header', '\r\nno header at all\r\nonly this\r\n'),
    fixture('header without body', HEADER),
    fixture('header, empty line, nothing', HEADER, '\r\n'),
    fixture('body line of 100 kB', HEADER, `\r\n${'0123456789'.repeat(10_000)}\r\n`),
    fixture('header line of 100 kB', `X-Long: ${'0123456789'.repeat(10_000)}\r\n`, HEADER, '\r\nhello\r\n'),
    fixture('lines of 998 and 999 bytes', HEADER, `\r\n${'a'.repeat(998)}\r\n${'b'.repeat(999)}\r\n`),
    fixture(
      'header block of 1 MB',
      Array.from({ length: 14_000 }, (_, n) => field(n)).join(''),
      HEADER,
      '\r\nhello\r\n',
    ),
    fixture(
      'one field folded 10,000 times',
      `References:${'\r\n <x@example.org>'.repeat(10_000)}\r\n`,
      HEADER,
      '\r\nhi\r\n',
    ),
  ];
}
