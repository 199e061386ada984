// The same packets in one armor, in several, binary, with text around them, in another order: one verdict for
// every spelling. And nothing in a file is left out without a word: other kinds of keys, revocations, secret
// keys.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import {
  armored,
  FLAGS,
  madeCertificate,
  newSubkey,
  Owner,
  oldPacket,
  packet,
  subkeyOfAlgorithm,
  uint,
  userId,
} from '../support/handmade.ts';

const NOW = Math.trunc(Date.now() / 1000);
const DAY = 86_400;
const MADE = NOW - 1000 * DAY;
const ENCRYPTS = FLAGS.communication | FLAGS.storage;

const alice = madeCertificate(MADE);
const bob = madeCertificate(MADE, '<bob@example.com>');

/** What becomes of a file: how many keys each certificate gives, or why not; `refused` for a file that is. */
async function verdictOf(
  file: Buffer | string,
  unsupported: 'defer' | 'ignore' = 'defer',
): Promise<string[]> {
  try {
    const certificates = await parseCertificates(Buffer.from(file));
    const judged = await Promise.all(
      certificates.map((each) =>
        judgeCertificate(each, new Date(NOW * 1000), { subkeys: 'all', unsupportedSubkeys: unsupported }),
      ),
    );
    return judged
      .map((each) => ('keys' in each ? `${each.fingerprint} ${each.keys.length}` : each.reason))
      .sort();
  } catch (error) {
    assert.ok(error instanceof KeyFileError, `${error}`);
    return [`refused: it ${error.message}`];
  }
}

/** The packets of a certificate one by one: each is shorter than 192 octets. */
function packetsOf(binary: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at < binary.length; at += 2 + binary.readUInt8(at + 1))
    packets.push(binary.subarray(at, at + 2 + binary.readUInt8(at + 1)));
  return packets;
}

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

const LABELS = [
  'ARMORED FILE',
  'MESSAGE',
  'PUBLIC KEY',
  'PUBLIC KEYS',
  'PUBLIC KEY BLOCK, PART 01/01',
  'X',
  'SIGNATURE',
];

test('what is in an armor counts, whatever its label', async () => {
  const { owner, certificate } = alice;
  const revocation = owner.revoke({ at: NOW - DAY });
  const key = armored(certificate);
  for (const type of LABELS) {
    for (const file of [armored(revocation, { type }) + key, key + armored(revocation, { type })])
      assert.match((await verdictOf(file)).join(), /is revoked/, type);
    const two = key + armored(bob.certificate, { type });
    assert.match((await verdictOf(two)).join(' & '), /^[0-9A-F]{40} 1 & [0-9A-F]{40} 1$/, type);
    assert.match((await verdictOf(armored(certificate, { type }))).join(), /^[0-9A-F]{40} 1$/, type);
  }
});

test('an armor of something else beside a key refuses the file by its label', async () => {
  const key = armored(alice.certificate);
  const data = packet(11, Buffer.from('b\0\0\0\0\0hello'));
  for (const [type, content] of [
    ['MESSAGE', data],
    ['ARMORED FILE', Buffer.from('hello, world')],
    ['MESSAGE', packet(1, Buffer.alloc(20, 3))],
  ] as const) {
    const other = armored(content, { type });
    for (const file of [key + other, other + key])
      assert.match(
        (await verdictOf(file)).join(),
        new RegExp(`a block "PGP ${type}" that is no public key: remove`),
      );
    assert.match((await verdictOf(other)).join(), /holds no OpenPGP public key, but a "PGP /);
  }
  // cut off, so that nobody knows what it was
  const cut = armored(alice.owner.revoke({ at: NOW - DAY }), { type: 'MESSAGE' }).slice(0, 150);
  assert.match((await verdictOf(key + cut)).join(), /a block "PGP MESSAGE" that is no public key/);
});

test('a key or signature that is written out without an armor refuses the file', async () => {
  const { owner, certificate, subkey } = alice;
  const key = armored(certificate);
  for (const issuer of ['both', 'fingerprint'] as const) {
    for (const part of [owner.revoke({ at: NOW - DAY, issuer }), bob.certificate, subkey.packet]) {
      const base64 = part.toString('base64');
      const texts = [
        base64,
        base64.replace(/.{64}/g, '$&\n'),
        base64.replace(/.{12}/g, '$&\r'),
        base64.replace(/.{64}/g, '* $&<br>\n'),
        `Autocrypt: addr=bob@example.com; keydata=${base64}`,
        part.toString('base64url'),
        part.toString('hex'),
        armored(part).replace('BEGIN PGP', 'BEGIN  PGP').replace('END PGP', 'END  PGP'),
        armored(part, { type: 'public key block' }),
        Buffer.from(armored(part)).toString('base64'),
      ];
      for (const text of texts)
        for (const file of [
          `${text}\n${key}`,
          `${key}${text}\n`,
          key.replace('\n\n', `\nComment: ${text.replace(/[\r\n]/g, '')}\n\n`),
        ])
          assert.match((await verdictOf(file)).join(), /refused: it holds a key without its line/, text);
    }
  }
});

test('a text that is signed in clear is no armor', async () => {
  const signature = armored(
    packet(
      2,
      Buffer.concat([
        Buffer.of(4, 1, 22, 8, 0, 6, 5, 2),
        uint(4, NOW),
        Buffer.of(0, 0, 1, 1),
        Buffer.alloc(20, 1),
      ]),
    ),
    {
      type: 'SIGNATURE',
    },
  );
  const signed = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nMy key follows.\n${signature}`;
  assert.match((await verdictOf(signed + armored(alice.certificate))).join(), /^[0-9A-F]{40} 1$/);
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

test('other OpenPGP data in a file of keys refuses it, and so does a file that begins within a key', async () => {
  const { certificate } = alice;
  const [, ...headless] = packetsOf(certificate);
  const cases: readonly (readonly [RegExp, Buffer])[] = [
    [
      /other OpenPGP data beside a key/,
      Buffer.concat([certificate, packet(11, Buffer.from('b\0\0\0\0\0hello'))]),
    ],
    [/other OpenPGP data beside a key/, Buffer.concat([packet(1, Buffer.alloc(20, 3)), certificate])],
    [/begins in the middle of a key/, Buffer.concat(headless)],
    [/is damaged/, Buffer.concat([certificate, Buffer.of(0)])],
    [/is damaged/, Buffer.concat([certificate, Buffer.from('\n')])],
    [/is damaged/, Buffer.concat([certificate, Buffer.of(0xc6)])],
  ];
  for (const [expected, file] of cases) assert.match((await verdictOf(file)).join(), expected);
});
