// What is in the armors of a file counts, whatever their labels say; other OpenPGP data refuses a key file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { armored, madeCertificate, packet, uint } from '../support/handmade.ts';
import { DAY, MADE, NOW, packetsOf, verdictOf } from '../support/verdict.ts';

const alice = madeCertificate(MADE);
const bob = madeCertificate(MADE, '<bob@example.com>');

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
