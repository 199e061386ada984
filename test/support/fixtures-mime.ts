// Fixtures whose oddity is in the header block or in the MIME structure.

import { type Fixture, fixture, HEADER, MIME } from './fixture.ts';

export function headerFixtures(): Fixture[] {
  const types =
    'Content-Type: text/plain\r\nContent-Type: text/html; charset=x\r\ncontent-type: image/png\r\n';
  return [
    fixture('folded line of white space only', 'X-Odd: a\r\n \r\n\t\r\n b\r\n', HEADER, '\r\nhello\r\n'),
    fixture('first line is folded', ' continues nothing\r\n', HEADER, '\r\nhello\r\n'),
    fixture('first line has no colon', 'this is no field\r\n', HEADER, '\r\nhello\r\n'),
    fixture(
      'a line without colon in mid header',
      HEADER,
      'this is no field\r\nX-After: yes\r\n\r\nhello\r\n',
    ),
    fixture('mbox From first', 'From a@example.org Thu Jan  1 00:00:00 1970\r\n', HEADER, '\r\nhello\r\n'),
    fixture(
      'quoted mbox From first',
      '>From a@example.org Thu Jan  1 00:00:00 1970\r\n',
      HEADER,
      '\r\nhello\r\n',
    ),
    fixture('8-bit field name', 'X-Gr\xfc\xdfe: a\r\n', HEADER, '\r\nhello\r\n'),
    fixture('space before the colon', 'Subject : spaced\r\n', HEADER, '\r\nhello\r\n'),
    fixture('empty field name', ': nameless\r\n', HEADER, '\r\nhello\r\n'),
    fixture('conflicting Content-Type fields', MIME, types, '\r\nhello\r\n'),
    fixture(
      'conflicting transfer encodings',
      MIME,
      'Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 8bit\r\n\r\naGk=\r\n',
    ),
    fixture(
      'Return-Path and Delivered-To of others',
      'Return-Path: <x@y.example>\r\nDelivered-To: z@y.example\r\n',
      HEADER,
      '\r\nhello\r\n',
    ),
  ];
}

export function structureFixtures(): Fixture[] {
  const multipart = (kind: string, ...parts: readonly string[]) =>
    `${MIME}Content-Type: multipart/${kind}; boundary="b"\r\n\r\n${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`;
  const signature =
    '-----BEGIN PGP SIGNATURE-----\r\n\r\nwsBzBAABCAAdFiEE\r\n=abcd\r\n-----END PGP SIGNATURE-----';
  return [
    fixture('multiparts nested 30 deep', MIME, nested(30)),
    fixture(
      'multipart that never ends',
      MIME,
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ncut off\r\n',
    ),
    fixture(
      'multipart without boundary',
      MIME,
      'Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nhello\r\n--b--\r\n',
    ),
    fixture(
      'delivery status report',
      multipart(
        'report; report-type=delivery-status',
        'Content-Type: text/plain\r\n\r\nIt failed.',
        'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; x@y.example\r\nAction: failed\r\nStatus: 5.1.1\r\n',
        'Content-Type: message/rfc822\r\n\r\nSubject: the original\r\n\r\nhello',
      ),
    ),
    fixture(
      's/mime enveloped',
      MIME,
      'Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIBfAYJKoZIhvcNAQcDoIIBbTCCAWkCAQAxggEk\r\n',
    ),
    fixture(
      's/mime opaque signed',
      MIME,
      'Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIBfAYJKoZIhvcNAQcCoIIBbTCCAWkCAQAxggEk\r\n',
    ),
    fixture(
      'pgp/mime signed',
      multipart(
        'signed; micalg=pgp-sha256; protocol="application/pgp-signature"',
        'Content-Type: text/plain\r\n\r\ntrailing space \r\n',
        `Content-Type: application/pgp-signature\r\n\r\n${signature}`,
      ),
    ),
    fixture(
      'inline pgp signed',
      HEADER,
      `\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n- -- \r\nhi\r\n${signature}\r\n`,
    ),
    fixture(
      'multipart/encrypted that holds plain text',
      multipart(
        'encrypted; protocol="application/pgp-encrypted"',
        'Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1',
        'Content-Type: application/octet-stream\r\n\r\nnot encrypted',
      ),
    ),
    fixture(
      'armor that holds no packets',
      HEADER,
      '\r\n-----BEGIN PGP MESSAGE-----\r\n\r\naGVsbG8=\r\n-----END PGP MESSAGE-----\r\n',
    ),
  ];
}

function nested(depth: number): string {
  if (depth === 0) return 'Content-Type: text/plain\r\n\r\ninnermost\r\n';
  const boundary = `level-${depth}`;
  return `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n--${boundary}\r\n${nested(depth - 1)}\r\n--${boundary}--\r\n`;
}
