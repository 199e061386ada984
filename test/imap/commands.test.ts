// What clients ask of messages: FETCH, SEARCH, and what they are told of capabilities.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { narrowed } from '../../src/imap/capability.ts';
import { type FetchItem, fetchOf } from '../../src/imap/fetch.ts';
import { CharsetFault, isAboutText, searchOf, valuesOf } from '../../src/imap/search.ts';
import { SyntaxFault, ValueReader } from '../../src/imap/values.ts';
import { segmentsOf } from '../../src/imap/write.ts';

const read = (text: string, ...more: string[]) =>
  new ValueReader([text, ...more].map((each) => Buffer.from(each, 'latin1'))).rest();
const fetch = (text: string, ...more: string[]) =>
  fetchOf([text, ...more].map((each) => Buffer.from(each, 'latin1')));
const items = (text: string) => fetch(`1:* ${text}`).items;
const labels = (text: string) =>
  items(text).map((each: FetchItem) =>
    each.kind === 'word' ? each.word : `${each.label}${each.isPeek ? '' : ' seen'}`,
  );

test('items of FETCH are named as an answer names them', () => {
  assert.deepEqual(labels('FAST'), ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE']);
  assert.deepEqual(labels('(uid body body.peek[] BODY[1.2.MIME]<5.10>)'), [
    'UID',
    'BODY',
    'BODY[]',
    'BODY[1.2.MIME]<5> seen',
  ]);
  assert.deepEqual(labels('BODY.PEEK[HEADER.FIELDS (From "To")]'), ['BODY[HEADER.FIELDS (From To)]']);
  assert.deepEqual(labels('BODY.PEEK[2.header.fields.not (x)]'), ['BODY[2.HEADER.FIELDS.NOT (x)]']);
  assert.deepEqual(labels('(RFC822 RFC822.HEADER RFC822.TEXT)'), [
    'RFC822 seen',
    'RFC822.HEADER',
    'RFC822.TEXT seen',
  ]);
  const [literal] = fetch('1 BODY[HEADER.FIELDS (', 'X-A', ')]').items;
  assert.deepEqual(literal?.kind === 'section' && literal.section.names, ['X-A']);
});

test('what is nothing to fetch is refused', () => {
  const odd = [
    '',
    '()',
    'BODY[MIME]',
    'BODY[0]',
    'BODY[1.]',
    'BODY[HEADER.FIELDS]',
    'BODY[HEADER (x)]',
    'BODY[1 2]',
  ];
  for (const text of [
    ...odd,
    'BODY[]<5>',
    'BODY[]<1.0>',
    'BINARY[1]',
    'PREVIEW',
    'BODY[HEADER.FIELDS ()]',
    'X[]',
  ])
    assert.throws(() => items(text), SyntaxFault, text);
  for (const set of ['1:', '$', '(1)']) assert.throws(() => fetch(`${set} FLAGS`), SyntaxFault, set);
});

const tree = (text: string, ...more: string[]) => searchOf(read(text, ...more)).tree;
const again = (text: string) => segmentsOf(valuesOf(tree(text))).join('');

test('keys of SEARCH about the text of messages are told from others, however they stand together', () => {
  for (const text of ['ALL', 'OR SEEN (UID 5:7 NOT 3)', 'KEYWORD text', 'SINCE 1-Jan-2026'])
    assert.equal(isAboutText(tree(text)), false, text);
  for (const text of ['BODY x', 'OR SEEN NOT (ALL (HEADER a b))', 'UNSEEN LARGER 5', 'SENTON 1-Jan-2026'])
    assert.equal(isAboutText(tree(text)), true, text);
  assert.equal(again('OR SEEN (UID 5:7 NOT 3)'), 'OR SEEN (UID 5:7 NOT 3)');
  assert.equal(again('SEEN BODY x'), '(SEEN BODY x)');
  const key = tree('SUBJECT', 'Gr\xc3\xbc\xc3\x9fe', '');
  assert.equal(key.kind === 'opened' && key.key.kind === 'text' && key.key.wanted, 'Grüße');
  const latin = tree('CHARSET iso-8859-1 SUBJECT', 'Gr\xfc\xdfe', '');
  assert.equal(latin.kind === 'opened' && latin.key.kind === 'text' && latin.key.wanted, 'Grüße');
});

test('MODSEQ is a key for the server behind, and a charset is called what it is here', () => {
  for (const text of ['MODSEQ 5', 'OR (SEEN MODSEQ "/flags/\\\\Draft" all 620162338) NOT ALL'])
    assert.deepEqual([searchOf(read(text)).asksForModseq, again(text)], [true, text]);
  assert.equal(isAboutText(tree('MODSEQ 5')), false);
  assert.equal(searchOf(read('SEEN BODY MODSEQ')).asksForModseq, false);
  for (const text of ['MODSEQ', 'MODSEQ x', 'MODSEQ "/flags/x" 5', 'MODSEQ "/flags/x" none 5', 'MODSEQ 1:2'])
    assert.throws(() => tree(text), SyntaxFault, text);
  const charset = (...written: [string, ...string[]]) => searchOf(read(...written)).charset;
  assert.equal(charset('CHARSET ', '\r\nUTF8', ' BODY a'), 'utf-8');
  assert.equal(charset('CHARSET Latin1 BODY a'), 'windows-1252');
  assert.equal(charset('BODY a'), undefined);
});

test('what is no key of SEARCH is refused, and a charset that is not known by its name', () => {
  const odd = [
    '',
    'OR ALL',
    'NOT',
    'BODY',
    'HEADER a',
    'LARGER x',
    'FUZZY BODY x',
    'RETURN (COUNT) ALL',
    'constructor',
  ];
  for (const text of [...odd, `${'('.repeat(200)}ALL${')'.repeat(200)}`, `${'NOT '.repeat(500)}ALL`])
    assert.throws(() => tree(text), SyntaxFault, text.slice(0, 30));
  assert.throws(() => tree('CHARSET x-none BODY a'), CharsetFault);
});

test('capabilities that were not thought through are not offered, wherever they are told', () => {
  const line = '* OK [CAPABILITY IMAP4rev1 SORT THREAD=REFS IDLE QRESYNC AUTH=PLAIN] hello';
  assert.equal(narrowed(line), '* OK [CAPABILITY IMAP4rev1 IDLE] hello');
  assert.equal(
    narrowed('* CAPABILITY IMAP4rev1 BINARY COMPRESS=DEFLATE MOVE'),
    '* CAPABILITY IMAP4rev1 MOVE',
  );
  assert.equal(narrowed('* OK [UIDNEXT 4] x'), '* OK [UIDNEXT 4] x');
});
