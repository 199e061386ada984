// Keys from the column of a recipient source.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_KEY_FILE_BYTES } from '../../src/keys/parsedfiles.ts';
import { SourceKeys } from '../../src/keys/sourcekeys.ts';
import { binaryOf, freshKey, revoked } from '../support/freshkey.ts';

const alice = await freshKey('alice@example.com');
const laptop = await freshKey('alice@example.com');

test('the same keys are parsed and united once, be they texts or bytes', async () => {
  const keys = new SourceKeys();
  const [first, second] = [alice.certificate.toString(), await binaryOf(laptop.certificate)];
  const entry = await keys.entryOf([first, second]);
  assert.equal(entry.certificates.length, 2);
  assert.equal(await keys.entryOf([alice.certificate, Buffer.from(second)]), entry);
  assert.notEqual(await keys.entryOf([first]), entry);
  assert.equal((await keys.entryOf([first])).certificates.length, 1);
});

test('a change of one of them counts: an old copy undoes no revocation', async () => {
  const keys = new SourceKeys();
  const [before] = (await keys.entryOf([alice.certificate, alice.certificate])).certificates;
  const [now] = (await keys.entryOf([alice.certificate, await revoked(alice)])).certificates;
  assert.equal(now?.fingerprint, before?.fingerprint);
  assert.equal(now?.parts.counts.signatures, (before?.parts.counts.signatures ?? 0) + 1);
});

test('a key that cannot be read makes all of them unusable, and says where it is from', async () => {
  const keys = new SourceKeys();
  const { problems } = await keys.entryOf([alice.certificate, 'no key']);
  assert.match(problems.join(), /^the key of the recipient source holds no OpenPGP public key/);
  const large = await keys.entryOf(['x'.repeat(MAX_KEY_FILE_BYTES + 1)]);
  assert.match(large.problems.join(), /is too large/);
});
