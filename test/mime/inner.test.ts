// What a header policy puts into a message: what mail clients look for, where they look for it, and nothing
// where it would do harm.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HeaderPolicy } from '../../src/core/headerpolicy.ts';
import { HeaderScanner } from '../../src/mime/header.ts';
import { splitHeader } from '../../src/mime/inner.ts';
import { literalNameOf, withInsertions } from '../../src/mime/insertions.ts';
import { openCorpus } from '../support/corpus.ts';
import { FIXTURES } from '../support/fixtures.ts';
import { originalOf } from '../support/original.ts';

const corpus = openCorpus();
const ADDED = '; hp="cipher"; protected-headers="v1"';
const POLICIES: readonly HeaderPolicy[] = ['visible', 'baseline', 'minimal'];

function split(message: Buffer | string, policy: HeaderPolicy, own = Buffer.alloc(0)) {
  const scanner = new HeaderScanner(2 * 1024 * 1024);
  const bytes = Buffer.isBuffer(message) ? message : Buffer.from(message, 'latin1');
  const scan = scanner.update(bytes);
  assert.notEqual(scan.state, 'tooBig');
  return { bytes, ...splitHeader(scan.state === 'complete' ? scan.block : scanner.end(), policy, own) };
}

/** Returns what is sealed. Checks on the way that the original comes out of it again. */
function inside(message: Buffer | string, policy: HeaderPolicy, name?: string): Buffer {
  const { bytes, insertions } = split(message, policy);
  const held = Buffer.concat([...withInsertions(bytes, insertions)]);
  const original = originalOf([held], literalNameOf(insertions));
  assert.ok(original && Buffer.concat(original).equals(bytes), `${policy}: ${name ?? message}`);
  return held;
}

/** Returns the Content-Type that `value` becomes, without the name of its field. */
function typeOf(value: string): string {
  const held = inside(`Content-Type:${value}\r\nFrom: a\r\n\r\nbody\r\n`, 'baseline').toString('latin1');
  const [, type = ''] = /^content-type:((?:.|\r\n[ \t])*)\r\n(?![ \t])/im.exec(held) ?? [];
  return type;
}

test('nothing is put into a visible message', () => {
  for (const message of ['', 'Subject: x\r\n\r\n', 'Content-Type: text/plain\r\n\r\nx', 'x'])
    assert.equal(inside(message, 'visible').toString('latin1'), message);
});

test('baseline and minimal add the fields of outside, and parameters, to the inside', () => {
  const message =
    'From: a\r\nTo: b,\r\n\tc\r\nSubject: s\r\n\tt\r\nKeywords: k\r\nContent-Type: text/html\r\n\r\nx\r\n';
  const fields = 'HP-Outer: From: a\r\nHP-Outer: To: b,\r\n\tc\r\nHP-Outer: Subject: [...]\r\n';
  const altered = message.replace('text/html', `text/html${ADDED}`);
  assert.equal(inside(message, 'baseline').toString(), fields + altered);
  const fewer = 'HP-Outer: From: a\r\nHP-Outer: Subject: [...]\r\n';
  assert.equal(inside(message, 'minimal').toString(), fewer + altered);
});

test('the parameters stand directly after the type, however it is written', () => {
  const types: [value: string, altered: string][] = [
    [' text/plain', ` text/plain${ADDED}`],
    ['text/plain;charset=utf-8', `text/plain${ADDED};charset=utf-8`],
    ['\r\n text/plain;\r\n\tcharset="a\\"; b"', `\r\n text/plain${ADDED};\r\n\tcharset="a\\"; b"`],
    [' multipart/mixed; boundary="unended', ` multipart/mixed${ADDED}; boundary="unended`],
    [' (a (b) \\) c) text/plain', ' (a (b) \\) c) text/plain'], // nested: not read, so left alone
    [' (a \\) c)\r\n text / (x) plain (y)', ` (a \\) c)\r\n text / (x) plain${ADDED} (y)`],
    [' text/plain charset=utf-8', ` text/plain${ADDED} charset=utf-8`],
    [' text/plain;', ` text/plain${ADDED};`],
    [' Application/vnd.a+b', ` Application/vnd.a+b${ADDED}`],
  ];
  for (const [value, altered] of types) assert.equal(typeOf(value), altered);
});

test("the sender's own parameters of these names are renamed, and what looks like them is not", () => {
  const types: [value: string, altered: string][] = [
    [' text/plain; hp="clear"; x=y', ` text/plain${ADDED}; x-hp="clear"; x=y`],
    [
      ' text/plain; charset=a;\r\n\tProtected-Headers = v1;HP*=x',
      ` text/plain${ADDED}; charset=a;\r\n\tx-Protected-Headers = v1;x-HP*=x`,
    ],
    [
      ' text/plain; name="; hp=x"; hpx=1; (; hp=1) a=b',
      ` text/plain${ADDED}; name="; hp=x"; hpx=1; (; hp=1) a=b`,
    ],
  ];
  for (const [value, altered] of types) assert.equal(typeOf(value), altered);
});

test('a message without a Content-Type gets the one that it has by default, and an empty header too', () => {
  const type = `Content-Type: text/plain; charset=utf-8${ADDED}\r\n`;
  assert.equal(
    inside('Subject: x\r\n\r\nbody\r\n', 'minimal').toString(),
    `${type}HP-Outer: Subject: [...]\r\nSubject: x\r\n\r\nbody\r\n`,
  );
  assert.equal(
    inside('\r\nbody\r\n', 'baseline').toString(),
    `${type}HP-Outer: Subject: [...]\r\n\r\nbody\r\n`,
  );
});

test('the subject of a message that is signed with OpenPGP stands before its parts as well', () => {
  const type = (rest: string) => `Content-Type: multipart/signed${rest}\r\n`;
  const pgp = ';\r\n\tmicalg=pgp-sha512; protocol="application/pgp-signature"; boundary=b';
  const held = (message: string) => inside(message, 'baseline').toString();
  const body = '\r\n--b\r\n\r\nx\r\n--b--\r\n';
  const preamble = '\r\nContent-Type: text/plain; protected-headers="v1"\r\nSubject: s\r\n\tt\r\n';
  const subject = 'Subject: s\r\n\tt\r\n';
  assert.ok(held(`${subject}${type(pgp)}${body}`).endsWith(`${type(ADDED + pgp)}${preamble}${body}`));
  for (const message of [
    `${subject}${type('; protocol="application/pkcs7-signature"')}${body}`,
    `${subject}${type('; x="a"')}${body}`,
    `${subject}${subject}${type(pgp)}${body}`,
    `${subject}${type(pgp)}${type(pgp)}${body}`,
    `${type(pgp)}${body}`,
    `${subject}${type(`${'; hp=x'.repeat(10)}${pgp}`)}${body}`, // as many places as a name has room for
  ])
    assert.doesNotMatch(held(message), /protected-headers="v1"\r\nSubject/, message);
});

test('every Content-Type of several gets the parameters', () => {
  const held = inside('Content-Type: a/b\r\nX: y\r\ncontent-type: c/d\r\n\r\n', 'baseline').toString();
  assert.ok(held.endsWith(`Content-Type: a/b${ADDED}\r\nX: y\r\ncontent-type: c/d${ADDED}\r\n\r\n`), held);
});

test("a sender's own HP-Outer fields, and what looks like ours, stay", () => {
  const own = `HP-Outer: Subject: mine\r\nContent-Type: text/plain${ADDED}\r\n\r\nHP-Outer: x: y\r\n`;
  const held = inside(own, 'baseline').toString();
  assert.match(held, /^HP-Outer: HP-Outer: Subject: mine\r\n/);
  assert.match(held, /\r\nHP-Outer: Subject: mine\r\n/);
  const again = Buffer.from(held);
  assert.notDeepEqual(inside(again, 'baseline'), again);
});

test('what would change the meaning of the message is left alone, and its subject hidden all the same', () => {
  const type = 'Content-Type: text/html\r\n';
  for (const message of [
    `Subject: x\r\nNo Field\r\n${type}\r\nbody\r\n`,
    `Subject: x\r\nX: a\rb\r\n${type}\r\nbody\r\n`,
    `From x@example.org Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n${type}\r\nbody\r\n`,
    'Subject: x\r\n',
    'Subject: x\r\nContent-Type: text\r\n\r\nbody\r\n',
    'Subject: x\r\nContent-Type:\r\n\r\nbody\r\n',
    'Subject: x\r\nContent-Type: text/plain/html\r\n\r\nbody\r\n',
    `Subject: x\r\nContent-Type: ${' '.repeat(20_000)}text/plain\r\n\r\nbody\r\n`,
    `Subject: x\r\n${type.repeat(20)}\r\nbody\r\n`,
    `Subject: x\r\nContent-Type: a/b${'; hp=x'.repeat(20)}\r\n\r\nbody\r\n`,
  ]) {
    assert.equal(inside(message, 'baseline').toString('latin1'), message);
    assert.equal(split(message, 'baseline').outside.toString(), 'Subject: [...]\n');
  }
});

test('of every fixture the original comes out again', () => {
  for (const { name, bytes } of FIXTURES) for (const policy of POLICIES) inside(bytes, policy, name);
});

test('of every message of the corpus the original comes out again', { skip: corpus.skip }, () => {
  for (const message of corpus.messages)
    for (const policy of POLICIES) inside(message.wire(), policy, message.name);
});

test('of any bytes the original comes out again', () => {
  const piece = fc.constantFrom(
    ...['\r', '\n', '\r\n', ' ', '\t', ':', ';', '"', '(', ')', '\\', 'a/b', 'Subject: s', '\xe4', '\0'],
    ...['Content-Type: ', 'HP-Outer: ', 'hp=', 'protected-headers="v1"', ADDED, 'From ', 'sealdir-added:'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.constantFrom(...POLICIES), (pieces, policy) => {
      inside(pieces.join(''), policy);
    }),
    { numRuns: 3000 },
  );
});

test('our own field is first inside where something is put there anyway, and else outside, with LF', () => {
  const own = Buffer.from('Own: field\r\n\tfolded\r\n');
  for (const [message, policy, isInside] of [
    ['Subject: a\r\n\r\nbody', 'baseline', true],
    ['Subject: a\r\nContent-Type: text/plain\r\n\r\nbody', 'minimal', true],
    ['Subject: a\r\n\r\nbody', 'visible', false],
    ['Subject: a\r\nContent-Type: none\r\n\r\nbody', 'baseline', false],
    ['no header', 'minimal', false],
  ] as const) {
    const { insertions, own: outside } = split(message, policy, own);
    const [first = { at: 0, bytes: Buffer.alloc(0) }] = insertions;
    assert.equal(first.bytes.includes(own), isInside, message);
    assert.equal(first.bytes.indexOf(own), isInside ? 0 : -1);
    assert.equal(outside.toString(), isInside ? '' : 'Own: field\n\tfolded\n');
  }
});
