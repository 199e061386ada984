// A wrapped file of which anything was edited opens nothing, and a slot is of no use in another file.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { codeOf } from '../../src/custody/code.ts';
import { unwrapKey } from '../../src/custody/slot.ts';
import { upstreamPassword } from '../../src/custody/upstream.ts';
import {
  parseWrappedFile,
  textOf,
  type WrappedFile,
  WrappedFileError,
} from '../../src/custody/wrappedfile.ts';
import { isLong, shortOf } from '../support/long.ts';
import { type Enrolled, enrolled, keyOf, usualEnrolled } from '../support/wrapped.ts';

// biome-ignore lint/suspicious/noExplicitAny: what is edited is JSON of any form
type Json = any;

let alice: Enrolled;

before(async () => {
  alice = await usualEnrolled();
});

/** Opens with the password what an edit makes of the file. */
async function opens(edit: (root: Json) => void): Promise<Buffer | undefined> {
  const root = JSON.parse(textOf(alice.file));
  edit(root);
  try {
    return await keyOf(parseWrappedFile(JSON.stringify(root)), alice.secrets.password);
  } catch (error) {
    if (error instanceof WrappedFileError) return undefined;
    throw error;
  }
}

/** Changes one bit of what a base64 text stands for. */
function flipped(base64: string, at: number): string {
  const bytes = Buffer.from(base64, 'base64');
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes.toString('base64');
}

const EDITS: readonly [string, (root: Json) => void][] = [
  ['the version', (root) => (root.version = 2)],
  ['the address', (root) => (root.address = 'bob@example.com')],
  ['the fingerprint', (root) => (root.fingerprint = `${'A'.repeat(39)}B`)],
  ['the id of its slot', (root) => (root.slots[0].id = '00000000')],
  ['the label of its slot', (root) => (root.slots[0].label = 'telephone')],
  ['the date of its slot', (root) => (root.slots[0].made = '2020-01-01T00:00:00Z')],
  ['the kind of its slot', (root) => (root.slots[0].kind = 'device')],
  ['the salt', (root) => (root.slots[0].kdf.salt = flipped(root.slots[0].kdf.salt, 3))],
  ['the cost of its derivation', (root) => (root.slots[0].kdf.N = 2 ** 15)],
  ['the parallelism of its derivation', (root) => (root.slots[0].kdf.p = 2)],
  [
    'the nonce of the master key',
    (root) => (root.slots[0].wrap.nonce = flipped(root.slots[0].wrap.nonce, 0)),
  ],
  ['the nonce of the secret key', (root) => (root.key.nonce = flipped(root.key.nonce, 0))],
];

describe('the password opens the file, and does not any more after an edit of', () => {
  test('nothing', async () => {
    assert.deepEqual(await opens(() => undefined), alice.secretKey);
    // it is no part of what is bound: whoever revokes a slot has no secret to bind it with
    assert.deepEqual(await opens((root) => (root.serial = 9)), alice.secretKey);
  });

  for (const [what, edit] of shortOf(EDITS, 4))
    test(what, async () => {
      assert.equal(await opens(edit), undefined);
    });

  test('any byte of the wrapped master key, and of some of the wrapped secret key', async () => {
    for (let at = 0; at < 48; at += isLong ? 5 : 24)
      assert.equal(
        await opens((root) => (root.slots[0].wrap.sealed = flipped(root.slots[0].wrap.sealed, at))),
        undefined,
      );
    for (const at of isLong ? [0, 299, 315] : [299])
      assert.equal(await opens((root) => (root.key.sealed = flipped(root.key.sealed, at))), undefined);
  });
});

test('a file under the name of another address opens nothing, nor with the slots or the key of another', async () => {
  // these files are not read again, so that their derivations may cost less than a file could say
  const cheap = { N: 1024, r: 8, p: 1 };
  const alice = await enrolled('alice@example.com', 'A'.repeat(40), randomBytes(300), cheap);
  const bob = await enrolled('bob@example.com', 'B'.repeat(40), randomBytes(300), cheap);
  const { address, fingerprint } = bob.file;
  const mixed: readonly WrappedFile[] = [
    { ...alice.file, address, fingerprint },
    { ...alice.file, slots: bob.file.slots },
    { ...alice.file, key: bob.file.key },
    { ...bob.file, slots: alice.file.slots },
    { ...bob.file, key: alice.file.key },
    { ...bob.file, slots: [...bob.file.slots, ...alice.file.slots] },
  ];
  // each of these has the same password, and codes of both
  for (const file of mixed.slice(0, 5))
    for (const { secrets } of [alice, bob])
      for (const secret of Object.values(secrets)) assert.equal(await keyOf(file, secret), undefined);
  assert.deepEqual(await keyOf(mixed[5] as WrappedFile, bob.secrets.device), bob.secretKey);
  assert.equal(await keyOf(mixed[5] as WrappedFile, alice.secrets.device), undefined);
});

test('a code with a typing error, another password, and no password open nothing', async () => {
  const { password, device } = alice.secrets;
  const last = device.endsWith('0') ? '1' : '0';
  const all = [`${device.slice(0, -1)}${last}`, '', ' ', `${password} `, password.toUpperCase()];
  for (const wrong of shortOf(all, 2)) assert.equal(await keyOf(alice.file, wrong), undefined, wrong);
});

test('a password opens in each form that keyboards give it, and a code in any case', async () => {
  const { file, secretKey, secrets } = alice;
  assert.deepEqual(await keyOf(file, secrets.password.replaceAll(' ', '\u00a0')), secretKey);
  assert.deepEqual(await keyOf(file, secrets.device.toLowerCase().replaceAll('-', ' ')), secretKey);
});

test('the file alone opens nothing: no text and no bytes in it, nor what else is public of its owner', async () => {
  const { file } = await enrolled('alice@example.com', 'A'.repeat(40), randomBytes(300), {
    N: 1024,
    r: 8,
    p: 1,
  });
  const texts = [...textOf(file).matchAll(/"([^"]+)"/g)].map(([, each = '']) => each);
  const decoded = texts.map((each) => Buffer.from(each, 'base64'));
  const codes = decoded.filter(({ length }) => length >= 16).map((bytes) => codeOf(bytes.subarray(0, 16)));
  const guesses = ['', 'alice', 'A'.repeat(16), ...texts, ...codes];
  for (const guess of shortOf(guesses, 20)) assert.equal(await keyOf(file, guess), undefined, guess);
  // as a master key, and as what a slot derives of it
  const all = Buffer.concat([Buffer.alloc(32), ...decoded]);
  for (let at = 0; at + 32 <= all.length; at++) {
    const key = all.subarray(at, at + 32);
    assert.equal(unwrapKey(file, key), undefined);
    assert.equal(upstreamPassword(file, key), undefined);
  }
});

test('nothing of the secrets, the master key or the secret key stands in the file', () => {
  const bytes = Buffer.from(textOf(alice.file));
  for (const secret of Object.values(alice.secrets)) {
    assert.equal(bytes.includes(secret), false);
    assert.equal(bytes.includes(Buffer.from(secret).toString('base64').slice(0, 12)), false);
  }
  const decoded = Buffer.concat(
    [...bytes.toString().matchAll(/"([A-Za-z0-9+/=]{12,})"/g)].map(([, each = '']) =>
      Buffer.from(each, 'base64'),
    ),
  );
  for (let at = 0; at + 8 <= alice.secretKey.length; at += 8)
    assert.equal(decoded.includes(alice.secretKey.subarray(at, at + 8)), false);
});
