// Messages of each kind that people get, for tests with mail clients: what a client has to show of it, and
// what it would show if it misread how the message is sealed.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GnupgHome } from './gnupghome.ts';

export interface MailKind {
  readonly name: string;
  /** In wire form, with a Message-ID of `<name@example.org>`. */
  readonly bytes: Buffer;
  readonly subject: string;
  /** What is to be read in it: one of these, since some clients show a part and others another one. */
  readonly texts: readonly string[];
  readonly attachment?: { readonly name: string; readonly bytes: Buffer };
}

/** In the text of each message. */
export const CANARY = 'CANARY';
/** In a field of each message that no policy but `visible` shows, and no client. */
export const HIDDEN = 'kwd-secret';

const EVERY_BYTE = Buffer.from(Array.from({ length: 5000 }, (_, n) => n % 256));
/** A picture of 3 by 2 pixels. */
const PICTURE =
  'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEElEQVR4nGP4z8AAQQxwFgBB0gX7h/C5SAAAAABJRU5ErkJggg==';

const INVITATION = `BEGIN:VCALENDAR\r
PRODID:-//example//test//EN\r
VERSION:2.0\r
METHOD:REQUEST\r
BEGIN:VEVENT\r
UID:meeting@example.org\r
DTSTAMP:20260101T000000Z\r
DTSTART:20260201T100000Z\r
DTEND:20260201T110000Z\r
SUMMARY:Meeting about CANARY\r
ORGANIZER:mailto:bob@example.org\r
ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:alice@example.com\r
END:VEVENT\r
END:VCALENDAR\r
`;

/** As mutt signs a text. */
const SIGNED: Signed = {
  preamble: '',
  part: 'Content-Type: text/plain\r\n\r\nsigned text CANARY\r\n',
};
/** As Thunderbird does, with the subject. */
const PROTECTED: Signed = {
  preamble: 'This is an OpenPGP/MIME signed message (RFC 4880 and 3156)\r\n',
  part: 'Content-Type: text/plain; protected-headers="v1"\r\nSubject: Quarterly protected\r\n\r\nprotected text CANARY\r\n',
};

interface Signed {
  readonly preamble: string;
  readonly part: string;
}

/**
 * Makes one message of each kind; `reply` is an answer to `plain`. What is signed, is so with the only secret
 * key of `home`.
 */
export async function makeMailKinds(home: GnupgHome, directory: string): Promise<MailKind[]> {
  return [
    kind(
      'plain',
      'Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe CANARY\r\n',
      'Grüße CANARY',
    ),
    kind('reply', 'Content-Type: text/plain\r\n\r\nan answer CANARY\r\n', 'an answer CANARY', {
      fields: 'In-Reply-To: <plain@example.org>\r\nReferences: <plain@example.org>\r\n',
    }),
    kind(
      'folded',
      'Content-Type:\r\n text/plain;\r\n\tcharset="utf-8"\r\n\r\nfolded CANARY\r\n',
      'folded CANARY',
    ),
    kind('cron', '\r\njob done CANARY\r\n', 'job done CANARY', { version: '' }),
    kind(
      'koi8',
      'Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xf0\xd2\xc9\xd7\xc5\xd4 CANARY\r\n',
      'Привет CANARY',
    ),
    kind(
      'html',
      multipart(
        'related; type="text/html"',
        'Content-Type: text/html; charset=utf-8\r\n\r\n<p>some <b>bold</b> CANARY</p><img src="cid:picture@example.org" alt="">\r\n',
        `Content-Type: image/png\r\nContent-ID: <picture@example.org>\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: base64\r\n\r\n${PICTURE}\r\n`,
      ),
      'some bold CANARY',
    ),
    kind(
      'attachment',
      multipart(
        'mixed',
        'Content-Type: text/plain\r\n\r\nsee below CANARY\r\n',
        `Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n${folded(EVERY_BYTE)}`,
      ),
      'see below CANARY',
      { attachment: { name: 'Grüße.bin', bytes: EVERY_BYTE } },
    ),
    kind(
      'invitation',
      multipart(
        'alternative',
        'Content-Type: text/plain\r\n\r\nyou are invited CANARY\r\n',
        `Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n${INVITATION}`,
      ),
      ['you are invited CANARY', 'Meeting about CANARY'],
    ),
    kind(
      'forwarded',
      multipart(
        'mixed',
        'Content-Type: text/plain\r\n\r\nfor your information\r\n',
        'Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\nFrom: Carol <carol@example.org>\r\nTo: bob@example.org\r\nSubject: within\r\nContent-Type: text/plain\r\n\r\nwhat Carol wrote CANARY\r\n',
      ),
      'what Carol wrote CANARY',
    ),
    kind(
      'bounce',
      multipart(
        'report; report-type=delivery-status',
        'Content-Type: text/plain\r\n\r\nIt could not be delivered CANARY\r\n',
        'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; x@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n',
        'Content-Type: message/rfc822\r\n\r\nFrom: alice@example.com\r\nSubject: returned\r\n\r\nwhat was sent\r\n',
      ),
      'It could not be delivered CANARY',
    ),
    kind('protected', await signedBy(home, directory, PROTECTED), 'protected text CANARY'),
    kind('signed', await signedBy(home, directory, SIGNED), 'signed text CANARY'),
  ];
}

interface More {
  readonly fields?: string;
  /** MIME-Version. */
  readonly version?: string;
  readonly attachment?: MailKind['attachment'];
}

/** Makes a message of latin1 bytes, with fields that `baseline` or `minimal` hide. */
function kind(name: string, rest: string, text: string | readonly string[], more: More = {}): MailKind {
  const { fields = '', version = 'MIME-Version: 1.0\r\n', attachment } = more;
  const header = `Received: from mx.example.org (mx.example.org [203.0.113.7])\r
	by mx.example.com with ESMTPS id 1; Thu, 01 Jan 2026 00:00:00 +0000\r
From: Bob <bob@example.org>\r
To: Alice <alice@example.com>, Carol <carol@example.org>\r
Date: ${new Date().toUTCString().replace('GMT', '+0000')}\r
Message-ID: <${name}@example.org>\r
Subject: Quarterly ${name}\r
Keywords: ${HIDDEN}\r
${fields}${version}`;
  return {
    name,
    bytes: Buffer.from(`${header}${rest}`, 'latin1'),
    subject: `Quarterly ${name}`,
    texts: typeof text === 'string' ? [text] : text,
    ...(attachment === undefined ? {} : { attachment }),
  };
}

function multipart(type: string, ...parts: readonly string[]): string {
  const written = parts.map((part) => `--edge\r\n${part}\r\n`).join('');
  return `Content-Type: multipart/${type}; boundary="edge"\r\n\r\n${written}--edge--\r\n`;
}

async function signedBy(home: GnupgHome, directory: string, signed: Signed): Promise<string> {
  const { preamble, part } = signed;
  const [file, signature] = [join(directory, 'part'), join(directory, 'part.asc')];
  await writeFile(file, part);
  await home.gpg([
    '--armor',
    '--yes',
    '--digest-algo',
    'SHA512',
    '--detach-sign',
    '--output',
    signature,
    file,
  ]);
  const armor = (await readFile(signature, 'latin1')).replaceAll('\n', '\r\n');
  const whole = multipart(
    'signed; micalg=pgp-sha512; protocol="application/pgp-signature"',
    part,
    `Content-Type: application/pgp-signature\r\n\r\n${armor}`,
  );
  return whole.replace('\r\n\r\n', `\r\n\r\n${preamble}`);
}

function folded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll(/.{1,76}/g, '$&\r\n');
}
