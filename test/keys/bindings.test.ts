// Subkeys and user IDs whose signatures are damaged, missing, or of a kind that cannot be checked: a message
// is never sealed to less than the owner published without a word, and the word says what helps.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import {
  FLAGS,
  mpi,
  newSubkey,
  Owner,
  packet,
  type SignatureOptions,
  subkeyOfAlgorithm,
  userId,
} from '../support/handmade.ts';
import { assertPlain } from '../support/plainwords.ts';

const NOW = Math.trunc(Date.now() / 1000);
const DAY = 86_400;
const MADE = NOW - 1000 * DAY;
const ALICE = '<alice@example.com>';
const ENCRYPTS: SignatureOptions = { at: MADE, flags: FLAGS.communication | FLAGS.storage };
const SIGNS: SignatureOptions = { at: MADE, flags: FLAGS.sign };

const owner = new Owner(MADE);
const first = newSubkey(MADE);
const second = newSubkey(MADE + 1);
const head = [owner.packet, userId(ALICE), owner.certify(ALICE, SIGNS)];
const good = [first.packet, owner.bind(first, ENCRYPTS)];

/** The signature with its last byte changed. */
function damaged(signature: Buffer): Buffer {
  const copy = Buffer.from(signature);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}

/** The signature as one of LibrePGP. */
function ofVersion5(signature: Buffer): Buffer {
  const copy = Buffer.from(signature);
  copy.writeUInt8(5, copy.indexOf(4)); // after the header comes the version
  return copy;
}

async function judged(parts: readonly Buffer[], unsupported: 'defer' | 'ignore' = 'defer') {
  const [certificate] = await parseCertificates(Buffer.concat(parts));
  assert.ok(certificate !== undefined);
  return judgeCertificate(certificate, new Date(NOW * 1000), {
    subkeys: 'all',
    unsupportedSubkeys: unsupported,
  });
}

const UNCHECKED: Record<string, readonly [RegExp, Buffer]> = {
  'version 5': [/bound by a signature of version 5/, ofVersion5(owner.bind(second, ENCRYPTS))],
  'a critical notation': [
    /bound by a signature with a critical part that is not known here/,
    owner.bind(second, { ...ENCRYPTS, criticalNotation: 'x@example.com' }),
  ],
  'no flags, and version 5': [/of version 5/, ofVersion5(owner.bind(second, { at: MADE }))],
};

for (const [what, [expected, binding]] of Object.entries(UNCHECKED)) {
  test(`a second subkey whose binding has ${what} is not left out, unless the setting says so`, async () => {
    const parts = [...head, ...good, second.packet, binding];
    const refused = await judged(parts);
    assert.ok('reason' in refused);
    assertPlain(refused.reason);
    assert.match(refused.reason, expected);
    assert.match(refused.reason, /keys\.unsupported_subkeys = "ignore"/);
    assert.equal(refused.holdsBack, 'recipient');
    const allowed = await judged(parts, 'ignore');
    assert.ok('keys' in allowed);
    assert.deepEqual(
      allowed.keys.map(({ keyId }) => keyId),
      [first.keyId],
    );
    assert.match(allowed.leftOut.join(), expected);
    const alone = await judged([...head, second.packet, binding]);
    assert.match('reason' in alone ? alone.reason : '', expected);
  });
}

test('a subkey whose binding cannot be checked counts as expired no more than as published', async () => {
  const lapsed = owner.bind(second, { ...ENCRYPTS, lasts: DAY });
  const parts = [...head, ...good, second.packet, lapsed, ofVersion5(owner.bind(second, ENCRYPTS))];
  assert.match(JSON.stringify(await judged(parts)), /of version 5/);
});

test('a binding that cannot be checked is no problem beside a good one, of a signing or of a weak subkey', async () => {
  const weak = subkeyOfAlgorithm(
    1,
    MADE,
    Buffer.concat([mpi(Buffer.alloc(128, 0xff)), mpi(Buffer.of(1, 0, 1))]),
  );
  for (const more of [
    [ofVersion5(owner.bind(first, ENCRYPTS))],
    [second.packet, ofVersion5(owner.bind(second, SIGNS))],
    [weak.packet, ofVersion5(owner.bind(weak, ENCRYPTS))],
    [second.packet, ofVersion5(owner.bind(second, ENCRYPTS)), owner.revokeSubkey(second, { at: MADE + DAY })],
  ]) {
    const usable = await judged([...head, ...good, ...more]);
    assert.equal('keys' in usable && usable.keys.length, 1, JSON.stringify(usable));
  }
});

test('a second subkey with a damaged binding is not left out, unless the setting says so', async () => {
  const parts = [second.packet, damaged(owner.bind(second, ENCRYPTS))];
  const refused = await judged([...head, ...good, ...parts]);
  assert.ok('reason' in refused);
  assertPlain(refused.reason);
  assert.match(refused.reason, /whose binding signature is damaged, and is not used without it: export it/);
  assert.equal(refused.holdsBack, 'recipient');
  const allowed = await judged([...head, ...good, ...parts], 'ignore');
  assert.equal('keys' in allowed && allowed.keys.length, 1);
  assert.match('leftOut' in allowed ? allowed.leftOut.join() : '', /without a valid binding signature/);
  for (const unsupported of ['defer', 'ignore'] as const) {
    const alone = await judged([...head, ...parts], unsupported);
    assert.match('reason' in alone ? alone.reason : '', /damaged or missing: export it again/);
    assert.equal('reason' in alone && alone.holdsBack, unsupported === 'defer' ? 'recipient' : 'certificate');
  }
});

test('a damaged binding is no problem beside a good one, of a revoked or of a signing subkey', async () => {
  for (const more of [
    [damaged(owner.bind(first, ENCRYPTS))],
    [second.packet, damaged(owner.bind(second, SIGNS))],
    [second.packet, damaged(owner.bind(second, ENCRYPTS)), owner.revokeSubkey(second, { at: MADE + DAY })],
  ]) {
    const usable = await judged([...head, ...good, ...more]);
    assert.equal('keys' in usable && usable.keys.length, 1, JSON.stringify(usable));
  }
});

const UNBOUND: Record<string, readonly Buffer[]> = {
  'the binding of another key': [second.packet, new Owner(MADE).bind(second, ENCRYPTS)],
  'no binding': [second.packet],
};

for (const [what, parts] of Object.entries(UNBOUND)) {
  test(`a second subkey with ${what} is told as not used`, async () => {
    const usable = await judged([...head, ...good, ...parts]);
    assert.ok('keys' in usable, 'reason' in usable ? usable.reason : '');
    assert.equal(usable.keys.length, 1);
    assert.match(usable.leftOut.join(), /a subkey without a valid binding signature .*is not used/);
  });

  test(`where the only subkey for encryption has ${what}, the reason says so`, async () => {
    const refused = await judged([...head, ...parts]);
    assert.ok('reason' in refused);
    assertPlain(refused.reason);
    assert.match(refused.reason, /binding signature is damaged or missing: export it again/);
    assert.equal(refused.holdsBack, 'certificate');
  });
}

test('a key that was changed for another one whose binding is damaged is not called expired or revoked', async () => {
  for (const old of [
    [first.packet, owner.bind(first, { ...ENCRYPTS, keyLasts: DAY })],
    [...good, owner.revokeSubkey(first, { at: MADE + DAY })],
  ]) {
    const refused = await judged([...head, ...old, second.packet, damaged(owner.bind(second, ENCRYPTS))]);
    assert.match('reason' in refused ? refused.reason : '', /damaged or missing/);
  }
});

test('a signing subkey without a valid binding is not mentioned', async () => {
  const signing = packet(14, new Owner(MADE).body);
  const usable = await judged([...head, ...good, signing]);
  assert.deepEqual('leftOut' in usable && usable.leftOut, [], JSON.stringify(usable));
});

const USER_IDS: Record<string, readonly [RegExp, readonly Buffer[]]> = {
  'a critical notation': [
    /with a critical part that Sealdir does not know.*: its owner has to certify it again without that part/,
    [owner.certify(ALICE, { ...SIGNS, criticalNotation: 'x@example.com' })],
  ],
  'a critical notation in place of a certification that has lapsed': [
    /with a critical part that Sealdir does not know/,
    [
      owner.certify(ALICE, { ...SIGNS, lasts: DAY }),
      owner.certify(ALICE, { ...SIGNS, at: MADE + DAY, criticalNotation: 'x@example.com' }),
    ],
  ],
  'version 5': [
    /cannot check \(a signature of version 5\): its owner has to certify it again/,
    [ofVersion5(owner.certify(ALICE, SIGNS))],
  ],
  damage: [
    /no user ID that its owner has certified: .*export it again/,
    [damaged(owner.certify(ALICE, SIGNS))],
  ],
};

for (const [what, [expected, signatures]] of Object.entries(USER_IDS)) {
  test(`a key whose user ID is certified with ${what} is refused in words that help`, async () => {
    const refused = await judged([owner.packet, userId(ALICE), ...signatures, ...good]);
    assert.ok('reason' in refused);
    assertPlain(refused.reason);
    assert.match(refused.reason, expected);
  });
}
