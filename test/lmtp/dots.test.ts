import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DotDecoder } from '../../src/lmtp/dots.ts';
import { BYTE_BY_BYTE, type Cut, cut, someCut, WHOLE } from '../support/chunks.ts';
import { openCorpus } from '../support/corpus.ts';
import { type ReadData, readData } from '../support/data.ts';
import { FIXTURES } from '../support/fixtures.ts';
import { isLong, shortOf } from '../support/long.ts';
import { asData } from '../support/wireform.ts';

const corpus = openCorpus();

/**
 * Decodes data cut into pieces. Bytes after its end are the rest, in the last piece and in all later ones.
 */
function decoded(data: Buffer, lengths: Cut): ReadData {
  const decoder = new DotDecoder();
  const message: Buffer[] = [];
  const pieces = cut(data, lengths);
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
    const result = decoder.update(piece);
    message.push(...result.pieces);
    if (result.rest === undefined) continue;
    const rest = Buffer.concat([result.rest, ...pieces]).toString('latin1');
    return { message: Buffer.concat(message).toString('latin1'), rest };
  }
  return { message: Buffer.concat(message).toString('latin1'), rest: undefined };
}

const hostile = fc
  .array(
    fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom('\r', '\n', '.', 'a') },
      fc.constantFrom('\r\n', '\r\n.', '\0', '\xff'),
    ),
    {
      maxLength: 60,
    },
  )
  .map((pieces) => pieces.join(''));

test('any bytes, however they are cut, decode as the rule says', () => {
  fc.assert(
    fc.property(
      hostile,
      fc.array(fc.nat(6), { minLength: 1 }).filter((lengths) => lengths.some(Boolean)),
      (data, lengths) => {
        assert.deepEqual(decoded(Buffer.from(data, 'latin1'), lengths), readData(data));
      },
    ),
    { numRuns: isLong ? 5000 : 500 },
  );
});

test('every text of up to seven CR, LF, dots and letters decodes as the rule says, whole and byte by byte', () => {
  const grow = (texts: string[]) =>
    texts.flatMap((text) => ['\r', '\n', '.', 'a'].map((byte) => text + byte));
  let texts = [''];
  for (let length = 1; length <= 7; length++) {
    texts = grow(texts);
    for (const text of texts) {
      const expected = readData(text);
      for (const lengths of [WHOLE, BYTE_BY_BYTE]) {
        const actual = decoded(Buffer.from(text), lengths);
        if (actual.message !== expected.message || actual.rest !== expected.rest)
          assert.deepEqual(actual, expected, JSON.stringify(text));
      }
    }
  }
});

const SMUGGLING = [
  '\n.\n',
  '\n.\r\n',
  '\r.\r',
  '\r\n.\r',
  '\r\n.\n',
  '\r.\r\n',
  '\n.\r',
  '\r.\n',
  '\r\n.\r\r\n',
  '\r\n..\r\n',
];

for (const sequence of SMUGGLING) {
  test(`${JSON.stringify(sequence)} never ends the data, at any cut`, () => {
    const data = Buffer.from(`a${sequence}MAIL FROM:<b@example.org>\r\n.\r\nQUIT\r\n`);
    const whole = decoded(data, WHOLE);
    assert.equal(whole.rest, 'QUIT\r\n');
    assert.match(whole.message, /MAIL FROM:<b@example\.org>\r\n$/);
    for (let first = 1; first < data.length; first++) {
      for (const next of [1, 2, 3, data.length]) assert.deepEqual(decoded(data, [first, next]), whole);
    }
  });
}

test('a dot after a bare LF or CR stays, and so does a second one', () => {
  for (const message of ['a\n.b', 'a\n..b', 'a\r.b', 'a\r..b', 'a\r\r.b', 'a\n\r.b'])
    assert.equal(decoded(Buffer.from(`${message}\r\n.\r\n`), WHOLE).message, `${message}\r\n`);
});

test('one dot at the start of a line is removed, even if the sender forgot to double it', () => {
  for (const [sent, message] of [
    ['..', '.'],
    ['...', '..'],
    ['.a', 'a'],
    ['. ', ' '],
    ['.\ra', '\ra'],
    ['.\n', '\n'],
  ])
    assert.equal(decoded(Buffer.from(`${sent}\r\n.\r\n`), BYTE_BY_BYTE).message, `${message}\r\n`);
});

test('data that is the final dot alone is a message of no bytes', () => {
  for (const lengths of [WHOLE, BYTE_BY_BYTE, [2, 1]])
    assert.deepEqual(decoded(Buffer.from('.\r\n'), lengths), { message: '', rest: '' });
});

test('every fixture comes back from dot-stuffing byte for byte, and bytes pipelined after it are the rest', () => {
  for (const { name, bytes } of FIXTURES) {
    const data = Buffer.concat([asData(bytes), Buffer.from('MAIL FROM:<>\r\n.\r\n')]);
    const expected = { message: bytes.toString('latin1'), rest: 'MAIL FROM:<>\r\n.\r\n' };
    for (const lengths of [WHOLE, [65_536], [1000, 7]])
      assert.ok(same(decoded(data, lengths), expected), name);
    if (data.length < 20_000) assert.ok(same(decoded(data, BYTE_BY_BYTE), expected), name);
  }
});

test('every fixture comes back from dot-stuffing however it is cut', () => {
  fc.assert(
    fc.property(fc.constantFrom(...FIXTURES), someCut, ({ bytes }, lengths) => {
      assert.ok(same(decoded(asData(bytes), lengths), { message: bytes.toString('latin1'), rest: '' }));
    }),
  );
});

test('every message of the corpus comes back from dot-stuffing', { skip: corpus.skip }, () => {
  for (const message of shortOf(corpus.messages, 100)) {
    const bytes = message.wire();
    const expected = { message: bytes.toString('latin1'), rest: '' };
    assert.ok(same(decoded(asData(bytes), [8192]), expected), message.name);
  }
});

/** Compares without printing: deepEqual would print megabytes. */
function same(actual: ReadData, expected: ReadData): boolean {
  return actual.message === expected.message && actual.rest === expected.rest;
}
