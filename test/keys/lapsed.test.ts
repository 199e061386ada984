// Certificates with parts that have lapsed, were renewed, or were revoked and certified again. Each is judged
// at one time, and what is usable can be sealed to. Made by hand, so that each signature has its dates.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as openpgp from 'openpgp';
import { select } from '../../src/delivery/select.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { sealingKeysOf, sessionKeyPackets } from '../../src/keys/sessionkeys.ts';
import { openSealed } from '../support/freshkey.ts';
import { FLAGS, newSubkey, Owner, REASON, secretKeyOf, userId } from '../support/handmade.ts';
import { sealTo } from '../support/sealto.ts';

const NOW = Math.trunc(Date.now() / 1000);
const DAY = 86_400;
const MADE = NOW - 1000 * DAY;
const ALICE = '<alice@example.com>';
const BOB = '<bob@example.com>';
const MESSAGE = Buffer.from('Subject: hi\r\n\r\nhello\r\n');

const SIGNS = FLAGS.certify | FLAGS.sign;
const ENCRYPTS = FLAGS.communication | FLAGS.storage;

const owner = new Owner(MADE);
const subkey = newSubkey(MADE);
const other = newSubkey(MADE + DAY);
const secrets = await openpgp.readPrivateKeys({ binaryKeys: secretKeyOf(owner, [subkey, other], MADE) });

const certified = (at: number, more = {}) => owner.certify(ALICE, { at, flags: SIGNS, ...more });
const certifiedBob = (at: number, more = {}) => owner.certify(BOB, { at, flags: SIGNS, ...more });
const bound = (at: number, more = {}) => owner.bind(subkey, { at, flags: ENCRYPTS, ...more });
const head = [owner.packet, userId(ALICE)];
const usual = [...head, certified(MADE)];
const tail = [subkey.packet, bound(MADE)];

async function judged(parts: readonly Buffer[], at = NOW) {
  const [certificate] = await parseCertificates(Buffer.concat(parts));
  assert.ok(certificate !== undefined);
  return judgeCertificate(certificate, new Date(at * 1000), { subkeys: 'all' });
}

const USABLE: Record<string, readonly Buffer[]> = {
  'a user ID lapsed, another one not': [
    ...usual,
    userId(BOB),
    certifiedBob(MADE, { lasts: 365 * DAY, isPrimary: true }),
    ...tail,
  ],
  'the newest certification lapsed, an older one not': [
    ...head,
    certified(NOW - 100 * DAY, { lasts: 30 * DAY }),
    certified(MADE),
    ...tail,
  ],
  'the oldest certification lapsed, a newer one not': [
    ...head,
    certified(MADE, { lasts: 30 * DAY }),
    certified(NOW - 10 * DAY, { lasts: 30 * DAY }),
    ...tail,
  ],
  'a certification that begins in the future beside one for now': [
    ...head,
    certified(MADE),
    certified(NOW + DAY),
    ...tail,
  ],
  'the key extended by a newer certification': [
    ...head,
    certified(MADE, { keyLasts: 365 * DAY }),
    certified(MADE + 300 * DAY, { keyLasts: 3000 * DAY }),
    ...tail,
  ],
  'a user ID revoked and certified again': [
    ...head,
    certified(MADE),
    owner.revokeUserId(ALICE, { at: MADE + 100 * DAY, reason: REASON.userIdInvalid }),
    certified(MADE + 200 * DAY),
    ...tail,
  ],
  'a user ID revoked without a reason and certified again': [
    ...head,
    certified(MADE),
    owner.revokeUserId(ALICE, { at: MADE + 100 * DAY }),
    certified(MADE + 200 * DAY),
    ...tail,
  ],
  'a user ID revoked, another one not': [
    ...usual,
    owner.revokeUserId(ALICE, { at: MADE + DAY, reason: REASON.userIdInvalid }),
    userId(BOB),
    certifiedBob(MADE),
    ...tail,
  ],
  'a revocation of a user ID that has lapsed itself': [
    ...usual,
    owner.revokeUserId(ALICE, { at: MADE + DAY, reason: REASON.userIdInvalid, lasts: DAY }),
    ...tail,
  ],
  'a subkey whose newest binding lapsed, an older one not': [
    ...usual,
    subkey.packet,
    bound(MADE),
    bound(NOW - 100 * DAY, { lasts: 30 * DAY }),
  ],
  'a subkey extended by a newer binding': [
    ...usual,
    subkey.packet,
    bound(MADE, { keyLasts: 100 * DAY }),
    bound(MADE + 90 * DAY, { keyLasts: 3000 * DAY }),
  ],
  'one subkey expired, another one not': [
    ...usual,
    subkey.packet,
    bound(MADE, { keyLasts: 100 * DAY }),
    other.packet,
    owner.bind(other, { at: MADE + DAY, flags: ENCRYPTS }),
  ],
  'a user ID that is not UTF-8': [
    owner.packet,
    userId(Buffer.from('M\xfcller <alice@example.com>', 'latin1')),
    owner.certify(Buffer.from('M\xfcller <alice@example.com>', 'latin1'), { at: MADE, flags: SIGNS }),
    ...tail,
  ],
};

for (const [what, parts] of Object.entries(USABLE)) {
  test(`F28: sealed to, and opened by its owner: ${what}`, async () => {
    const usable = await judged(parts);
    assert.ok('keys' in usable, 'reason' in usable ? usable.reason : '');
    const sealed = await sealTo(sealingKeysOf([usable]), MESSAGE);
    assert.deepEqual((await openSealed(sealed, secrets)).plaintext, MESSAGE);
  });
}

const UNUSABLE: Record<string, readonly [reason: RegExp, parts: readonly Buffer[]]> = {
  'every certification lapsed': [
    /user ID whose certification still counts \(the last ended on \d{4}-/,
    [...head, certified(MADE, { lasts: 30 * DAY }), certified(MADE + DAY, { lasts: 40 * DAY }), ...tail],
  ],
  'a user ID revoked in the second of its certification': [
    /no user ID left that is not revoked/,
    [...usual, owner.revokeUserId(ALICE, { at: MADE, reason: REASON.userIdInvalid }), ...tail],
  ],
  'a user ID certified again, which has lapsed': [
    /no user ID/,
    [
      ...usual,
      owner.revokeUserId(ALICE, { at: MADE + DAY }),
      certified(MADE + 2 * DAY, { lasts: 2 * DAY }),
      ...tail,
    ],
  ],
  'the newest certification has the key end': [
    /expired on \d{4}-/,
    [...head, certified(MADE), certified(MADE + DAY, { keyLasts: 100 * DAY }), ...tail],
  ],
  'a key revoked and certified again': [
    /is revoked/,
    [
      owner.packet,
      owner.revoke({ at: MADE + DAY, reason: REASON.retired }),
      userId(ALICE),
      certified(MADE + 2 * DAY),
      ...tail,
    ],
  ],
  'a key revoked before it was made': [
    /is revoked/,
    [
      owner.packet,
      owner.revoke({ at: NOW + DAY, reason: REASON.compromised }),
      userId(ALICE),
      certified(MADE),
      ...tail,
    ],
  ],
  'a subkey revoked and bound again': [
    /no subkey for encryption that is not revoked/,
    [
      ...usual,
      subkey.packet,
      bound(MADE),
      owner.revokeSubkey(subkey, { at: MADE + DAY }),
      bound(MADE + 2 * DAY),
    ],
  ],
  'every binding of the subkey lapsed': [
    /no valid subkey for encryption \(the last ended on \d{4}-/,
    [...usual, subkey.packet, bound(MADE, { lasts: 30 * DAY })],
  ],
  'no user ID': [/has no user ID: /, [owner.packet, ...tail]],
  'a user ID that somebody else certified': [
    /no user ID that its owner has certified/,
    [...head, new Owner(MADE).certify(ALICE, { at: MADE, flags: SIGNS }), ...tail],
  ],
  'no key flags': [
    /does not say which of its keys are for encryption/,
    [...usual, subkey.packet, owner.bind(subkey, { at: MADE })],
  ],
  'a subkey that is only signed for': [
    /can only sign/,
    [...usual, subkey.packet, bound(MADE, { flags: FLAGS.sign })],
  ],
  'a certification of the future': [/is valid from \d{4}-/, [...head, certified(NOW + DAY), ...tail]],
  'a subkey bound in the future': [
    /no subkey for encryption that is valid before/,
    [...usual, subkey.packet, bound(NOW + DAY)],
  ],
  'a key of the future': [
    /is valid from \d{4}-/,
    (() => {
      const late = new Owner(NOW + DAY);
      return [late.packet, userId(ALICE), late.certify(ALICE, { at: NOW + DAY, flags: SIGNS })];
    })(),
  ],
};

for (const [what, [reason, parts]] of Object.entries(UNUSABLE)) {
  test(`F28: refused at RCPT, with a reason: ${what}`, async () => {
    const result = await judged(parts);
    assert.match('reason' in result ? result.reason : 'usable', reason);
    const entry = { certificates: await parseCertificates(Buffer.concat(parts)), problems: [] };
    const refused = await select(entry, { unusable: 'defer', subkeys: 'all' }, NOW * 1000);
    assert.equal('why' in refused && refused.why, 'keyUnusableNow');
  });
}

test('F28: a key is usable until the moment it says, and packets are made until then', async () => {
  const ends = NOW + 10 * DAY;
  for (const parts of [
    [...head, certified(MADE, { keyLasts: ends - MADE }), ...tail],
    [...head, certified(MADE, { lasts: ends - MADE }), ...tail],
    [...usual, subkey.packet, bound(MADE, { lasts: ends - MADE })],
    [...usual, subkey.packet, bound(MADE, { keyLasts: ends - MADE })],
    [...usual, owner.revokeUserId(ALICE, { at: ends, reason: REASON.userIdInvalid }), ...tail],
    [...usual, subkey.packet, bound(MADE), owner.revokeSubkey(subkey, { at: ends, reason: REASON.retired })],
    [owner.packet, owner.revoke({ at: ends, reason: REASON.superseded }), ...usual.slice(1), ...tail],
  ]) {
    const usable = await judged(parts);
    assert.ok('keys' in usable, 'reason' in usable ? usable.reason : '');
    assert.equal(usable.validUntil, ends * 1000);
    const keys = sealingKeysOf([usable]);
    await sessionKeyPackets(keys, Buffer.alloc(32), new Date(ends * 1000 - 1));
    await assert.rejects(sessionKeyPackets(keys, Buffer.alloc(32), new Date(ends * 1000)), /expired/);
    assert.ok('reason' in (await judged(parts, ends)));
  }
});

test('F28: what ends without need is no end: a lapse beside something that lasts does not shorten it', async () => {
  const usable = await judged([
    ...head,
    certified(MADE),
    certified(MADE + DAY, { lasts: 2000 * DAY }),
    ...tail,
  ]);
  assert.equal('validUntil' in usable && usable.validUntil, Number.POSITIVE_INFINITY);
});
