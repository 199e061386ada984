// Messages as programs do write them, with what is nasty in each: invitations, reports, digests, signed mail
// and answers of mailing lists, words of many charsets cut in the wrong places, lines too long, addresses of
// all the forms that RFC 5322 §4.4 still has. oddmime.ts beside this has what nobody writes.

import fc from 'fast-check';

const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const base64 = (bytes: string) => Buffer.from(bytes, 'latin1').toString('base64');
const quoted = (bytes: string) => bytes.replace(/[^ -'*+./-9;<>A-~\r\n]/g, hexOf);
const hexOf = (byte: string) => `=${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
const from = <T>(values: readonly T[]) => fc.constantFrom(...values);
const some = <T>(values: readonly T[], most: number) =>
  fc.array(from(values), { minLength: 1, maxLength: most });

/** Charsets with words in them, a byte in each character. */
const WORDS: readonly (readonly [charset: string, words: readonly string[]])[] = [
  [
    'utf-8',
    ['Grüße', 'naïve café', 'e\u0301tude', '孫子兵法，', '①ﬁn… № ½', 'ế ộ', 'a\xa0b', 'Ωμέγα', '😀'].map(
      utf8,
    ),
  ],
  ['iso-8859-1', ['Gr\xfc\xdfe', 'ca\xf1on', 'a\xa0b', '\xbfque?']],
  ['windows-1252', ['\x84Zitat\x93', '5 \x80', 'don\x92t']],
  ['us-ascii', ['plain words', 'Gr\xfc\xdfe', "it's"]],
  ['koi8-r', ['\xf0\xd2\xc9\xd7\xc5\xd4']],
  ['gb2312', ['\xc4\xe3\xba\xc3']],
  ['euc-kr', ['\xbe\xc8\xb3\xe7']],
  ['big5', ['\xa4\xa4\xa4\xe5']],
  ['shift_jis', ['\x93\xfa\x96\x7b']],
  ['iso-2022-jp', ['\x1b$B$3$s$K$A$O\x1b(B']],
  ['utf-7', ['Gr+APw-n', '1 +- 2']],
  ['x-unknown', ['Gr\xfc\xdfe', 'unknown words']],
];
const wordOf = (charsets: typeof WORDS) =>
  from(charsets.flatMap(([charset, words]) => words.map((text) => [charset, text] as const)));
const word = wordOf(WORDS);

/** Of an encoded word whose charset is not known Dovecot finds capital letters only. */
const encodedWord = fc
  .tuple(
    wordOf(WORDS.filter(([charset]) => charset !== 'x-unknown')),
    from(['b', 'B', 'q', 'Q', 'cut', 'open']),
  )
  .map(([[charset, text], form]) => {
    const q = quoted(text).replaceAll(' ', '_').replaceAll('?', '=3F');
    if (form === 'cut')
      return `=?${charset}?B?${base64(text.slice(0, 2))}?= =?${charset}?B?${base64(text.slice(2))}?=`;
    if (form === 'open') return `=?${charset}?Q?${q}`;
    return `=?${charset}?${form}?${form.toLowerCase() === 'b' ? base64(text).replace(/=+$/, '=') : q}?=`;
  });
const fold = from([' ', ' ', '  ', '\r\n ', '\r\n\t', '\r\n  \r\n ', '\t']);
const PHRASES = [
  "Mason's list",
  'Re: Fwd:',
  'word',
  '[list]',
  'a,b',
  '=?',
  'x'.repeat(1200),
  '(c (d) \\) e)',
  '""',
];
const text = fc
  .array(
    fc.tuple(
      fc.oneof(
        encodedWord,
        word.map(([, bytes]) => bytes),
        from(PHRASES),
      ),
      fold,
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.flat().join(''));

const SPECS = [
  'a@b.example',
  'a . b @ c . d',
  '"q r"@[192.0.2.1]',
  '@x,@y:z@b.c',
  '',
  'no-domain',
  utf8('jörg@bücher.example'),
];
const NAMES = [
  'Jo',
  '"Doe, Jo"',
  '"Mason\'s \\"x\\""',
  'J. R. Doe',
  '(only) ',
  '',
  "'quoted'",
  '"=?utf-8?q?J=C3=B6rg?="',
];
const mailbox = fc
  .tuple(fc.oneof(from(NAMES), encodedWord), from(SPECS), from(['<', '<', 'bare', 'comment']))
  .map(([name, spec, form]) =>
    form === '<' ? `${name} <${spec}>` : form === 'bare' ? spec : `${spec} (${name})`,
  );
const GROUPS = [
  'undisclosed-recipients:;',
  '"A. Group":',
  'Empty : ;',
  '=?utf-8?q?Gr=C3=BCn?= x: a@b.c, "d" <e@f.g>;',
];
const addresses = fc
  .array(
    fc.tuple(fc.oneof({ weight: 4, arbitrary: mailbox }, from(GROUPS)), from([', ', ',\r\n ', ' ,', ',,'])),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((each) => each.flat().slice(0, -1).join(''));

const DATES = [
  'Mon, 02 Nov 2026 23:30:00 -0500',
  '2 Nov 26 1:02 EST',
  'Monday, 02-Nov-26 10:00:00 GMT',
  'Mon Nov  2 10:00:00 2026',
];
const MORE_DATES = [
  'Tue,\r\n 3 (c) Nov 2026 00:00:60 +0000 (UTC)',
  '31 Feb 2026 10:00 Z',
  '',
  '03 Dec 0126 10:11:12 +0000',
];
const OTHERS = [
  `DKIM-Signature: v=1; a=rsa-sha256;\r\n\tb=${'A'.repeat(70)}\r\n\t ${'B'.repeat(60)}==`,
  'Received: from x (y [192.0.2.1])\r\n\tby z (Postfix) with ESMTPS\r\n\tfor <a@b.c>; Mon, 2 Nov 2026',
  ...[
    'List-Unsubscribe: <mailto:x@y>,\r\n <https://z/?a=b>',
    'X-Empty:',
    'X-Blank: \t ',
    'Not a field',
    'Name with blank: x',
  ],
  ...[
    `X-Long: ${'y'.repeat(2000)}`,
    `${'N'.repeat(1001)}: x`,
    'Subject : blank before the colon',
    'From\r\n : folded name',
  ],
  ...[
    'Content-Type: text/plain; charset=koi8-r',
    'Content-Language: de, en-GB',
    'Content-Location: http://a/b c',
  ],
  ...[
    'X-Nul\0: a\0b',
    'X-CR: a\rSubject: b',
    `X-Raw: ${utf8('ünïcode')} \xfc`,
    'Content-Transfer-Encoding: base64 (x)',
  ],
];
const field = fc.oneof(
  fc
    .tuple(from(['Subject', 'X-Text', 'Content-Description', 'Comments']), text)
    .map((each) => each.join(': ')),
  fc.tuple(from(['Subject:\r\n ', 'SUBJECT:']), text).map((each) => each.join('')),
  fc.tuple(from(['From', 'To', 'Cc', 'Bcc', 'Reply-To', 'Sender']), addresses).map((each) => each.join(': ')),
  fc.tuple(from(['Date', 'date ']), from([...DATES, ...MORE_DATES])).map((each) => each.join(': ')),
  from(OTHERS),
  fc
    .tuple(
      from(['Message-ID', 'In-Reply-To', 'Content-ID']),
      from(['<a@b>', '<a b@c> (d)', 'x', '<a@\r\n b>']),
    )
    .map((each) => each.join(': ')),
);
const FILE = utf8("naïve's; file.txt");
const PARAMETERS = [
  `; name="${FILE}"`,
  `;\r\n\tname*0*=utf-8''na%C3%AF;\r\n name*1*=ve;name*2=".t\\"xt"`,
  ...[
    '; name=a b.txt',
    '; name',
    ';',
    '; ; x=y',
    '; format=flowed; delsp="yes"',
    '; (comment) name=(c)x.txt(d)',
    '; x==?q?=',
  ],
  ...[
    '; name*1=b; name*0=a',
    "; name*=iso-8859-1'de'%FC; name=u",
    '; name="=?utf-8?q?=C3=BC?=\r\n =?utf-8?q?x?="',
    '; method=REQUEST',
  ],
];
const parameters = fc.array(from(PARAMETERS), { maxLength: 2 }).map((each) => each.join(''));
const head = (most: number) => fc.array(field, { maxLength: most });

const LINES = [
  '-- \r\n',
  '--\r\n',
  '> quoted\r\n',
  'From here\r\n',
  '.\r\n',
  '\r\n',
  `${'long '.repeat(300)}\r\n`,
  'a\rb\r\n',
  'n\0l\r\n',
  'trailing  \r\n',
  '<b>a&nbsp;b</b>\r\n',
  'begin 644 x\r\n',
];
const ENCODINGS = [
  '7bit',
  '8bit',
  'base64',
  'one line',
  'unpadded',
  'Quoted-Printable',
  'soft',
  'binary',
  'x-uuencode',
  'BASE64 ; x',
];
const TEXTS = [
  'text/plain',
  'text/html',
  'TEXT / Plain',
  'text/x-amp-html',
  'text/calendar',
  'text/rfc822-headers',
  'message/delivery-status',
  'application/ics',
  'image/png',
  'text',
];
const leaf = fc
  .tuple(
    head(2),
    from(TEXTS),
    parameters,
    word,
    some(LINES, 3),
    from([...ENCODINGS, undefined]),
    from(['"', '', "'"]),
  )
  .map(([fields, type, more, [charset, word], lines, encoding, mark]) => {
    const plain = `${word}\r\n${lines.join('')}${word} ${word}`;
    const [name, body] = bodyIn(plain, encoding);
    const encodingField = name === undefined ? [] : [`Content-Transfer-Encoding: ${name}`];
    const typeField = `Content-Type: ${type}; charset=${mark}${charset}${mark}${more}`;
    return entity([...fields, typeField, ...encodingField], body);
  });

function bodyIn(plain: string, encoding: string | undefined): readonly [string | undefined, string] {
  const encoded = base64(plain);
  const lines = encoded.replace(/.{76}/g, '$&\r\n');
  switch (encoding) {
    case 'base64':
    case 'BASE64 ; x':
      return [encoding, lines];
    case 'one line':
      return ['base64', encoded];
    case 'unpadded':
      return ['base64', lines.replace(/=+$/, '')];
    case 'soft':
      return ['quoted-printable', quoted(plain).replace(/.{60}/g, '$&= \r\n')];
    case 'Quoted-Printable':
      return [encoding, quoted(plain)];
    default:
      return [encoding, plain];
  }
}

function entity(fields: readonly string[], body: string): string {
  return `${fields.map((each) => `${each}\r\n`).join('')}\r\n${body}`;
}

const BOUNDARIES = [
  "=_Part'()+_,-./:=?x",
  '----=_NextPart_000',
  'Apple-Mail=_1',
  'b',
  'b2',
  'two words',
  '--',
];
const SUBTYPES = [
  'mixed',
  'alternative',
  'related; type="text/html"',
  'signed; micalg=sha-256; protocol="application/pkcs7-signature"',
  'report; report-type=delivery-status',
  'digest',
  'appledouble',
];
const whole: fc.Memo<string> = fc.memo((depth) =>
  depth <= 1 ? leaf : fc.oneof({ weight: 3, arbitrary: multipart(depth) }, leaf, forwarded(depth)),
);

function multipart(depth: number): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.tuple(head(4), from(SUBTYPES), from(BOUNDARIES), parameters),
      fc.array(whole(depth - 1), { maxLength: 4 }),
      from(['', 'This is a multi-part message in MIME format.\r\n', '\r\n\r\n']),
      from(['--\r\n', '--', '--\r\n_____\r\nlist mailing list\r\n', '-- \r\n', '']),
    )
    .map(([[fields, subtype, boundary, more], parts, before, end]) => {
      const type = `Content-Type: multipart/${subtype};\r\n\tboundary="${boundary}"${more}`;
      const inside = parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('');
      return entity([...fields, type], `${before}${inside}--${boundary}${end}`);
    });
}

function forwarded(depth: number): fc.Arbitrary<string> {
  return fc
    .tuple(
      head(2),
      whole(depth - 1),
      from(['rfc822', 'rfc822', 'RFC822; name="x.eml"', 'global', 'partial; id=x']),
      fc.nat(9),
    )
    .map(([fields, inner, type, dice]) => {
      const field = `Content-Type: message/${type}`;
      if (dice > 0) return entity([...fields, field], inner);
      return entity(
        [...fields, field, 'Content-Transfer-Encoding: base64'],
        base64(inner).replace(/.{76}/g, '$&\r\n'),
      );
    });
}

/** A byte in each character of the text; line ends are of one kind. */
export function nastyMessage(): fc.Arbitrary<Buffer> {
  return fc
    .tuple(head(6), whole(4), from(['\r\n', '\n']), from(['MIME-Version: 1.0\r\n', '']))
    .map(([fields, text, end, mime]) => {
      const top = fields.map((each) => `${each}\r\n`).join('');
      return Buffer.from(`${top}${mime}${text}`.replaceAll('\r\n', end), 'latin1');
    });
}
