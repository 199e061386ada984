// Every key of ../shared/keys through keys/certificates.ts: what KEYS.tsv says is what happens, and where it
// leaves the decision to the site, the table below says what was decided and why.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { readKey } from 'openpgp';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { sealingKeysOf } from '../../src/keys/sessionkeys.ts';
import type { UsableCertificate } from '../../src/keys/usable.ts';
import type { Encryption } from '../../src/openpgp/message.ts';
import { openSealed, secretKeysOf } from '../support/freshkey.ts';
import { type CollectedKey, needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { sealTo } from '../support/sealto.ts';

const collection = await openKeyCollection();
after(() => collection?.close());

const MESSAGE = Buffer.from('Subject: hi\r\n\r\nbytes \xff\0\r\n', 'latin1');

// name -> certificates used (0: none is usable), why
const POLICY: Record<string, readonly [used: number | 'no key file', why: string]> = {
  'gpg-rsa1024': [0, 'can be broken by those one hides mail from'],
  'gpg-secp256k1': [0, 'in no registry of RFC 9580, few programs read it'],
  'gpg-dsa-elg2048': [0, 'ElGamal: RFC 9580 §12.6 advises against it'],
  'gpg-dsa-elg3072': [0, 'ElGamal: RFC 9580 §12.6 advises against it'],
  'gpg-rsa-elg': [0, 'ElGamal: RFC 9580 §12.6 advises against it'],
  'rnp-elg': [0, 'ElGamal: RFC 9580 §12.6 advises against it'],
  'sq-nouid': [0, 'without a user ID openpgp.js finds no self-signature of a v4 key to judge by'],
  'sq-storage': [1, 'mail is kept: storage is what it is encrypted for'],
  'gpg-uid-allrevoked': [1, 'one user ID is left; recipients are found by account, not by user ID'],
  'badcrc-armor': [1, 'RFC 9580 §6.1: the checksum is to be ignored'],
  'two-armors-one-file': [2, 'one file for a recipient with two keys'],
  'two-certs-one-armor': [2, 'the same in one armor'],
  'secret-by-mistake': ['no key file', 'its owner must learn that it is exposed'],
};

async function judge(key: CollectedKey, now: Date, subkeys: 'all' | 'newest' = 'all') {
  const certificates = await parseCertificates(key.certificate);
  const judged = await Promise.all(certificates.map((each) => judgeCertificate(each, now, { subkeys })));
  return judged.filter((each): each is UsableCertificate => 'keys' in each);
}

async function usedBy(key: CollectedKey): Promise<number | 'no key file'> {
  try {
    return (await judge(key, new Date())).length;
  } catch (error) {
    if (error instanceof KeyFileError) return 'no key file';
    throw error;
  }
}

function keysExpected(...expectations: readonly string[]): readonly CollectedKey[] {
  return collection?.keys.filter(({ expectation }) => expectations.includes(expectation)) ?? [];
}

function assertListed(usable: readonly UsableCertificate[], name: string): void {
  const id = { 16: 7, 24: 8, 32: 9 } as const;
  const encryption = sealingKeysOf(usable).encryption;
  for (const { preferences } of usable) {
    if (encryption.version === 2)
      assert.ok(preferences.readsSeipd2, `${name} gets SEIPD v2, which it cannot read`);
    // RFC 9580 §5.2.3.14: AES-128 is in every list, at its end where it is not written
    const listed = [...preferences.symmetric, ...preferences.suites.map(([cipher]) => cipher), 7];
    assert.ok(listed.includes(id[encryption.keyBytes]), `${name} gets AES of ${encryption.keyBytes} bytes`);
  }
}

test(
  'every key that should encrypt does, with an algorithm it lists, and its secret key opens the message',
  needsKeyCollection(),
  async () => {
    const keys = keysExpected('encrypt', 'v6');
    assert.ok(keys.length >= 50);
    for (const key of keys) {
      const usable = await judge(key, new Date());
      assert.ok(usable.length > 0, `${key.name} is not usable`);
      assertListed(usable, key.name);
      assert.ok(key.secretKeyFile, `${key.name} has no secret key`);
      const sealed = await sealTo({ usable, encryption: sealingKeysOf(usable).encryption }, MESSAGE);
      const secrets = await secretKeysOf(readFileSync(key.secretKeyFile), key.passphrase);
      assert.deepEqual((await openSealed(sealed, secrets)).plaintext, MESSAGE, key.name);
    }
  },
);

test('every key that should be refused is', needsKeyCollection(), async () => {
  for (const key of keysExpected('refuse')) {
    const used = await usedBy(key);
    assert.ok(used === 0 || used === 'no key file', `${key.name} is used`);
  }
});

test('every key that is a matter of policy is treated as decided', needsKeyCollection(), async () => {
  const keys = keysExpected('policy');
  assert.deepEqual(keys.map(({ name }) => name).sort(), Object.keys(POLICY).sort());
  for (const key of keys) {
    const [expected, why] = POLICY[key.name] ?? [];
    assert.equal(await usedBy(key), expected, `${key.name}: ${why}`);
  }
});

test(
  'every v6 key shares a copy with a key that cannot read AEAD, and both open it',
  needsKeyCollection(),
  async () => {
    const old = collection?.key('gpg-cv25519');
    assert.ok(old?.secretKeyFile);
    for (const key of keysExpected('v6')) {
      assert.ok(key.secretKeyFile);
      const usable: UsableCertificate[] = [
        ...(await judge(key, new Date())),
        ...(await judge(old, new Date())),
      ];
      const encryption: Encryption = sealingKeysOf(usable).encryption;
      assert.equal(encryption.version, 1, key.name);
      assertListed(usable, key.name);
      const sealed = await sealTo({ usable, encryption }, MESSAGE);
      for (const file of [key.secretKeyFile, old.secretKeyFile]) {
        const { plaintext } = await openSealed(sealed, await secretKeysOf(readFileSync(file)));
        assert.deepEqual(plaintext, MESSAGE, key.name);
      }
    }
  },
);

test('of any two usable keys, the algorithm is one that both list', needsKeyCollection(), async () => {
  const judged = await Promise.all(
    keysExpected('encrypt', 'v6').map(async (key) => ({
      name: key.name,
      usable: await judge(key, new Date()),
    })),
  );
  for (const a of judged) {
    for (const b of judged) assertListed([...a.usable, ...b.usable], `${a.name} with ${b.name}`);
  }
});

test(
  'of three valid subkeys "all" uses three and "newest" the one of 2022',
  needsKeyCollection(),
  async () => {
    const key = collection?.key('gpg-multi-enc');
    assert.ok(key);
    assert.deepEqual(
      (await judge(key, new Date())).map(({ keys }) => keys.length),
      [3],
    );
    const [newest] = await judge(key, new Date(), 'newest');
    assert.equal(newest?.keys.length, 1);
    const [certificate] = await parseCertificates(key.certificate);
    const subkey = certificate?.subkeys.find(
      (each) => each?.getKeyID().toHex().toUpperCase() === newest?.keys[0]?.keyId,
    );
    assert.equal(subkey?.getCreationTime().getUTCFullYear(), 2022);
  },
);

test(
  'where the newest subkey is expired or revoked, both settings use the valid one alone',
  needsKeyCollection(),
  async () => {
    for (const name of ['gpg-rotated', 'gpg-newest-expired', 'gpg-newest-revoked']) {
      const key = collection?.key(name);
      assert.ok(key);
      for (const subkeys of ['all', 'newest'] as const) {
        assert.deepEqual(
          (await judge(key, new Date(), subkeys)).map(({ keys }) => keys.length),
          [1],
          name,
        );
      }
    }
  },
);

test('a key that expires is used before and refused after', needsKeyCollection(), async () => {
  const key = collection?.key('gpg-expires-1day');
  assert.ok(key);
  const expiry = await (await readKey({ armoredKey: key.certificate.toString() })).getExpirationTime();
  assert.ok(expiry instanceof Date);
  assert.equal((await judge(key, new Date(expiry.getTime() - 1000))).length, 1);
  assert.equal((await judge(key, new Date(expiry.getTime() + 1000))).length, 0);
});

test(
  'the copy of a key from before its revocation cannot undo the revocation',
  needsKeyCollection(),
  async () => {
    const [bad, old] = [collection?.key('gpg-revoked'), collection?.key('gpg-revoked-before')];
    assert.ok(bad && old);
    for (const pair of [
      [bad, old],
      [old, bad],
    ]) {
      const certificate = Buffer.concat(pair.map((key) => key.certificate));
      assert.equal((await judge({ ...old, certificate }, new Date())).length, 0);
    }
  },
);
