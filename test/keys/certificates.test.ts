// Certificates made on the spot: what keys/certificates.ts takes, refuses and agrees on. Runs everywhere.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { sealingKeysOf, sessionKeyPackets } from '../../src/keys/sessionkeys.ts';
import type { UsableCertificate } from '../../src/keys/usable.ts';
import { addressees, binaryOf, freshKey, openSealed, revoked } from '../support/freshkey.ts';
import { sealTo } from '../support/sealto.ts';

const NOW = new Date();
const DAY_MS = 24 * 60 * 60 * 1000;
const daysFromNow = (days: number) => new Date(NOW.getTime() + days * DAY_MS);
const MESSAGE = Buffer.from('Subject: hi\r\n\r\nbytes \xff\0\r\n', 'latin1');

async function usableIn(file: Buffer, now = NOW, subkeys: 'all' | 'newest' = 'all') {
  const judged = await Promise.all(
    (await parseCertificates(file)).map((certificate) => judgeCertificate(certificate, now, { subkeys })),
  );
  return judged.filter((each): each is UsableCertificate => 'keys' in each);
}

async function keysIn(...files: Buffer[]) {
  const usable = (await Promise.all(files.map((file) => usableIn(file)))).flat();
  return { usable, encryption: sealingKeysOf(usable).encryption };
}

test('a message to a v4 key without AEAD is SEIPD v1, and the key opens it', async () => {
  const alice = await freshKey('alice@example.com');
  const keys = await keysIn(alice.certificate);
  assert.deepEqual(keys.encryption, { version: 1, keyBytes: 32 });
  assert.deepEqual((await openSealed(await sealTo(keys, MESSAGE), [alice.secret])).plaintext, MESSAGE);
});

for (const kind of ['v4-aead', 'v6'] as const) {
  test(`a message to a ${kind} key is SEIPD v2, and the key opens it`, async () => {
    const alice = await freshKey('alice@example.com', { kind });
    const keys = await keysIn(alice.certificate);
    assert.equal(keys.encryption.version, 2);
    assert.deepEqual((await openSealed(await sealTo(keys, MESSAGE), [alice.secret])).plaintext, MESSAGE);
  });
}

test('a v6 key and a v4 key without AEAD share a copy in SEIPD v1, and each opens it', async () => {
  const old = await freshKey('alice@example.com');
  for (const kind of ['v4-aead', 'v6'] as const) {
    const modern = await freshKey('alice@example.com', { kind });
    const keys = await keysIn(modern.certificate, old.certificate);
    assert.equal(keys.encryption.version, 1);
    const sealed = await sealTo(keys, MESSAGE);
    for (const { secret } of [modern, old]) {
      assert.deepEqual((await openSealed(sealed, [secret])).plaintext, MESSAGE);
    }
  }
});

test('a v6 key and a v4 key that announces AEAD share a copy in SEIPD v2, and each opens it', async () => {
  const both = [
    await freshKey('a@example.com', { kind: 'v6' }),
    await freshKey('a@example.com', { kind: 'v4-aead' }),
  ];
  const keys = await keysIn(...both.map(({ certificate }) => certificate));
  assert.equal(keys.encryption.version, 2);
  const sealed = await sealTo(keys, MESSAGE);
  for (const { secret } of both) assert.deepEqual((await openSealed(sealed, [secret])).plaintext, MESSAGE);
});

test('an expired key is usable before its expiry and not after it', async () => {
  const key = await freshKey('alice@example.com', {
    createdAt: daysFromNow(-10),
    lifetimeSeconds: 5 * 86_400,
  });
  assert.equal((await usableIn(key.certificate, daysFromNow(-6))).length, 1);
  assert.equal((await usableIn(key.certificate, daysFromNow(-4))).length, 0);
});

test('a key that expires between judgement and sealing gets no session key', async () => {
  const key = await freshKey('alice@example.com', {
    createdAt: daysFromNow(-1),
    lifetimeSeconds: 2 * 86_400,
  });
  const keys = await keysIn(key.certificate);
  await sessionKeyPackets(keys, Buffer.alloc(32), NOW);
  await assert.rejects(sessionKeyPackets(keys, Buffer.alloc(32), daysFromNow(2)), /expired/);
});

test('no session key is made for no key', async () => {
  const encryption = { version: 1, keyBytes: 32 } as const;
  await assert.rejects(sessionKeyPackets({ usable: [], encryption }, Buffer.alloc(32), NOW), /no key/);
});

test('a key of the future is not usable yet', async () => {
  const key = await freshKey('alice@example.com', { createdAt: daysFromNow(30) });
  assert.equal((await usableIn(key.certificate)).length, 0);
  assert.equal((await usableIn(key.certificate, daysFromNow(31))).length, 1);
});

test('a revoked key is not usable', async () => {
  const key = await freshKey('alice@example.com');
  assert.equal((await usableIn(await revoked(key))).length, 0);
});

test('a revoked and an older copy of a key in one file are one revoked key, in either order', async () => {
  const key = await freshKey('alice@example.com');
  const bad = await revoked(key);
  assert.equal((await usableIn(Buffer.concat([bad, key.certificate]))).length, 0, 'revoked copy first');
  assert.equal((await usableIn(Buffer.concat([key.certificate, bad]))).length, 0, 'revoked copy last');
});

test('with "newest" a message goes to the newest subkey, with "all" to each', async () => {
  const key = await freshKey('alice@example.com', { subkeys: 3 });
  const [all] = await usableIn(key.certificate);
  const [newest] = await usableIn(key.certificate, NOW, 'newest');
  assert.ok(all && newest);
  assert.equal(all.keys.length, 3);
  assert.equal(newest.keys.length, 1);
  const sealed = await sealTo({ usable: [all], encryption: sealingKeysOf([all]).encryption }, MESSAGE);
  assert.deepEqual((await addressees(sealed)).sort(), all.keys.map(({ keyId }) => keyId).sort());
});

test('a certificate is read binary, armored, with CRLF, with text around it and behind a byte order mark', async () => {
  const { certificate } = await freshKey('alice@example.com');
  const text = certificate.toString();
  const [{ fingerprint } = { fingerprint: '' }] = await parseCertificates(certificate);
  const spellings = {
    binary: await binaryOf(certificate),
    crlf: Buffer.from(text.replaceAll('\n', '\r\n')),
    'text around it': Buffer.from(`Übliche Worte\n\n${text}\nbye\n`),
    'byte order mark': Buffer.from(`\uFEFF${text}`),
  };
  for (const [name, file] of Object.entries(spellings)) {
    const read = await parseCertificates(file).catch((error: Error) =>
      assert.fail(`${name}: ${error.message}`),
    );
    assert.deepEqual(
      read.map((each) => each.fingerprint),
      [fingerprint],
      name,
    );
  }
});

test('every certificate of a file is used, and each of their owners opens the message', async () => {
  const both = [await freshKey('a@example.com'), await freshKey('b@example.com')];
  const [first, second] = both.map(({ certificate }) => certificate) as [Buffer, Buffer];
  for (const file of [
    Buffer.concat([first, second]),
    Buffer.concat([await binaryOf(first), await binaryOf(second)]),
  ]) {
    const sealed = await sealTo(await keysIn(file), MESSAGE);
    for (const { secret } of both) assert.deepEqual((await openSealed(sealed, [secret])).plaintext, MESSAGE);
  }
});

test('a file with a secret key in it is refused, wherever the secret key stands', async () => {
  const key = await freshKey('alice@example.com');
  const secretBinary = Buffer.from(key.secret.write());
  const other = await freshKey('bob@example.com');
  const disguised = Buffer.from(key.secretKey.toString().replaceAll('PRIVATE KEY', 'PUBLIC KEY'));
  const files = [
    key.secretKey,
    secretBinary,
    Buffer.concat([other.certificate, key.secretKey]),
    Buffer.concat([await binaryOf(other.certificate), secretBinary]),
    disguised,
  ];
  for (const [n, file] of files.entries()) {
    await assert.rejects(
      parseCertificates(file),
      { constructor: KeyFileError, message: /SECRET/ },
      `file ${n}`,
    );
  }
});

test('a certificate cut off anywhere is refused or unusable, never half used', async () => {
  const { certificate } = await freshKey('alice@example.com');
  const binary = await binaryOf(certificate);
  for (const whole of [certificate.subarray(0, certificate.lastIndexOf('-') + 1), binary]) {
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.subarray(0, length);
      const usable = await usableIn(cut).catch((error: unknown) => {
        assert.ok(error instanceof KeyFileError, `${length}: ${error}`);
        return [];
      });
      assert.equal(usable.length, 0, `first ${length} bytes`);
    }
  }
});
