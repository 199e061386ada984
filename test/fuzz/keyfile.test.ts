// Real key files, damaged by accident or malice: each is refused with a KeyFileError, or gives certificates
// that can be judged and encrypted to in a short time. None of them is a secret key.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareSealer } from '../../src/delivery/seal.ts';
import { realWorld } from '../../src/edge/world.ts';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { sealingKeysOf } from '../../src/keys/sessionkeys.ts';
import { UNMETERED } from '../support/delivery.ts';
import { binaryOf, freshKey, revoked } from '../support/freshkey.ts';
import { fuzz } from '../support/fuzz.ts';
import { openKeyCollection } from '../support/keys.ts';
import { mutated } from '../support/mutate.ts';
import { hugeDsa, hugeRsaExponent, withBadSubkeys } from '../support/oddkeys.ts';
import { assertPlain } from '../support/plainwords.ts';

const parts = { world: realWorld('mx.example.com'), meter: UNMETERED };

async function madeHere(): Promise<Buffer[]> {
  const keys = await Promise.all([
    freshKey('a@example.com'),
    freshKey('b@example.com', { kind: 'v4-aead', subkeys: 3 }),
    freshKey('c@example.com', { kind: 'v6' }),
  ]);
  const files = await Promise.all(
    keys.map(async (key) => [
      key.certificate,
      await binaryOf(key.certificate),
      await binaryOf(await revoked(key)),
      key.secretKey,
      Buffer.from(key.secret.write()),
    ]),
  );
  return files.flat();
}

/** Resolves to certificates of many programs, if the key collection is there. */
async function collected(): Promise<Buffer[]> {
  const collection = await openKeyCollection();
  await collection?.close();
  return (collection?.keys ?? []).map(({ certificate }) => certificate).filter((each) => each.length > 0);
}

async function checkFile(bytes: Buffer): Promise<void> {
  const certificates = await parseCertificates(bytes).catch((error: unknown) => {
    assert.ok(error instanceof KeyFileError, `${error}`);
    assertPlain(error.message);
    return [];
  });
  const now = new Date();
  for (const certificate of certificates) {
    for (const packet of [certificate.primary, ...certificate.subkeys])
      assert.ok(packet === undefined || !('privateParams' in packet), 'a secret key');
    for (const subkeys of ['all', 'newest'] as const) {
      const judged = await judgeCertificate(certificate, now, { subkeys });
      if ('keys' in judged) await prepareSealer(sealingKeysOf([judged]), parts);
      else assertPlain(judged.reason);
    }
  }
}

test('any file made from key files is refused, or can be judged and encrypted to', async (t) => {
  const files = [...(await madeHere()), ...(await collected())];
  const alice = await freshKey('alice@example.com');
  await fuzz(t, {
    arbitrary: mutated(files),
    finds: [hugeDsa(2048), hugeRsaExponent(2048), await withBadSubkeys(alice, 1000)],
    check: checkFile,
  });
});
