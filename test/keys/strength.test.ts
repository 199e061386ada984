// `keys.min_rsa_bits` and `keys.min_curve_bits`: which keys of real programs are too weak then, with one
// verdict in the judgement, at RCPT and in `describe`.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { select } from '../../src/delivery/select.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { describeCertificate, judgeCertificate } from '../../src/keys/judgement.ts';
import type { JudgingRules } from '../../src/keys/usable.ts';
import { freshKey } from '../support/freshkey.ts';
import { makeGpgKey } from '../support/gpgkey.ts';
import { type KeyCollection, needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { needs } from '../support/peers.ts';

const rules = (minRsaBits: number, minCurveBits: number): JudgingRules => ({
  subkeys: 'all',
  strength: { minRsaBits, minCurveBits },
});

/** Resolves to what is too weak, or to undefined; all that judge a certificate have to agree. */
async function weakness(file: Buffer, judging: JudgingRules): Promise<string | undefined> {
  const [certificate] = await parseCertificates(file);
  assert.ok(certificate !== undefined);
  const now = new Date();
  const judged = await judgeCertificate(certificate, now, judging);
  const entry = { certificates: [certificate], problems: [] };
  const chosen = await select(entry, { unusable: 'defer', ...judging }, now.getTime());
  assert.equal('keys' in judged, 'usable' in chosen);
  if ('keys' in judged) return undefined;
  const { expiresAt } = await describeCertificate(certificate, now, judging);
  assert.equal(expiresAt, undefined);
  return /too weak \((.*?)\)/.exec(judged.reason)?.[1] ?? judged.reason;
}

test('an RSA key of gpg is used up to its size, and refused above', needs('gpg'), async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/sealdir-strength-`);
  t.after(() => rm(directory, { recursive: true, force: true }));
  const { certificate } = await makeGpgKey({ kind: 'rsa2048', address: 'a@example.com', directory });
  assert.equal(await weakness(certificate, rules(2048, 256)), undefined);
  assert.equal(await weakness(certificate, rules(2049, 256)), undefined, 'one bit short passes');
  assert.equal(await weakness(certificate, rules(2050, 256)), 'RSA of 2048 bits');
  assert.equal(await weakness(certificate, rules(2048, 521)), undefined, 'has no curve');
});

test('a certificate is judged anew when the rules have changed, also in memory', async () => {
  const [certificate] = await parseCertificates((await freshKey('a@example.com')).certificate);
  assert.ok(certificate !== undefined);
  const isUsable = async (minCurveBits: number) =>
    'keys' in (await judgeCertificate(certificate, new Date(), rules(2048, minCurveBits)));
  for (let n = 0; n < 2; n++) {
    assert.equal(await isUsable(256), true);
    assert.equal(await isUsable(384), false);
  }
});

/** What is refused first with 3072 bits of RSA, and with 384 of a curve; undefined: it is used. */
const EXPECTED: Record<string, readonly [rsa: string | undefined, curve: string | undefined]> = {
  'gpg-rsa2048': ['RSA of 2048 bits', undefined],
  'gpg-rsa3072': [undefined, undefined],
  'gpg-rsa4096': [undefined, undefined],
  'gpg-cv25519': [undefined, 'a curve of 256 bits'],
  'gpg-p256': [undefined, 'a curve of 256 bits'],
  'gpg-bp256': [undefined, 'a curve of 256 bits'],
  'gpg-p384': [undefined, undefined],
  'gpg-bp384': [undefined, undefined],
  'gpg-p521': [undefined, undefined],
  'gpg-bp512': [undefined, undefined],
  'gpg-ed-rsasub': ['RSA of 2048 bits', 'a curve of 256 bits'],
  'gov6-v6-25519': [undefined, 'a curve of 256 bits'],
  'gov6-v6-448': [undefined, undefined],
  'gov6-v4-new448': [undefined, undefined],
  // whatever is allowed, these are refused
  'gpg-rsa1024': ['RSA of 1024 bits', 'RSA of 1024 bits'],
  'gpg-secp256k1': ['the curve secp256k1', 'the curve secp256k1'],
  'gpg-dsa-elg3072': ['DSA', 'DSA'],
};

test('keys of several programs are weak or not by their sizes', needsKeyCollection(), async (t) => {
  const collection = (await openKeyCollection()) as KeyCollection;
  t.after(() => collection.close());
  for (const [name, [rsa, curve]] of Object.entries(EXPECTED)) {
    const { certificate } = collection.key(name);
    assert.equal(await weakness(certificate, rules(3072, 256)), rsa, name);
    assert.equal(await weakness(certificate, rules(2048, 384)), curve, name);
  }
});
