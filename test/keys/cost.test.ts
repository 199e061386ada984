// What a valid key may cost each message: the number of its subkeys, and the sizes of the numbers in them.

import assert from 'node:assert/strict';
import { createECDH, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { select } from '../../src/delivery/select.ts';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { MAX_SESSION_KEY_MS } from '../../src/keys/limits.ts';
import { sealingKeysOf, sessionKeyPackets } from '../../src/keys/sessionkeys.ts';
import { FLAGS, mpi, newSubkey, Owner, type Subkey, subkeyOfAlgorithm, userId } from '../support/handmade.ts';

const NOW = Math.trunc(Date.now() / 1000);
const MADE = NOW - 86_400;
const ENCRYPTS = FLAGS.communication | FLAGS.storage;
const RSA = 1;
const ECDH = 18;
const P521 = Buffer.from('052b81040023', 'hex');
const SHA512_AES256 = Buffer.of(3, 1, 10, 9);

/** A number of so many bits, odd. */
function odd(bits: number): Buffer {
  const number = randomBytes(Math.ceil(bits / 8));
  const top = (bits - 1) % 8;
  number.writeUInt8((number.readUInt8(0) & ((1 << top) - 1)) | (1 << top), 0);
  number.writeUInt8(number.readUInt8(number.length - 1) | 1, number.length - 1);
  return number;
}

type Bindable = Pick<Subkey, 'body' | 'packet'>;

const rsa = (bits: number, exponent: Buffer): Bindable =>
  subkeyOfAlgorithm(RSA, MADE, Buffer.concat([mpi(odd(bits)), mpi(exponent)]));

function p521(): Bindable {
  const point = createECDH('secp521r1').generateKeys();
  return subkeyOfAlgorithm(ECDH, MADE, Buffer.concat([P521, mpi(point), SHA512_AES256]));
}

const many = (count: number, make: () => Bindable) => Array.from({ length: count }, make);
const F4 = Buffer.of(1, 0, 1);

function withSubkeys(subkeys: readonly Bindable[]): Buffer {
  const owner = new Owner(MADE);
  const id = '<alice@example.com>';
  const bound = subkeys.flatMap((each) => [each.packet, owner.bind(each, { at: MADE, flags: ENCRYPTS })]);
  return Buffer.concat([
    owner.packet,
    userId(id),
    owner.certify(id, { at: MADE, flags: FLAGS.sign }),
    ...bound,
  ]);
}

async function judged(file: Buffer) {
  const [certificate] = await parseCertificates(file);
  assert.ok(certificate !== undefined);
  return judgeCertificate(certificate, new Date(NOW * 1000), { subkeys: 'all' });
}

const REFUSED: Record<string, readonly [RegExp, readonly Bindable[]]> = {
  '50 subkeys of RSA-16384 with 64-bit exponents': [
    /RSA key of an absurd size \(16384 bits, exponent of 64/,
    many(50, () => rsa(16_384, odd(64))),
  ],
  'one subkey of RSA-8200': [/RSA key of an absurd size \(8200 bits/, [rsa(8200, F4)]],
  'an exponent of 33 bits': [/exponent of 33 bits/, [rsa(4096, odd(33))]],
  'an exponent of 1': [/protects nothing/, [rsa(4096, Buffer.of(1))]],
  'an even exponent': [/protects nothing/, [rsa(4096, Buffer.of(1, 0, 0))]],
};

for (const [what, [expected, subkeys]] of Object.entries(REFUSED)) {
  test(`a key file with ${what} is refused`, async () => {
    await assert.rejects(parseCertificates(withSubkeys(subkeys)), (error) => {
      assert.ok(error instanceof KeyFileError);
      assert.match(error.message, expected);
      return true;
    });
  });
}

test('17 cheap subkeys, or 5 expensive ones, hold back their recipient; 16 and 4 do not', async () => {
  for (const [count, make, expected] of [
    [17, () => newSubkey(MADE), /17 subkeys for encryption, and a message is sealed to 16 at most/],
    [5, p521, /cost every message 45 ms \(at most 40\)/],
  ] as const) {
    const refused = await judged(withSubkeys(many(count, make)));
    assert.match('reason' in refused ? refused.reason : 'usable', expected);
    const allowed = await judged(withSubkeys(many(count - 1, make)));
    assert.equal('keys' in allowed && allowed.keys.length, count - 1);
  }
});

test('the certificates of one recipient are counted together', async () => {
  const files = await Promise.all(
    [9, 8].map(async (count) => parseCertificates(withSubkeys(many(count, () => newSubkey(MADE))))),
  );
  const entry = { certificates: files.flat(), problems: [] };
  const refused = await select(entry, { unusable: 'reject', subkeys: 'all' }, NOW * 1000);
  assert.equal('why' in refused && refused.why, 'keyUnusableNow');
  assert.match('reasons' in refused ? refused.reasons.join() : '', /17 subkeys/);
  const newest = await select(entry, { unusable: 'reject', subkeys: 'newest' }, NOW * 1000);
  assert.ok('usable' in newest);
});

test('the most expensive keys that are allowed cost a message about what is reckoned', async (t) => {
  for (const [what, subkeys] of Object.entries({
    '4 keys on P-521': many(4, p521),
    '16 keys of RSA-8192 with an exponent of 32 bits': many(16, () => rsa(8192, odd(32))),
    '16 keys on Curve25519': many(16, () => newSubkey(MADE)),
  })) {
    const usable = await judged(withSubkeys(subkeys));
    assert.ok('keys' in usable, 'reason' in usable ? usable.reason : '');
    const keys = sealingKeysOf([usable]);
    const before = process.cpuUsage();
    const runs = 5;
    for (let n = 0; n < runs; n++) await sessionKeyPackets(keys, Buffer.alloc(32), new Date(NOW * 1000));
    const { user, system } = process.cpuUsage(before);
    const milliseconds = (user + system) / 1000 / runs;
    t.diagnostic(`${what}: ${milliseconds.toFixed(1)} ms of a processor for each message`);
    assert.ok(milliseconds < 5 * MAX_SESSION_KEY_MS, what);
  }
});

test('a key with which no packet can be made is no key to encrypt to, and holds back its recipient', async () => {
  const point = createECDH('secp521r1').generateKeys();
  point.writeUInt8(point.readUInt8(70) ^ 1, 70); // no longer on the curve
  const broken = subkeyOfAlgorithm(ECDH, MADE, Buffer.concat([P521, mpi(point), SHA512_AES256]));
  for (const subkeys of [[broken], [broken, newSubkey(MADE)]]) {
    const refused = await judged(withSubkeys(subkeys));
    assert.match('reason' in refused ? refused.reason : 'usable', /cannot work \(wrong numbers in it\)/);
    assert.equal('holdsBack' in refused && refused.holdsBack, 'recipient');
  }
});
