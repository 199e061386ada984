// The same packets in one armor, in several, binary, with text around them, in another order: one verdict for
// every spelling. And nothing in a file is left out without a word: other kinds of keys, revocations.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  armored,
  FLAGS,
  madeCertificate,
  newSubkey,
  Owner,
  oldPacket,
  packet,
  uint,
  userId,
} from '../support/handmade.ts';
import { DAY, MADE, NOW, packetsOf, verdictOf } from '../support/verdict.ts';

const ENCRYPTS = FLAGS.communication | FLAGS.storage;

const alice = madeCertificate(MADE);
const bob = madeCertificate(MADE, '<bob@example.com>');

function inOldFormat(binary: Buffer): Buffer {
  return Buffer.concat(
    packetsOf(binary).map((each) => oldPacket(each.readUInt8(0) & 0x3f, each.subarray(2))),
  );
}

const crlf = (text: string) => text.replaceAll('\n', '\r\n');

/** Every way to write the same parts one after the other, each part a sequence of packets. */
function spellingsOf(parts: readonly Buffer[]): Record<string, Buffer | string> {
  const binary = Buffer.concat(parts);
  const texts = parts.map((part) => armored(part));
  const all = texts.join('');
  const [first = '', ...rest] = texts;
  return {
    'in one armor': armored(binary),
    'in several armors': all,
    binary,
    'in packets of the old format': inOldFormat(binary),
    'in several armors with text around them': `Übliche Worte\n\n${texts.join('\n\nund:\n')}\nbye\n`,
    'with CRLF': crlf(all),
    'with a byte order mark': `\uFEFF${all}`,
    'with a wrong checksum': parts.map((part) => armored(part, { checksum: '=AAAA\n' })).join(''),
    'with headers': all.replaceAll('BLOCK-----\n\n', 'BLOCK-----\nComment: x\nVersion: y\n\n'),
    'without the blank line': all.replaceAll('BLOCK-----\n\n', 'BLOCK-----\n'),
    'with a no-break space in the blank line': all.replaceAll('BLOCK-----\n\n', 'BLOCK-----\n\u00a0\n'),
    'with blanks at the ends of lines': all.replaceAll('\n', ' \t\n'),
    'without a newline at the end': all.trimEnd(),
    'armored, then binary': Buffer.concat([Buffer.from(first), ...parts.slice(1)]),
    'binary, then armored': Buffer.concat([parts[0] ?? binary, Buffer.from(rest.join(''))]),
    'with padding and unknown packets that may be ignored': Buffer.concat(
      parts.flatMap((part) => [
        packet(10, Buffer.from('PGP')),
        part,
        packet(21, Buffer.alloc(9)),
        packet(60, Buffer.of(1)),
      ]),
    ),
  };
}

async function assertOneVerdict(parts: readonly Buffer[], expected: RegExp, skip: readonly string[] = []) {
  const verdicts = new Set<string>();
  for (const [how, file] of Object.entries(spellingsOf(parts))) {
    if (skip.includes(how)) continue;
    const verdict = (await verdictOf(file)).join(' & ');
    assert.match(verdict, expected, how);
    verdicts.add(verdict);
  }
  assert.equal(verdicts.size, 1, [...verdicts].join('\n'));
}

test('two certificates are used in every spelling, in either order', async () => {
  const both = /^[0-9A-F]{40} 1 & [0-9A-F]{40} 1$/;
  await assertOneVerdict([alice.certificate, bob.certificate], both);
  assert.deepEqual(
    await verdictOf(Buffer.concat([bob.certificate, alice.certificate])),
    await verdictOf(Buffer.concat([alice.certificate, bob.certificate])),
  );
});

const OTHER_KINDS: Record<string, readonly [RegExp, Buffer]> = {
  'version 3': [
    /version 3, of the 1990s/,
    Buffer.concat([Buffer.of(3), uint(4, MADE), Buffer.of(0, 0, 1), uint(2, 1024), Buffer.alloc(128, 0x81)]),
  ],
  'version 5': [
    /version 5, of LibrePGP/,
    Buffer.concat([Buffer.of(5), uint(4, MADE), Buffer.of(27), uint(4, 32), Buffer.alloc(32, 7)]),
  ],
  'an unknown algorithm': [
    /version 4, algorithm 99, unknown/,
    Buffer.concat([Buffer.of(4), uint(4, MADE), Buffer.of(99), Buffer.alloc(40, 7)]),
  ],
  'a post-quantum signature algorithm': [
    /version 6, algorithm 30, ML-DSA-65 with Ed25519, post-quantum/,
    Buffer.concat([Buffer.of(6), uint(4, MADE), Buffer.of(30), uint(4, 40), Buffer.alloc(40, 7)]),
  ],
  'an unknown curve': [
    /version 4, algorithm 22, EdDSA on a curve that is not known here/,
    Buffer.concat([
      Buffer.of(4),
      uint(4, MADE),
      Buffer.of(22, 3, 1, 2, 3),
      uint(2, 256),
      Buffer.alloc(32, 0x81),
    ]),
  ],
};

for (const [kind, [expected, body]] of Object.entries(OTHER_KINDS)) {
  test(`a certificate of ${kind} beside a good one refuses the file by name, in every spelling and order`, async () => {
    const unsupported = Buffer.concat([packet(6, body), userId('<alice@example.com>')]);
    await assertOneVerdict([alice.certificate, unsupported], expected);
    await assertOneVerdict([unsupported, alice.certificate], expected);
    await assertOneVerdict([unsupported], expected, ['binary, then armored']);
  });
}

test('a revocation counts wherever it stands and however it is spelled', async () => {
  const { owner, certificate } = alice;
  for (const issuer of ['both', 'fingerprint'] as const) {
    const revocation = owner.revoke({ at: NOW - DAY, issuer });
    await assertOneVerdict([revocation, certificate], /is revoked/);
    await assertOneVerdict([certificate, revocation], /is revoked/);
    const elsewhere = /^[0-9A-F]{40} 1 & [0-9A-F]{40} is revoked|is revoked.* & [0-9A-F]{40} 1$/;
    await assertOneVerdict([certificate, bob.certificate, revocation], elsewhere);
    await assertOneVerdict([revocation, bob.certificate, certificate], elsewhere);
    const asSignature = armored(revocation, { type: 'SIGNATURE' });
    for (const file of [asSignature + armored(certificate), armored(certificate) + asSignature])
      assert.match((await verdictOf(file)).join(), /is revoked/);
  }
});

test('a revocation of a key that is not in the file refuses the file', async () => {
  const revocation = new Owner(MADE).revoke({ at: NOW - DAY });
  await assertOneVerdict(
    [revocation, alice.certificate],
    /revocation of a key that is not in it \([0-9a-f]{16}\)/,
  );
  await assertOneVerdict([alice.certificate, revocation], /revocation of a key that is not in it/);
});

test('a revocation that is damaged, or of a form that cannot be checked, holds back its recipient', async () => {
  const { owner, subkey, certificate } = alice;
  const damaged = Buffer.from(owner.revoke({ at: NOW - DAY }));
  damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1);
  const unknownAlgorithm = Buffer.from(owner.revoke({ at: NOW - DAY }));
  unknownAlgorithm.writeUInt8(99, 4);
  const old = packet(
    2,
    Buffer.concat([
      Buffer.of(3, 5, 0x20),
      uint(4, NOW - DAY),
      Buffer.from(owner.keyId, 'hex'),
      Buffer.alloc(10, 1),
    ]),
  );
  const ofSubkey = Buffer.from(owner.revokeSubkey(subkey, { at: NOW - DAY }));
  ofSubkey.writeUInt8(ofSubkey.readUInt8(ofSubkey.length - 1) ^ 1, ofSubkey.length - 1);
  for (const revocation of [damaged, unknownAlgorithm, old, ofSubkey])
    await assertOneVerdict([certificate, revocation], /carries a revocation that cannot be checked/);
});

test('signatures in another place than usual count all the same', async () => {
  const owner = new Owner(MADE);
  const [first, second] = [newSubkey(MADE), newSubkey(MADE)];
  const certification = owner.certify('<a@example.com>', { at: MADE, flags: FLAGS.sign });
  const bind = (subkey: typeof first) => owner.bind(subkey, { at: MADE, flags: ENCRYPTS });
  const gone = owner.revokeSubkey(second, { at: NOW - DAY });
  const usual = [owner.packet, userId('<a@example.com>'), certification];
  const orders = [
    [...usual, first.packet, bind(first), second.packet, bind(second), gone],
    [...usual, second.packet, gone, bind(second), first.packet, bind(first)],
    [...usual, first.packet, bind(first), gone, second.packet, bind(second)],
    [...usual, gone, first.packet, bind(second), second.packet, bind(first)],
    [
      owner.packet,
      bind(first),
      bind(second),
      first.packet,
      second.packet,
      gone,
      userId('<a@example.com>'),
      certification,
    ],
    [gone, ...usual, first.packet, bind(first), second.packet, bind(second)],
  ];
  for (const [n, order] of orders.entries())
    assert.match((await verdictOf(Buffer.concat(order))).join(), /^[0-9A-F]{40} 1$/, `order ${n}`);
});
