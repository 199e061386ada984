import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  copyWithLfLines,
  fieldsOf,
  type HeaderBlock,
  HeaderScanner,
  headerFieldsOf,
  type RawField,
} from '../../src/mime/header.ts';
import { BYTE_BY_BYTE, type Cut, cut, someCut, WHOLE } from '../support/chunks.ts';
import { openCorpus } from '../support/corpus.ts';
import { FIXTURES } from '../support/fixtures.ts';

const corpus = openCorpus();
const LIMIT = 2 * 1024 * 1024;

interface Scanned {
  readonly state: 'complete' | 'tooBig';
  readonly fields: readonly RawField[];
  readonly isCertain: boolean;
}

function scan(message: Buffer, lengths: Cut = WHOLE, maxBytes = LIMIT): Scanned {
  const scanner = new HeaderScanner(maxBytes);
  const complete = (block: HeaderBlock): Scanned => ({
    state: 'complete',
    fields: [...fieldsOf(block)],
    isCertain: block.isCertain,
  });
  for (const piece of cut(message, lengths)) {
    const result = scanner.update(piece);
    if (result.state === 'complete') return complete(result.block);
    if (result.state === 'tooBig') return { state: 'tooBig', fields: [], isCertain: false };
  }
  return complete(scanner.end());
}

function blockOf(message: Buffer | string, lengths: Cut = WHOLE): Scanned {
  const result = scan(typeof message === 'string' ? Buffer.from(message, 'latin1') : message, lengths);
  assert.equal(result.state, 'complete');
  return result;
}

function fieldsIn(message: Buffer | string, lengths: Cut = WHOLE): readonly RawField[] {
  return blockOf(message, lengths).fields;
}

function namesIn(message: string): string[] {
  return fieldsIn(message).map((field) => field.name);
}

/** Checks that the fields in their order are the start of the message, or follow an mbox line there. */
function assertPrefix(message: Buffer, name: string): void {
  const block = Buffer.concat(fieldsIn(message).map((field) => field.bytes));
  const isMbox = /^>?From (?![ \t]*:)/.test(message.toString('latin1', 0, 100));
  const from = isMbox && block.length > 0 ? message.indexOf('\n') + 1 : 0;
  assert.ok(message.subarray(from, from + block.length).equals(block), name);
}

test('the fields of every fixture are the start of the message, byte for byte', () => {
  for (const { name, bytes } of FIXTURES) assertPrefix(bytes, name);
});

test('the fields of every message of the corpus are the start of the message', { skip: corpus.skip }, () => {
  for (const message of corpus.messages) assertPrefix(message.wire(), message.name);
});

test('every fixture gives the same fields whole, in chunks and byte by byte', () => {
  for (const { name, bytes } of FIXTURES) {
    const whole = fieldsIn(bytes);
    assert.deepEqual(fieldsIn(bytes, [1000, 7]), whole, name);
    const start = bytes.subarray(0, 20_000); // a header of 1 MB byte by byte takes seconds
    assert.deepEqual(fieldsIn(start, BYTE_BY_BYTE), fieldsIn(start), name);
  }
});

test('any start of a message gives the same answer under any limit however it is cut', () => {
  const piece = fc.constantFrom(
    '\r',
    '\n',
    '\r\n',
    ' ',
    '\t',
    ':',
    'a',
    'A: b',
    'From ',
    '>',
    '.',
    '\0',
    '\xe4',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), someCut, fc.nat(80), (pieces, lengths, maxBytes) => {
      const message = Buffer.from(pieces.join(''), 'latin1');
      const whole = scan(message, WHOLE, maxBytes);
      assert.deepEqual(scan(message, lengths, maxBytes), whole);
      assert.deepEqual(scan(message, BYTE_BY_BYTE, maxBytes), whole);
      assertPrefix(message, JSON.stringify(pieces.join('')));
    }),
    { numRuns: 500 },
  );
});

test('names are in lower case, with or without a blank after the colon', () => {
  const names = ['subject', 'x-odd', 'to', 'empty'];
  assert.deepEqual(namesIn('SUBJECT: a\r\nX-Odd:\tb\r\nto:c\r\nempty:\r\n\r\n'), names);
});

test('a field has its folded lines', () => {
  const [first, second, ...others] = fieldsIn('A: 1\r\n 2\r\n\t3\r\nB: 4\r\n\r\nC: body\r\n');
  assert.deepEqual(others, []);
  assert.equal(first?.bytes.toString(), 'A: 1\r\n 2\r\n\t3\r\n');
  assert.equal(second?.bytes.toString(), 'B: 4\r\n');
});

test('only an empty line makes a header certain', () => {
  for (const end of ['\r\n', '\n', '\r\nbody\r\n']) assert.equal(blockOf(`A: 1\r\n${end}`).isCertain, true);
  for (const end of ['', ' \r\n', 'Dear Bob,\r\n\r\n', '\xfc: x\r\n\r\n', '\r\r\n'])
    assert.equal(blockOf(`A: 1\r\n${end}`).isCertain, false, JSON.stringify(end));
});

const BODIES: readonly (readonly [what: string, message: string, names: readonly string[]])[] = [
  ['a message that is a body only', '\r\nSecret: in the body\r\n', []],
  ['an empty line of a bare LF', 'A: 1\r\n\nSecret: 2\r\n', ['a']],
  ['a message of LF lines', 'A: 1\n\nSecret: 2\n', ['a']],
  ['an empty line after a bare LF', 'A: 1\n\r\nSecret: 2\r\n', ['a']],
  ['a line that is a bare CR', 'A: 1\r\n\r\r\nSecret: 2\r\n', ['a']],
  ['a field after a bare CR', 'A: 1\r\n\rSecret: 2\r\n', ['a']],
  ['a folded line that is blank', 'A: 1\r\n \t\r\nSecret: 2\r\n\r\n', ['a']],
  ['a folded line of a control character', 'A: 1\r\n \x0b\r\nSecret: 2\r\n\r\n', ['a']],
  ['a first line of white space', ' \r\nSecret: 2\r\n', []],
  ['a first line that is folded', ' Secret: 2\r\nA: 1\r\n', []],
  ['a first line without a colon', 'Dear Bob,\r\nSecret: 2\r\n', []],
  ['a line without a colon in mid header', 'A: 1\r\nDear Bob,\r\nSecret: 2\r\n', ['a']],
  ['a name of 8-bit characters', 'A: 1\r\nGr\xfc\xdfe: x\r\nSecret: 2\r\n', ['a']],
  ['a name with a blank inside', 'A: 1\r\nDear Bob: x\r\nSecret: 2\r\n', ['a']],
  ['a line that begins with a colon', 'A: 1\r\n: x\r\nSecret: 2\r\n', ['a']],
  ['a name with a control character', 'A: 1\r\nB\x07: x\r\nSecret: 2\r\n', ['a']],
  ['a name with a NUL', 'A: 1\r\nB\0: x\r\nSecret: 2\r\n', ['a']],
  ['an mbox line in mid header', 'A: 1\r\nFrom x Thu Jan  1 00:00:00\r\nSecret: 2\r\n', ['a']],
  ['an mbox line and then a folded one', 'From x Thu Jan  1 00:00:00 1970\r\n \r\nSecret: 2\r\n', []],
  ['an mbox line and then an empty line', 'From x Thu Jan  1 00:00:00 1970\r\n\r\nSecret: 2\r\n', []],
  ['a second mbox line', 'From x Thu Jan  1 00:00:00 1970\r\n'.repeat(2).concat('Secret: 2\r\n\r\n'), []],
  // each of these is the start of the body for some reader, a bare CR also in two parts of a line end
  ['a quoted mbox line', '>From x Thu Jan  1 00:00:00 1970\r\nSecret: 2\r\n\r\n', []],
  ['an mbox line without a year', 'From x Thu Jan  1 00:00:00\r\nSecret: 2\r\n\r\n', []],
  ['a sentence that begins like an mbox line', 'From now on:\r\nSecret: 2\r\n\r\n', []],
  ['an mbox line with a NUL', 'From x\0y Thu Jan  1 00:00:00 1970\r\nSecret: 2\r\n\r\n', []],
  ['a bare CR in a field', 'A: 1\r\nB: 2\rC: 3\r\nSecret: 2\r\n\r\n', ['a']],
  ['two bare CRs in a field', 'A: 1\r\nB: 2\r\rC: 3\r\nSecret: 2\r\n\r\n', ['a']],
  ['a bare CR before a CRLF', 'A: 1\r\nB: 2\r\r\nSecret: 2\r\n\r\n', ['a']],
  ['a bare CR in a folded line', 'A: 1\r\nB: 2\r\n 3\r4\r\nSecret: 2\r\n\r\n', ['a']],
  ['a folded line of a bare CR and text', 'A: 1\r\nB: 2\r\n \r4\r\nSecret: 2\r\n\r\n', ['a']],
  ['a bare CR in the first field', 'A: 1\rB: 2\r\nSecret: 2\r\n\r\n', []],
  ['a bare CR after a bare LF', 'A: 1\n\rSecret: 2\r\n\r\n', ['a']],
  ['a NUL in a field', 'A: 1\r\nB: 2\0\r\nSecret: 2\r\n\r\n', ['a']],
  ['a NUL in a folded line', 'A: 1\r\nB: 2\r\n 3\0\r\nSecret: 2\r\n\r\n', ['a']],
  ['a vertical tab in a field', 'A: 1\r\nB: 2\vC: 3\r\nSecret: 2\r\n\r\n', ['a']],
  ['a form feed in a field', 'A: 1\r\nB: 2\f\fC: 3\r\nSecret: 2\r\n\r\n', ['a']],
  ['a record separator in a field', 'A: 1\r\nB: 2\x1e\r\nSecret: 2\r\n\r\n', ['a']],
  ['a blank before the colon', 'A: 1\r\nB : 2\r\nSecret: 2\r\n\r\n', ['a']],
  ['a tab before the colon', 'A: 1\r\nB\t: 2\r\nSecret: 2\r\n\r\n', ['a']],
  ['a first field "From :"', 'From : a@example.org\r\nSecret: 2\r\n\r\n', []],
];

for (const [what, message, names] of BODIES) {
  test(`${what} ends the header: nothing after it passes for a field`, () => {
    assert.deepEqual(namesIn(message), names);
  });
}

test('an mbox line before the header is skipped, and the header after it is not certain', () => {
  for (const mbox of ['From x@example.org Thu Jan  1 00:00:00 1970', 'From x  Fri Dec 31 23:59:59 1999']) {
    const { fields, isCertain } = blockOf(`${mbox}\r\nA: 1\r\n\r\n`);
    assert.deepEqual(
      fields.map(({ name }) => name),
      ['a'],
    );
    assert.equal(isCertain, false);
  }
});

test('8-bit bytes and the escapes of ISO-2022-JP in a field do not end the header', () => {
  assert.deepEqual(namesIn('A: \xfc\x85\xff\x7f\r\nB: \x1b$B\x0e\x0f\x07\r\nC: 3\r\n\r\n'), ['a', 'b', 'c']);
});

test('a last line without its line end is no field', () => {
  assert.deepEqual(namesIn('A: 1\r\nB: 2'), ['a']);
});

test('a header block of 1 MB is taken, with all of its fields', () => {
  const big = FIXTURES.find(({ name }) => name === 'header block of 1 MB');
  assert.ok(big !== undefined);
  assert.equal(fieldsIn(big.bytes, [65_536]).length, 14_003);
});

test('a header block of exactly the limit is taken, and with one byte more it is too big', () => {
  const message = Buffer.from('A: 1\r\nB: 2\r\n\r\nbody');
  for (const lengths of [WHOLE, BYTE_BY_BYTE, [3, 5]]) {
    assert.equal(scan(message, lengths, 14).state, 'complete');
    assert.equal(scan(message, lengths, 13).state, 'tooBig');
  }
});

test('a header that never ends is too big one byte over the limit, and not before', () => {
  for (const unit of ['a', 'A: 1\r\n', ' x\r\n', 'A:']) {
    const message = Buffer.from(`A: 1\r\n${unit.repeat(1000)}`).subarray(0, 1001);
    const scanner = new HeaderScanner(1000);
    const states = cut(message, BYTE_BY_BYTE).map((piece) => scanner.update(piece).state);
    assert.equal(states.indexOf('tooBig'), 1000, JSON.stringify(unit));
  }
});

test('below a doubtful line the header is seen to its empty line, and neither shown nor too big', () => {
  const header = `A: 1\r\nodd line\r\n${'B: 2\r\n'.repeat(50)}C : 3\r\nD: 4\r\n folded\r\n`;
  const message = Buffer.from(`${header}\r\nE: 5\r\n\r\n`);
  for (const lengths of [WHOLE, BYTE_BY_BYTE, [7, 30]]) {
    const scanner = new HeaderScanner(LIMIT);
    let seen = Buffer.alloc(0);
    for (const piece of cut(message, lengths)) {
      if (scanner.update(piece).state !== 'complete') continue;
      seen = Buffer.from(scanner.seen);
      break;
    }
    assert.ok(seen.toString().startsWith(`${header}\r\n`));
    const fields = [...headerFieldsOf(seen)].map(({ name, bytes }) => `${name} ${bytes}`);
    assert.deepEqual(fields, ['a A: 1\r\n', ...Array(50).fill('b B: 2\r\n'), 'd D: 4\r\n folded\r\n']);
    assert.deepEqual(
      blockOf(message, lengths).fields.map(({ name }) => name),
      ['a'],
    );
    assert.equal(scan(message, lengths, 100).state, 'complete', 'what is shown ended within the limit');
  }
  assert.equal(scan(Buffer.from('no header\r\n'.repeat(100)), BYTE_BY_BYTE, 500).state, 'complete');
});

test('the bytes seen so far are the message as it came, in every state', () => {
  const message = Buffer.from('A: 1\r\n\r\nbody');
  for (const lengths of [WHOLE, BYTE_BY_BYTE, [3]]) {
    const scanner = new HeaderScanner(LIMIT);
    for (const piece of cut(message, lengths)) scanner.update(piece);
    assert.ok(scanner.seen.equals(message));
  }
});

test('a field in LF lines has lost its blank folded lines and the CRs of its CRLFs, and nothing else', () => {
  const turned = (text: string) => {
    const out = Buffer.alloc(3 + text.length, 'x');
    const end = copyWithLfLines({ name: 'a', bytes: Buffer.from(text, 'latin1') }, out, 3);
    return out.toString('latin1', 3, end);
  };
  assert.equal(turned('A: 1\r\n\t2\r\n'), 'A: 1\n\t2\n');
  assert.equal(turned('A: 1\r\n \t\r\n 2\r\n  \r\n'), 'A: 1\n 2\n');
  assert.equal(turned('A: \xfc\xff\x1b$B\r\n'), 'A: \xfc\xff\x1b$B\n');
  assert.equal(turned('A: 1\n 2\n'), 'A: 1\n 2\n');
});
