// The wrapped file: what is written is read again, and whatever else is there is refused with a sentence.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parseWrappedFile, textOf, WrappedFileError } from '../../src/custody/wrappedfile.ts';
import { type Enrolled, keyOf, usualEnrolled } from '../support/wrapped.ts';

// biome-ignore lint/suspicious/noExplicitAny: what is edited is JSON of any form
type Json = any;

let alice: Enrolled;
let text = '';

before(async () => {
  alice = await usualEnrolled();
  text = textOf(alice.file);
});

/** The text after an edit of what it says. */
function edited(edit: (root: Json) => void): string {
  const root = JSON.parse(text);
  edit(root);
  return JSON.stringify(root);
}

function complaint(of: string): string {
  try {
    parseWrappedFile(of);
  } catch (error) {
    assert.ok(error instanceof WrappedFileError, String(error));
    return error.message;
  }
  return '';
}

test('what is written is read again, and each of its secrets opens the key', async () => {
  assert.deepEqual(parseWrappedFile(text), alice.file);
  for (const secret of Object.values(alice.secrets))
    assert.deepEqual(await keyOf(parseWrappedFile(text), secret), alice.secretKey);
});

test('a later version and an unknown derivation are named, not taken for damage', () => {
  assert.match(complaint(edited((root) => (root.version = 2))), /^has version 2 of the form; .* version 1$/);
  const argon = edited((root) => (root.slots[1].kdf = { name: 'argon2id', t: 3, m: 65536, p: 4 }));
  assert.match(complaint(argon), /^slot 2 has a derivation that this Sealdir does not know: argon2id$/);
});

test('a field of a later version is refused, since it would be lost when the file is written again', () => {
  for (const edit of [
    (root: Json) => (root.cache = 'x'),
    (root: Json) => (root.upstream.user = 'x'),
    (root: Json) => (root.slots[0].used = 'today'),
    (root: Json) => (root.slots[0].kdf.pepper = 1),
    (root: Json) => (root.key.tag = ''),
  ])
    assert.match(complaint(edited(edit)), /^has a field ".*" in .* that this Sealdir does not know$/);
});

test('a file that is cut off anywhere, empty, or something else, is refused', () => {
  for (let end = 0; end < text.trimEnd().length; end += 7)
    assert.match(complaint(text.slice(0, end)), /^is (no wrapped key|damaged)/);
  for (const other of ['null', '[]', '{}', '"x"', '{"format":"other"}'])
    assert.notEqual(complaint(other), '');
});

const WRONG: readonly [string, (root: Json) => void][] = [
  ['an address with a line end', (root) => (root.address = 'a@b\nc')],
  ['a fingerprint in lower case', (root) => (root.fingerprint = 'a'.repeat(40))],
  ['a serial that is no number', (root) => (root.serial = '1')],
  ['a serial of zero', (root) => (root.serial = 0)],
  ['slots that are no list', (root) => (root.slots = {})],
  ['two slots with one id', (root) => (root.slots[1].id = root.slots[0].id)],
  ['two slots with one label', (root) => (root.slots[1].label = root.slots[0].label)],
  ['seventeen slots', (root) => (root.slots = Array(17).fill(root.slots[0]))],
  ['an unknown kind of slot', (root) => (root.slots[0].kind = 'token')],
  ['a label with an escape character', (root) => (root.slots[0].label = 'a\u001b[2J')],
  ['a date in words', (root) => (root.slots[0].made = 'yesterday')],
  ['a short salt', (root) => (root.slots[0].kdf.salt = 'AAAA')],
  ['base64 with a blank', (root) => (root.slots[0].wrap.sealed = ` ${root.slots[0].wrap.sealed}`)],
  ['a master key of another length', (root) => (root.slots[0].wrap.sealed = 'AAAA'.repeat(12))],
  ['a short nonce', (root) => (root.key.nonce = 'AAAA')],
  ['a key that is only a tag', (root) => (root.key.sealed = Buffer.alloc(16).toString('base64'))],
  ['a missing key', (root) => delete root.key],
  ['a short hash of the password for the IMAP server', (root) => (root.upstream.hash = 'AAAA')],
  ['a missing password for the IMAP server', (root) => delete root.upstream],
];

for (const [what, edit] of WRONG)
  test(`${what} is refused`, () => {
    assert.match(complaint(edited(edit)), /^is damaged: /);
  });

test('a derivation that would take the memory of a server, or next to none, is refused', () => {
  for (const cost of [
    { N: 2 ** 20 },
    { N: 2 ** 13 },
    { N: 2 ** 17 + 1 },
    { N: -16384 },
    { N: '16384' },
    { r: 64 },
    { p: 1000 },
    { p: 0.5 },
  ])
    assert.match(
      complaint(edited((root) => Object.assign(root.slots[0].kdf, cost))),
      /too weak, or too expensive/,
    );
});
