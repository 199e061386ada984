// Messages as nobody should write them: MIME that nests in wrong ways, header fields of all shapes, line ends
// of each kind. Made from pieces that mean something to a parser, so that most of them reach its corners.

import fc from 'fast-check';

const BOUNDARIES = ['x', 'xy', 'y', 'x--', 'a b', '', '=_1', 'b'.repeat(70), 'b'.repeat(85)];
const CHARACTERS = [
  ...'ab "\\()<>@,;:.[]=*%\'\t/?&-_{}|',
  '\xfc',
  '\x80',
  '\r\n ',
  '\r\n\t',
  '=?utf-8?q?=C3=BC?=',
];
const WORDS = [
  'a',
  'b.c',
  '"q r"',
  '(c)',
  '<a@b.c>',
  'a@b.c',
  'Name',
  '=?iso-8859-1?q?=FC?=',
  'g:',
  ';',
  ',',
];
const TYPES = [
  'text/plain',
  'TEXT/HTML',
  'image/png',
  'message/rfc822',
  'multipart/mixed',
  'multipart/digest',
];
const ODD_TYPES = ['text', 'multipart', 'message/', '/x', 'a/b/c', 'text/plain x', 'Multipart/X-y', ''];
const NAMES = ['Subject', 'From', 'To', 'Cc', 'Reply-To', 'Date', 'Message-ID', 'In-Reply-To', 'X-Other'];
const CONTENT = ['ID', 'Description', 'Disposition', 'Language', 'Location', 'MD5', 'Transfer-Encoding'];

const from = <T>(values: readonly T[]) => fc.constantFrom(...values);
const joined = (pieces: readonly string[], most: number, by = '') =>
  fc.array(from(pieces), { maxLength: most }).map((each) => each.join(by));

const value = fc.oneof(joined(CHARACTERS, 12), joined(WORDS, 5, ' '), joined(WORDS, 4));
const parameter = fc
  .tuple(
    from(['charset', 'name', 'a', 'a*', 'a*0', 'a*1', 'a*1*', 'boundary']),
    from(['=', ' = ', '']),
    value,
  )
  .map(([name, mark, text]) => `; ${name}${mark}${text}`);
const parameters = fc.array(parameter, { maxLength: 3 }).map((each) => each.join(''));
const plainField = fc.oneof(
  fc.tuple(from(NAMES), from([': ', ':', ' : ', ':\r\n ']), value).map((each) => each.join('')),
  fc.tuple(from(CONTENT), value, parameters).map(([name, text, more]) => `Content-${name}: ${text}${more}`),
  from(['MIME-Version: 1.0', 'no field', ' continued', ':', 'Content-Type: text/plain; charset=us-ascii']),
);
const fields = (most: number) => fc.array(plainField, { maxLength: most });
const body = fc.oneof(
  joined(
    ['text', ' ', '\r\n', '\r\n', '--', '--x', '\r\n--x', '=3D', '=\r\n', 'dGV4dA==', '\xfc', '\r\n.'],
    8,
  ),
  from(['', '\r\n', 'body\r\n', 'no line end']),
);

interface Entity {
  readonly text: string;
}

/** A header and a body, as text of which each character is a byte, with CRLF. */
const entity: fc.Memo<Entity> = fc.memo((depth) =>
  depth <= 1
    ? leaf
    : fc.oneof({ weight: 2, arbitrary: leaf }, { weight: 3, arbitrary: multipart(depth) }, message(depth)),
);
const leaf = fc
  .tuple(fields(4), from([...TYPES, ...ODD_TYPES, undefined]), parameters, from(['\r\n', '\r\n', '']), body)
  .map(([some, type, more, blank, text]) => {
    const typed = type === undefined ? some : [...some, `Content-Type: ${type}${more}`];
    return { text: `${typed.map((field) => `${field}\r\n`).join('')}${blank}${text}` };
  });

function multipart(depth: number): fc.Arbitrary<Entity> {
  const separator = from(['', '', '', ' ', '-', 'z', '--']);
  return fc
    .tuple(
      from(BOUNDARIES),
      from(['mixed', 'digest', 'alternative; x=y']),
      fields(2),
      fc.array(fc.tuple(separator, entity(depth - 1)), { maxLength: 4 }),
      from(['--{}--\r\n', '--{}--', '--{}-- \r\nepilogue\r\n', '', '--{}', '--{}--x\r\n--{}\r\n']),
      from(['', 'preamble\r\n', '\r\n']),
    )
    .map(([boundary, subtype, some, parts, end, preamble]) => {
      const inside = parts.map(([odd, { text }]) => `--${boundary}${odd}\r\n${text}\r\n`).join('');
      const head = [`Content-Type: multipart/${subtype}; boundary="${boundary}"`, ...some].join('\r\n');
      return { text: `${head}\r\n\r\n${preamble}${inside}${end.replaceAll('{}', boundary)}` };
    });
}

function message(depth: number): fc.Arbitrary<Entity> {
  return fc
    .tuple(entity(depth - 1), from(['', 'Content-Transfer-Encoding: base64\r\n', 'Content-ID: x\r\n']))
    .map(([{ text }, more]) => ({ text: `Content-Type: message/rfc822\r\n${more}\r\n${text}` }));
}

/** `lines`: how its lines end. Bare CR and NUL are rare elsewhere, and Dovecot contradicts itself there. */
export function oddMessage(lines: 'usual' | 'any' = 'usual'): fc.Arbitrary<Buffer> {
  const ends = lines === 'usual' ? ['\r\n', '\n'] : ['\r\n', '\n', '\r', '\r\r\n', '\0\n'];
  return fc
    .tuple(fields(6), entity(4), from(ends))
    .map(([some, { text }, end]) =>
      Buffer.from(`${some.map((field) => `${field}\r\n`).join('')}${text}`.replaceAll('\r\n', end), 'latin1'),
    );
}
