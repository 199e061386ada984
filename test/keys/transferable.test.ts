// Whole secret keys: what can be wrapped is all there afterwards, and what cannot is refused as a whole.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { armoredSecretKey, readTransferableKey } from '../../src/keys/transferable.ts';
import { needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { shortOf } from '../support/long.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';

const ADDRESS = 'alice@example.com';
const nobody = async () => undefined;

async function sealedTo(certificate: Uint8Array): Promise<Buffer> {
  const message = await openpgp.createMessage({ text: 'hello' });
  const encryptionKeys = await openpgp.readKey({ armoredKey: Buffer.from(certificate).toString() });
  return Buffer.from(await openpgp.encrypt({ message, encryptionKeys }));
}

for (const version of shortOf([4, 6] as const, 1))
  test(`a key of version ${version} is the same after it was locked and unlocked, and opens mail`, async () => {
    const pair = await makeKey(ADDRESS, { version });
    const key = await readTransferableKey(Buffer.from(pair.secretKey), nobody);
    const locked = await armoredSecretKey(key.secretKey, 'a passphrase');
    await assert.rejects(readTransferableKey(Buffer.from(locked), nobody), /^Error: is locked: give/);
    await assert.rejects(
      readTransferableKey(Buffer.from(locked), async () => 'x'),
      /is not unlocked by this/,
    );
    const again = await readTransferableKey(Buffer.from(locked), async () => 'a passphrase');
    assert.deepEqual(again, key);
    const secretKey = await armoredSecretKey(again.secretKey);
    assert.equal(
      (await readSealed(await sealedTo(key.certificate), { ...pair, secretKey })).toString(),
      'hello',
    );
  });

test('a primary key without its secret part is taken as it is, and opens mail all the same', async () => {
  const { secretKey } = await makeKey(ADDRESS);
  const whole = await openpgp.readPrivateKey({ armoredKey: secretKey });
  (whole.keyPacket as openpgp.SecretKeyPacket).makeDummy();
  const key = await readTransferableKey(Buffer.from(whole.armor()), nobody);
  const locked = await armoredSecretKey(key.secretKey, 'a passphrase');
  const again = await readTransferableKey(Buffer.from(locked), async () => 'a passphrase');
  assert.deepEqual(again, key);
  const opened = await readSealed(await sealedTo(key.certificate), {
    certificate: '',
    secretKey: await armoredSecretKey(again.secretKey),
  });
  assert.equal(opened.toString(), 'hello');
});

test('a public key, several keys, a key that cannot open mail, and no key are refused', async () => {
  const [one, other] = await Promise.all([makeKey(ADDRESS), makeKey(ADDRESS)]);
  const read = (text: string | Uint8Array) => readTransferableKey(Buffer.from(text as string), nobody);
  await assert.rejects(read(one.certificate), /holds no secret key/);
  await assert.rejects(read(`${one.secretKey}\n${other.secretKey}`), /holds several keys/);
  const binary = await Promise.all(
    [one, other].map(async ({ secretKey }) =>
      (await openpgp.readPrivateKey({ armoredKey: secretKey })).write(),
    ),
  );
  await assert.rejects(read(Buffer.concat(binary)), /holds several keys/);
  const signing = await openpgp.readPrivateKey({ armoredKey: one.secretKey });
  for (const subkey of signing.subkeys) (subkey.keyPacket as openpgp.SecretSubkeyPacket).makeDummy();
  await assert.rejects(read(signing.armor()), /has no secret part that opens mail/);
  await assert.rejects(read(one.secretKey.slice(0, -300)), Error);
  await assert.rejects(read('nothing'), /holds no secret key/);
});

describe('the keys of the collection', needsKeyCollection(), () => {
  test('are read whole with their passphrases, or refused with a sentence', async () => {
    const collection = await openKeyCollection();
    assert.ok(collection);
    try {
      let read = 0;
      for (const { name, secretKeyFile, passphrase } of shortOf(collection.keys, 8)) {
        if (secretKeyFile === undefined) continue;
        const bytes = await readFile(secretKeyFile);
        const key = await readTransferableKey(bytes, async () => passphrase).catch((error: Error) => {
          assert.match(error.message, /^(holds|has|is) /, `${name}: ${error.message}`);
        });
        if (key === undefined) continue;
        read++;
        const again = await readTransferableKey(key.secretKey, nobody);
        assert.deepEqual(again, key, name);
      }
      assert.ok(read >= 3, `${read}`);
    } finally {
      await collection.close();
    }
  });
});
