// Subkeys for encryption of kinds that cannot be used: not left out without a word.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import {
  FLAGS,
  madeCertificate,
  Owner,
  packet,
  subkeyOfAlgorithm,
  uint,
  userId,
} from '../support/handmade.ts';
import { DAY, MADE, NOW, verdictOf } from '../support/verdict.ts';

const ENCRYPTS = FLAGS.communication | FLAGS.storage;
const alice = madeCertificate(MADE);

const POST_QUANTUM = subkeyOfAlgorithm(35, MADE, Buffer.alloc(1216, 7));

function withPostQuantum(options: { flags?: number; lasts?: number }): readonly Buffer[] {
  const { owner, certificate } = alice;
  return [certificate, POST_QUANTUM.packet, owner.bind(POST_QUANTUM, { at: MADE, ...options })];
}

test('a certificate with a subkey for encryption of an unknown kind is not sealed to the others alone', async () => {
  for (const flags of [FLAGS.communication, FLAGS.storage, ENCRYPTS, undefined]) {
    const file = Buffer.concat(withPostQuantum(flags === undefined ? {} : { flags }));
    const [verdict] = await verdictOf(file);
    assert.match(
      verdict ?? '',
      /cannot use \(version 4, algorithm 35, ML-KEM-768 with X25519, post-quantum\)/,
    );
    assert.match(verdict ?? '', /keys\.unsupported_subkeys = "ignore"/);
    assert.match((await verdictOf(file, 'ignore')).join(), /^[0-9A-F]{40} 1$/);
  }
});

test('a binding that cannot be checked since the subkey is hashed in an unknown way is no reason to leave the subkey out', async () => {
  const { owner, certificate } = alice;
  const kyber = Buffer.concat([Buffer.of(5), uint(4, MADE), Buffer.of(8), uint(4, 40), Buffer.alloc(40, 7)]);
  const binding = Buffer.from(owner.bind({ body: kyber }, { at: MADE, flags: ENCRYPTS }));
  // as if other bytes had been signed
  binding.writeUInt8(binding.readUInt8(binding.length - 1) ^ 1, binding.length - 1);
  const [verdict] = await verdictOf(Buffer.concat([certificate, packet(14, kyber), binding]));
  assert.match(verdict ?? '', /cannot use \(version 5, of LibrePGP, algorithm 8, Kyber/);
});

test('where the setting ignores it, the subkey that was left out is told', async () => {
  const [certificate] = await parseCertificates(Buffer.concat(withPostQuantum({ flags: ENCRYPTS })));
  assert.ok(certificate !== undefined);
  const judged = await judgeCertificate(certificate, new Date(NOW * 1000), {
    subkeys: 'all',
    unsupportedSubkeys: 'ignore',
  });
  assert.match('leftOut' in judged ? judged.leftOut.join() : '', /algorithm 35.* is not used/);
});

test('a subkey of an unknown kind is no problem if it is not for encryption, expired, revoked or bound by nobody', async () => {
  const { owner, certificate } = alice;
  const foreign = new Owner(MADE).bind(POST_QUANTUM, { at: MADE, flags: ENCRYPTS });
  for (const parts of [
    withPostQuantum({ flags: FLAGS.sign }),
    withPostQuantum({ flags: ENCRYPTS, lasts: DAY }),
    [...withPostQuantum({ flags: ENCRYPTS }), owner.revokeSubkey(POST_QUANTUM, { at: NOW - DAY })],
    [certificate, POST_QUANTUM.packet, foreign],
    [certificate, POST_QUANTUM.packet],
  ])
    assert.match((await verdictOf(Buffer.concat(parts))).join(), /^[0-9A-F]{40} 1$/);
});

test('a certificate that has no other subkey for encryption says which kind it has', async () => {
  const owner = new Owner(MADE);
  const parts = [
    owner.packet,
    userId('<a@example.com>'),
    owner.certify('<a@example.com>', { at: MADE, flags: FLAGS.sign }),
    POST_QUANTUM.packet,
    owner.bind(POST_QUANTUM, { at: MADE, flags: ENCRYPTS }),
  ];
  for (const unsupported of ['defer', 'ignore'] as const)
    assert.match((await verdictOf(Buffer.concat(parts), unsupported)).join(), /algorithm 35, ML-KEM-768/);
});
