// The names of keys that are computed here are those that GnuPG has for them.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { keygripOf } from '../../src/agent/keygrip.ts';
import { findPublicKeys } from '../../src/keys/keypackets.ts';
import { readPublicKey } from '../../src/openpgp/publickey.ts';
import { type GnupgHome, openGnupgHome } from '../support/gnupghome.ts';
import { type KeyCollection, needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { needs } from '../support/peers.ts';

/** A key on Curve25519 whose point begins with a zero: of a number it would be left out. */
const LEADING_ZERO = `-----BEGIN PGP PUBLIC KEY BLOCK-----

xjMEawv6phYJKwYBBAHaRw8BAQdAD22QgMwWRaaiBmoXZY/KCLqfYjTeOCRO
lKLn9xohk6TNEjx6ZXJvQGV4YW1wbGUuY29tPsLAEwQTFgoAhQWCawv6pgML
CQcJEMP1JjgD3VrpRRQAAAAAABwAIHNhbHRAbm90YXRpb25zLm9wZW5wZ3Bq
cy5vcmeWlgGkC6GC3AZk+sBVPLW0KKX6SsPLoyESbuWGqWCA/wUVCggODAQW
AAIBAhkBApsDAh4BFiEEh7qyIDcaauKYeIDKw/UmOAPdWukAAMDGAQCs1k86
WWDqdHmwZe1VjCBcvf7M2th1DE2yvng31rf0jgEAjDzPC3vW/z5+DJSgH+Sy
kOah1pCFneNkLb5HNhsecg7OOARrC/qmEgorBgEEAZdVAQUBAQdAAPoTBNpn
zJAQRs2AdD60MpyUAkLvKQXED3oD9MBWKxQDAQgHwr4EGBYKAHAFgmsL+qYJ
EMP1JjgD3VrpRRQAAAAAABwAIHNhbHRAbm90YXRpb25zLm9wZW5wZ3Bqcy5v
cmeF/TjZZdvXV8J8ueTqzUOyIBwHBFa6K2skiDBYb4SOHAKbDBYhBIe6siA3
GmrimHiAysP1JjgD3VrpAAANlgD/W0662oKO8TiMrR156modYlbcuUoGWqea
c6x6m8KG0lYBALrtRaUN7wPjrENE1523vUAe/10Tja5jVoKYywscpSsL
=bK6r
-----END PGP PUBLIC KEY BLOCK-----
`;

/** Certificates of the collection that gpg 2.2 does not import. */
const NOT_FOR_GPG = /^(gov6-|rnp-sm2$|empty$|truncated$)/;

const keysIn = (bytes: Buffer) => findPublicKeys(bytes).flatMap((body) => readPublicKey(body) ?? []);

describe('keygrips', needs('gpg'), () => {
  let home: GnupgHome;
  let collection: KeyCollection | undefined;

  before(async () => {
    home = await openGnupgHome();
    collection = await openKeyCollection();
  });
  after(async () => {
    await home?.close();
    await collection?.close();
  });

  /** Returns those of all keys that gpg has, by key id. */
  async function gripsOfGpg(): Promise<Map<string, string>> {
    const listing = (await home.gpg(['--with-colons', '--with-keygrip', '--list-keys'])).toString();
    const found = listing.matchAll(
      /^(?:pub|sub):(?:[^:\n]*:){3}([0-9A-F]{16}):.*\n(?:fpr:.*\n)?grp:+([0-9A-F]*):/gm,
    );
    return new Map([...found].map(([, id = '', grip = '']) => [id, grip]));
  }

  test('that of a point with a leading zero', async () => {
    await home.gpg(['--import'], LEADING_ZERO);
    const [key, ...others] = keysIn(Buffer.from(LEADING_ZERO));
    assert.ok(key && others.length === 0);
    assert.equal((await gripsOfGpg()).get(key.keyId), keygripOf(key.numbers));
  });

  test('those of all keys of the collection that can decrypt', needsKeyCollection(), async () => {
    assert.ok(collection);
    const certificates = collection.keys.filter(({ name }) => !NOT_FOR_GPG.test(name));
    for (const { certificate } of certificates)
      await home.gpg(['--import'], certificate).catch(() => undefined);
    const grips = await gripsOfGpg();
    const kinds = new Map<string, number>();
    for (const { certificate } of certificates)
      for (const { keyId, algorithm, numbers } of keysIn(certificate)) {
        if (!grips.has(keyId)) continue; // gpg has left it out
        assert.equal(keygripOf(numbers), grips.get(keyId), keyId);
        const curve = numbers.kind === 'ecdh' ? Buffer.from(numbers.oid).toString('hex') : '';
        kinds.set(`${algorithm} ${curve}`, (kinds.get(`${algorithm} ${curve}`) ?? 0) + 1);
      }
    assert.ok(kinds.size >= 10, `RSA, ElGamal and eight curves: ${[...kinds]}`);
  });
});
