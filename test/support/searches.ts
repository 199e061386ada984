// What to search messages for: words that are made for one message each, and words from real ones.

import fc from 'fast-check';
import { contentOf } from '../../src/view/content.ts';
import { fieldsIn, foldedValue } from '../../src/view/fields.ts';
import type { Part } from '../../src/view/parts.ts';
import { textIn } from '../../src/view/search/charset.ts';
import { headerText } from '../../src/view/search/headertext.ts';
import type { SearchKey } from '../../src/view/search/search.ts';
import { dayNumber } from '../../src/view/search/sentday.ts';
import { decodedTransfer } from '../../src/view/search/transfer.ts';
import type { MessageView } from '../../src/view/view.ts';

const written = (name: string, text: string) => ({ name, bytes: Buffer.from(text, 'latin1') });
const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const encoded = (text: string, encoding: BufferEncoding = 'latin1') =>
  Buffer.from(text, encoding).toString('base64');

/** Messages with words that are there once. */
export const SEARCHED: readonly { name: string; bytes: Buffer }[] = [
  written(
    'letter',
    'Subject: Hello  big\n\tworld\nFrom: "Jo, Doe" <jo@Example.org> (comment)\nTo: grp: a@b.c, "X Y" <d@e.f>;\n' +
      'X-Foo: bar\n\tbaz\nDate: Mon, 02 Nov 2026 23:30:00 -0500\n\nfirst line\nsecond line end\n',
  ),
  written(
    'base64',
    `Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: base64\n\n${encoded('Gr\xfc\xdfe aus K\xf6ln')}\n`,
  ),
  written(
    'quoted-printable',
    'Subject: =?utf-8?q?=C3=9Cber_uns?= =?utf-8?q?_alle?=\nContent-Type: text/html; charset=utf-8\n' +
      'Content-Transfer-Encoding: quoted-printable\n\n<b>caf=C3=A9 na=\nht</b> foo=zz trailing   \nnext\n',
  ),
  written(
    'multipart',
    'Content-Type: multipart/mixed; boundary=x\n\npreambleword\n--x\nContent-Type: text/plain; name=mimename\n\n' +
      'partword\n--x\nContent-Type: image/png; name=imgname\n\nimageword\n--x\nContent-Type: message/rfc822\n\n' +
      'Subject: innersubject\n\ninnerbody\n--x\nContent-Type: application/octet-stream\n\napplicationword\n--x\n' +
      'Content-Type: message/delivery-status\n\nReporting-MTA: dsnword\n--x--\nepilogueword\n',
  ),
  written('8bit', 'Subject: raw gr\xfcn\nContent-Type: text/plain; charset=iso-8859-1\n\nbl\xe4ulich\n'),
  written('no charset', `Subject: n\n\nbl\xe4ulich ${utf8('ähnlich')}\n`),
  written(
    'unknown charset',
    'Subject: u\nContent-Type: text/plain; charset=x-nonsense\n\nunknownword bl\xe4u\n',
  ),
  written(
    'unknown encoding',
    'Subject: u\nContent-Transfer-Encoding: x-foo\nMIME-Version: 1.0\n\nweirdword\n',
  ),
  written(
    'UTF-16',
    `Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\n${encoded('sixteen', 'utf16le')}\n`,
  ),
  written('UTF-7', 'Content-Type: text/plain; charset=utf-7\n\nGr+APw-n seven 1 +- 2\n'),
  written('ISO-2022-JP', 'Subject: =?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?=\n\n'),
  written('decomposed', utf8('Subject: e\u0301t\n\ncafe\u0301 \uFB01sh Straße Ångström\n')),
  written(
    'broken base64',
    `Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGVsbG8g!!d29ybGQ=\nplainafter\n`,
  ),
  written('empty text', 'Subject:\nX-Foo:\nDate: bad\n\n'),
  written('ctime', 'Subject: c\nDate: Mon Nov 2 10:00:00 2026\n\n'),
  written('short date', 'Subject: s\nDate: Tue, 3 Nov 26 00:30 EST\n\n'),
  written(
    'apostrophe',
    'Subject:\n folded first\nFrom: "Mason\'s list" <m@x.example>\nTo: undisclosed-recipients:;\n' +
      'Cc: =?utf-8?q?J=C3=B6rg?= x.y O\'Neil <o.n@x.example>, "a.b" <c@d.e>, a b:;\n\n',
  ),
  written(
    'two types',
    'Content-Type: text/plain; charset=koi8-r\nContent-Type: text/plain; charset=utf-8\n\n\xf0\xd2\xc9\xd7\xc5\xd4\n',
  ),
  written(
    'multipart and text',
    'Content-Type: multipart/mixed; boundary=x\nContent-Type: text/plain\n\nnopart\n',
  ),
  written('without boundary', 'Content-Type: multipart/x\nContent-Type: text/plain\n\nboundaryless\n'),
  written('two encodings', `Content-Transfer-Encoding: base64 binary\n\n${encoded('twoencodings')}\n`),
  written('encoding; x', `Content-Transfer-Encoding: base64; x=y\n\n${encoded('withparameter')}\n`),
  written('styles', utf8('Subject: styles\n\nnot\xa0breaking ｗｉｄｅ，① tiếng… № ﬁ\n')),
  written('alias', "Content-Type: text/plain; charset='cp932'\n\n\x93\xfa\x96\x7b\n"),
  written('UTF-16 of the other order', 'Content-Type: text/plain; charset=utf-16\n\n\xfe\xff\0o\0r\0d\0e\0r'),
  written(
    'broken words',
    'Subject: =?utf-8?b?YWJj!ZGVm?= x =?utf-8?q?one?= =?utf-8?q?two\nX-Nope : =?utf-8?q?three?= =?\n\n',
  ),
  written('no colon', 'From\n : nocolonword\nX-Line\n\n'),
  written('comments in date', 'Subject: s\nDate: (c) Mon (x), 2 (y) Nov 2026 10:00:00 GMT (z)\n\n'),
];

const BROKEN = ['abc x', 'abcdef', 'one =?utf-8', 'one=?utf-8', ' folded', 'folded first'];
const IN_HEADERS: readonly (readonly [
  SearchKey['kind'] & ('subject' | 'from' | 'to' | 'cc'),
  readonly string[],
])[] = [
  [
    'subject',
    [
      'hello big world',
      'Hello  big',
      'subject',
      'ÜBER UNS ALLE',
      'uber',
      'grün',
      'こんにちは',
      'ét',
      '',
      ...BROKEN,
    ],
  ],
  [
    'from',
    ['jo, doe', 'Doe" <jo', 'comment', '<jo@example.org>', "Mason's", 'Mason\\\'s list" <m', 'nocolonword'],
  ],
  ['to', ['grp', 'x y', ';', '<a@b.c>, "X', 'c, "X', 'recipients:;', 'recipients: ;']],
  ['cc', ["Jörg x.y O'Neil <o.n@x", '"a.b" <c', '"a b":;']],
];
const IN_BODIES =
  'first line|line second|hello|grüße|GRÜSSE|köln|café|cafe|naht|foo=zz|trailing|<b>|preambleword|partword|mimename|' +
  'imageword|imgname|innersubject|innerbody|applicationword|dsnword|epilogueword|bläulich|ähnlich|unknownword|weirdword|' +
  'sixteen|Grün|seven 1 + 2|fish|ﬁsh|strasse|straße|ångström|angstrom|plainafter|Hello  big world|=?utf-8?q?|--x|x-foo: bar|' +
  'x-foo: bar baz|comment|über uns alle|привет|boundaryless|twoencodings|withparameter|not breaking|wide,1|tie|tiê|tiếng...|' +
  'no fi|日本|order|three =?|three=?|nocolonword';
const DAYS = [dayNumber(2026, 10, 2), dayNumber(2026, 10, 3), dayNumber(2002, 6, 1)].filter(
  (day) => day !== undefined,
);

/** Returns keys for the messages above, and `count` for words in these. */
export function searchesIn(views: readonly MessageView[], count: number): SearchKey[] {
  const numbers = fc.sample(fc.nat(), { seed: 11, numRuns: 6 * count });
  const below = (most: number) => (numbers.pop() ?? 0) % most;
  const picked = Array.from({ length: count }, () => pick(below, views)).filter((key) => key !== undefined);
  return [
    ...IN_HEADERS.flatMap(([kind, texts]) => texts.map((text) => ({ kind, text }))),
    ...['baz', 'bar baz', '', 'x-foo'].map((text) => ({ kind: 'header' as const, name: 'X-Foo', text })),
    { kind: 'header', name: 'X-Line', text: '' },
    { kind: 'header', name: 'From', text: '' },
    ...IN_BODIES.split('|').flatMap((text) => [
      { kind: 'body' as const, text },
      { kind: 'text' as const, text },
    ]),
    ...DAYS.flatMap((day) => (['sentbefore', 'senton', 'sentsince'] as const).map((kind) => ({ kind, day }))),
    ...[0, 100, 5000].flatMap((bytes) => (['larger', 'smaller'] as const).map((kind) => ({ kind, bytes }))),
    ...picked,
  ];
}

const KINDS = ['body', 'text', 'subject', 'from', 'to', 'cc', 'header'] as const;

function pick(below: (most: number) => number, views: readonly MessageView[]): SearchKey | undefined {
  const view = views[below(views.length)];
  const kind = KINDS[below(KINDS.length)];
  if (view === undefined || kind === undefined) return undefined;
  const fields = [...fieldsIn(view.bytes, view.parts.header)].filter(({ name }) => /^[!-9;-~]+$/.test(name));
  const named = kind === 'header' ? fields : fields.filter(({ name }) => name === kind);
  const field = named[below(named.length)];
  if (field === undefined && kind !== 'body' && kind !== 'text') return undefined;
  const source = field === undefined ? textOf(view) : headerText(foldedValue(view.bytes, field));
  const letters = [...source];
  const at = below(Math.max(1, letters.length - 10));
  const text = letters.slice(at, at + 3 + below(15)).join('');
  if (text.trim().length < 2 || /[\0\r\n\ufffd]/.test(text)) return undefined;
  return kind === 'header' ? { kind, name: field?.name ?? '', text } : { kind, text };
}

/** The text of some part. */
function textOf({ bytes, parts }: MessageView): string {
  const leaf = (part: Part): Part => {
    const [first] = part.children;
    return first === undefined ? part : leaf(first);
  };
  const { header, body } = leaf(parts);
  const { type, encoding } = contentOf(bytes, fieldsIn(bytes, header), 'message');
  const charset = type?.parameters.find(([name]) => name.toLowerCase() === 'charset')?.[1];
  return textIn(decodedTransfer(bytes.subarray(body.start, body.end), encoding) ?? Buffer.alloc(0), charset);
}
