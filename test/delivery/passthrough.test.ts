// A message that its sender has encrypted to the recipient is stored as it came, and whatever only looks like
// one is sealed (D45).

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isFor } from '../../src/delivery/keeping.ts';
import { type KeyRules, select } from '../../src/delivery/select.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import type { KeyEntry } from '../../src/keys/source.ts';
import { holds } from '../support/canary.ts';
import { codesOf, deliver, opened, openSite, repliesOf, type SiteOptions } from '../support/delivery.ts';
import {
  armored,
  armorOfPackets,
  asStored,
  BOUNDARY,
  FIELDS,
  inline,
  type MimeParts,
  pgpMime,
  wire,
} from '../support/encrypted.ts';
import { type FreshKey, freshKey } from '../support/freshkey.ts';
import { shortOf, testLong } from '../support/long.ts';
import { memory } from '../support/memory.ts';
import { dearmor } from '../support/packets.ts';

const [alice, bob, modern] = await Promise.all([
  freshKey('alice@example.com'),
  freshKey('bob@example.com'),
  freshKey('modern@example.com', { kind: 'v6' }),
]);
const CANARY = 'canary-2f9d61c0b7-of-the-body-in-clear';
const SECRET = 'Content-Type: text/plain\r\n\r\nfor your eyes only\r\n';
const LONG = `${SECRET}${randomBytes(200_000).toString('base64')}`;
const ARMOR = await armored(SECRET, [alice]);
const PACKETS = dearmor(Buffer.from(ARMOR));
const TO_BOB = await armored(SECRET, [bob]);
const PAIR = await armored(SECRET, [bob, alice]);

/** Delivers and resolves to what was answered, and to the one file of the recipient. */
async function delivered(t: TestContext, message: Buffer, options: SiteOptions = {}, pieceBytes?: number) {
  const site = await openSite(t, { keys: [alice], ...options });
  const { replies } = await deliver(site.transaction(), ['alice@example.com'], message, pieceBytes);
  const [file, ...others] = await site.files();
  assert.ok(file !== undefined && others.length === 0, 'one file, in new/');
  assert.deepEqual(codesOf(replies), ['250 2.0.0']);
  return { why: replies[0]?.why, file, site };
}

/** Tells what is above the message in its file. */
function traceAbove(stored: Buffer, message: Buffer): string {
  const body = asStored(message);
  assert.ok(stored.subarray(stored.length - body.length).equals(body), 'the message as it came');
  return stored.toString('latin1', 0, stored.length - body.length);
}

const KEPT: Readonly<Record<string, Buffer>> = {
  'PGP/MIME': pgpMime(ARMOR),
  'PGP/MIME to others too': pgpMime(PAIR),
  'a text that is one armor': inline(ARMOR),
  'a text without any Content-Type': inline(ARMOR, []),
  'blank lines around the armor': inline(`\n \n${ARMOR}\n\t\n`),
  'blank lines around the parts': pgpMime(ARMOR, { preamble: '\n', afterArmor: '\n\n', epilogue: '\n  \n' }),
  'the preamble of Thunderbird': pgpMime(ARMOR, {
    preamble: 'This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n',
  }),
  'bare parts, as mutt writes them': pgpMime(ARMOR, {
    versionFields: ['Content-Type: application/pgp-encrypted', 'Content-Disposition: attachment'],
    dataFields: ['Content-Type: application/octet-stream', 'Content-Disposition: inline; filename="msg.asc"'],
  }),
  'Apple Mail': pgpMime(ARMOR, {
    fields: ['Content-Transfer-Encoding: 7bit'],
    dataFields: [
      'Content-Transfer-Encoding: 7bit',
      'Content-Disposition: inline;\n\tfilename=encrypted.asc',
      'Content-Type: application/octet-stream;\n\tname=encrypted.asc',
      'Content-Description: OpenPGP encrypted message',
    ],
  }),
  'a boundary without quotes': pgpMime(ARMOR, {
    type: `Multipart/Encrypted; boundary=${BOUNDARY}; protocol="application/pgp-encrypted"`,
  }),
  'armor that names a known program': inline(
    ARMOR.replace('MESSAGE-----\n', 'MESSAGE-----\nVersion: GnuPG v2.0.22 (GNU/Linux)\nCharset: utf-8\n'),
  ),
  'armor without a checksum': inline(ARMOR.replace(/\n=[^\n]{4}\n/, '\n')),
  'SEIPD in parts': inline(await armored(LONG, [alice])),
  'a list that has added fields': Buffer.concat([
    wire('List-Id: <list.example.org>\nPrecedence: list\n'),
    pgpMime(ARMOR),
  ]),
};

for (const [what, message] of Object.entries(KEPT))
  test(`kept: ${what}`, async (t) => {
    for (const pieceBytes of shortOf([50_000, 1000, 1], 1)) {
      if (pieceBytes === 1 && message.length > 10_000) continue;
      const { why, file } = await delivered(t, message, {}, pieceBytes);
      assert.equal(why, 'storedAsCame');
      const trace = traceAbove(file.bytes, message);
      assert.match(
        trace,
        /^Return-Path: <sender@example.org>\nDelivered-To: alice@example.com\nReceived: [^\n]+\n\tby \S+ \(encrypted by its sender\) with [^\n]+\n\t[^\n]+\n$/,
      );
      const lines = file.bytes.toString('latin1').split('\n').length - 1;
      assert.ok(file.path.endsWith(`,S=${file.bytes.length},W=${file.bytes.length + lines}`), file.path);
    }
  });

test('kept: a key and a message of RFC 9580', async (t) => {
  const message = pgpMime(await armored(SECRET, [modern], { aeadProtect: true }));
  const site = await openSite(t, { keys: [modern] });
  const { replies } = await deliver(site.transaction(), ['modern@example.com'], message);
  assert.equal(replies[0]?.why, 'storedAsCame');
  assert.deepEqual(await opened(site, modern), [Buffer.from(SECRET)]);
});

/** A packet with a new header. */
function packet(tag: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(6, 0xff);
  head[0] = 0xc0 | tag;
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

const PKESK = PACKETS.subarray(0, 2 + (PACKETS[1] ?? 0));
const DATA = PACKETS.subarray(PKESK.length);
const BODY = DATA.subarray((DATA[1] ?? 0) < 192 ? 2 : 3);
const packets = (...list: Uint8Array[]) => inline(armorOfPackets(Buffer.concat(list)));
const literal = packet(11, Buffer.concat([Buffer.from('b\0\0\0\0\0'), Buffer.from(CANARY)]));
const anonymous = Buffer.concat([PKESK.subarray(0, 3), Buffer.alloc(8), PKESK.subarray(11)]);
const changed = (from: string | RegExp, to: string) => inline(ARMOR.replace(from, to));
const mime = (parts: MimeParts) => pgpMime(ARMOR, parts);
const MIME_TYPE = `multipart/encrypted; protocol="application/pgp-encrypted"; boundary="${BOUNDARY}"`;

const LOOK_ALIKES: Readonly<Record<string, Buffer>> = {
  // for whom
  'to somebody else': pgpMime(TO_BOB),
  'inline to somebody else': inline(TO_BOB),
  'to nobody by name': packets(anonymous, DATA),
  // what is around it
  'text before the armor': inline(`${CANARY}\n${ARMOR}`),
  'text after the armor': inline(`${ARMOR}${CANARY}\n`),
  'a footer after a blank line': inline(`${ARMOR}\n-- \n${CANARY}\n`),
  'two armors': inline(`${ARMOR}\n${ARMOR}`),
  'a preamble': mime({ preamble: `${CANARY}\n` }),
  'the preamble of Thunderbird and one more line': mime({
    preamble: `This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n${CANARY}\n`,
  }),
  'an epilogue': mime({ epilogue: `${CANARY}\n` }),
  'a third part': mime({
    closing: `--${BOUNDARY}\nContent-Type: text/plain\n\n${CANARY}\n--${BOUNDARY}--\n`,
  }),
  'text after the armor in its part': mime({ afterArmor: `${CANARY}\n` }),
  'text beside the version': mime({ version: `Version: 1\n${CANARY}\n` }),
  'no version': mime({ version: '' }),
  'another version': mime({ version: 'Version: 2\n' }),
  'no last boundary': mime({ closing: '' }),
  'parts in the wrong order': mime({
    versionFields: ['Content-Type: application/octet-stream'],
    dataFields: ['Content-Type: application/pgp-encrypted'],
  }),
  'a part with a field of its own': mime({
    dataFields: ['Content-Type: application/octet-stream', `X-Text: ${CANARY}`],
  }),
  'a part with a description of its own': mime({
    dataFields: ['Content-Type: application/octet-stream', `Content-Description: ${CANARY}`],
  }),
  'a part with a file name of its own': mime({
    dataFields: [
      'Content-Type: application/octet-stream',
      `Content-Disposition: inline; filename="${CANARY}.asc"`,
    ],
  }),
  'a part in base64': mime({
    dataFields: ['Content-Type: application/octet-stream', 'Content-Transfer-Encoding: base64'],
  }),
  'a comment in a structured field': mime({
    type: `multipart/encrypted (${CANARY}); ${MIME_TYPE.slice(20)}`,
  }),
  'a parameter nobody needs': mime({ type: `${MIME_TYPE}; note="${CANARY}"` }),
  'a field that describes the body': mime({ fields: [`Content-Description: ${CANARY}`] }),
  'two Content-Type fields': mime({ fields: [`Content-Type: text/plain; charset="${CANARY}"`] }),
  'another protocol': mime({ type: MIME_TYPE.replace('pgp-encrypted', 'pkcs7-mime') }),
  'no protocol': mime({ type: `multipart/encrypted; boundary="${BOUNDARY}"` }),
  'a boundary that is in the armor': pgpMime(ARMOR, {
    type: MIME_TYPE.replace(BOUNDARY, '---BEGIN PGP MESSAGE'),
  }),
  'another multipart': mime({ type: MIME_TYPE.replace('encrypted;', 'mixed;') }),
  'a text in HTML': inline(ARMOR, ['MIME-Version: 1.0', 'Content-Type: text/html']),
  'a text in quoted-printable': inline(ARMOR, [
    'Content-Type: text/plain',
    'Content-Transfer-Encoding: quoted-printable',
  ]),
  'multipart/encrypted of plain text': pgpMime(`${CANARY}\n`),
  'a header that may be none': Buffer.concat([wire(`\t${CANARY}\n`), inline(ARMOR)]),
  'S/MIME': wire(
    `${FIELDS.join('\n')}\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n\n${PACKETS.toString('base64')}\n`,
  ),
  'a signed text': inline(ARMOR.replaceAll('PGP MESSAGE', 'PGP SIGNED MESSAGE')),
  'a public key': inline(ARMOR.replaceAll('PGP MESSAGE', 'PGP PUBLIC KEY BLOCK')),
  // the armor
  'a comment in the armor': changed('MESSAGE-----\n', `MESSAGE-----\nComment: ${CANARY}\n`),
  'a version that is a text': changed('MESSAGE-----\n', `MESSAGE-----\nVersion: ${CANARY}\n`),
  'another header in the armor': changed(
    'MESSAGE-----\n',
    `MESSAGE-----\nMessageID: ${CANARY.slice(0, 32)}\n`,
  ),
  'armor without its blank line': changed('MESSAGE-----\n\n', 'MESSAGE-----\n'),
  'a wrong checksum': inline(
    `${ARMOR.replace(/\n=[^\n]{4}\n/, '\n')}`.replace('\n-----END', '\n=AAAA\n-----END'),
  ),
  'text within the base64': changed(/\n([A-Za-z0-9+/]{60})/, `\n$1\n${CANARY} \n`),
  'blanks at the end of a line': changed(/([A-Za-z0-9+/]{60})\n/, '$1 \n'),
  'a blank line in the base64': changed(/([A-Za-z0-9+/]{60})\n/, '$1\n\n'),
  'padding in the middle': changed(/\n([A-Za-z0-9+/]{56})/, '\n$1==\n'),
  'armor without an end': changed(/-----END[\s\S]*$/, ''),
  'a line end that is none': inline(ARMOR.replace(/([A-Za-z0-9+/]{60})\n/, '$1\r')),
  'the last line is not ended': inline(ARMOR).subarray(0, -2),
  // the packets
  'literal data': packets(literal),
  'literal data after a session key': packets(PKESK, literal),
  'literal data before the encrypted data': packets(PKESK, literal, DATA),
  'literal data after the encrypted data': packets(PKESK, DATA, literal),
  'encrypted data twice': packets(PKESK, DATA, DATA),
  'a session key after the encrypted data': packets(PKESK, DATA, PKESK),
  'no session key': packets(DATA),
  'a session key alone': packets(PKESK),
  'compressed data': packets(PKESK, packet(8, Buffer.from(`\0${CANARY}`))),
  'encrypted data without integrity': packets(PKESK, packet(9, BODY)),
  'encrypted data of LibrePGP': packets(PKESK, packet(20, BODY)),
  'a marker': packets(packet(10, Buffer.from('PGP')), PKESK, DATA),
  padding: packets(PKESK, DATA, packet(21, Buffer.from(CANARY))),
  'a packet that nobody knows': packets(packet(60, Buffer.from(CANARY)), PKESK, DATA),
  'a byte after the end': packets(PKESK, DATA, Buffer.from([0])),
  'encrypted data that end early': packets(PKESK, DATA.subarray(0, -1)),
  'encrypted data of no known version': packets(PKESK, packet(18, Buffer.concat([Buffer.from([3]), BODY]))),
  'encrypted data of the other version': packets(
    PKESK,
    packet(18, Buffer.concat([Buffer.from([2, 9, 2, 6]), randomBytes(100)])),
  ),
  'next to no encrypted data': packets(PKESK, packet(18, Buffer.from([1, 2, 3]))),
  'a first part that is too short': packets(
    PKESK,
    Buffer.from([0xd2, 0xe4]),
    BODY.subarray(0, 16),
    Buffer.from([BODY.length - 16]),
    BODY.subarray(16),
  ),
  'data of no known length, in an old header': packets(PKESK, Buffer.from([0xcb & ~0x40]), BODY),
  'a session key of no known length': packets(Buffer.from([0x87]), PKESK.subarray(2), DATA),
  'a session key with more in it': packets(
    packet(1, Buffer.concat([PKESK.subarray(2), Buffer.from(CANARY)])),
    DATA,
  ),
  'a session key of no known algorithm': packets(
    packet(1, Buffer.concat([PKESK.subarray(2, 11), Buffer.from([99]), Buffer.from(CANARY)])),
    DATA,
  ),
  'text in place of encrypted data': packets(
    PKESK,
    packet(18, Buffer.from(`\u0001${CANARY.repeat(3)}`, 'latin1')),
  ),
};

for (const [what, message] of Object.entries(LOOK_ALIKES))
  test(`sealed: ${what}`, async (t) => {
    const { why, file, site } = await delivered(t, message);
    assert.equal(why, 'stored');
    assert.deepEqual(await opened(site, alice), [message]);
    assert.ok(!holds(file.bytes, CANARY.slice(0, 32)), 'nothing in clear');
  });

test('the look-alikes differ from what is kept by one thing only, and there are enough of them', () => {
  assert.ok(Object.keys(LOOK_ALIKES).length >= 60);
  assert.equal(packets(PKESK, DATA).equals(inline(armorOfPackets(PACKETS))), true);
});

test('each recipient has it as their own keys say', async (t) => {
  const site = await openSite(t, { keys: [alice, bob] });
  for (const [armor, whys] of [
    [ARMOR, ['storedAsCame', 'stored']],
    [TO_BOB, ['stored', 'storedAsCame']],
    [PAIR, ['storedAsCame', 'storedAsCame']],
  ] as const) {
    const message = pgpMime(armor);
    const { replies } = await deliver(site.transaction(), ['alice@example.com', 'bob@example.com'], message);
    assert.deepEqual(
      replies.map(({ why }) => why),
      whys,
    );
  }
  assert.ok((await site.files()).every(({ path }) => /\/new\//.test(path)));
});

test('for whom the header policy hides fields, it is sealed; for the others of the message it is kept', async (t) => {
  const headerPolicies = { 'bob@example.com': 'minimal' } as const;
  const site = await openSite(t, { keys: [alice, bob], headerPolicies });
  const { replies } = await deliver(
    site.transaction(),
    ['bob@example.com', 'alice@example.com'],
    pgpMime(PAIR),
  );
  assert.deepEqual(
    replies.map(({ why }) => why),
    ['stored', 'storedAsCame'],
  );
  const hidden = (await site.files()).filter(({ bytes }) => !holds(bytes, 'Subject: hello'));
  assert.deepEqual(
    hidden.map(({ path }) => path.includes('/bob/')),
    [true],
  );
});

test('it goes to the folder that a rule means', async (t) => {
  const site = await openSite(t, { keys: [alice], rules: ['header Subject is hello -> Crypt'] });
  const { replies } = await deliver(site.transaction(), ['alice@example.com'], pgpMime(ARMOR));
  assert.equal(replies[0]?.why, 'storedAsCame');
  const [path, ...others] = (await site.files()).map((file) => file.path).filter((each) => /S=/.test(each));
  assert.match(path ?? '', /\/alice\/\.Crypt\/new\//);
  assert.deepEqual(others, []);
});

test('one that comes again is stored once, even if the process that stored it has died', async (t) => {
  const known = memory();
  const site = await openSite(t, { keys: [alice], memory: known });
  const again = async () => {
    const { replies } = await deliver(site.transaction(), ['alice@example.com'], pgpMime(ARMOR));
    return replies[0]?.why;
  };
  assert.equal(await again(), 'storedAsCame');
  assert.equal(await again(), 'duplicate');
  const [file] = await site.files();
  known.stored.clear();
  known.interrupted = basename(file?.path ?? '');
  assert.equal(await again(), 'duplicate');
  assert.equal((await site.files()).length, 1);
});

test('a site may have all of them sealed', async (t) => {
  const { why, site } = await delivered(t, pgpMime(ARMOR), { encrypted: 'seal' });
  assert.equal(why, 'stored');
  assert.deepEqual(await opened(site, alice), [pgpMime(ARMOR)]);
});

const LARGE = pgpMime(await armored(LONG.repeat(20), [alice]));

testLong(
  'a large one is kept, and neither is anything else left nor is anything in clear on the way',
  async (t) => {
    const site = await openSite(t, { keys: [alice] });
    const transaction = site.transaction();
    await transaction.recipient(Buffer.from('<alice@example.com>'));
    transaction.start();
    let most = 0;
    for (let from = 0; from < LARGE.length; from += 500_000) {
      await transaction.write([LARGE.subarray(from, from + 500_000)]);
      const files = await site.files();
      most = Math.max(most, files.length);
      assert.ok(
        files.every(({ path, bytes }) => path.includes('/tmp/') && !holds(bytes, 'for your eyes only')),
      );
    }
    assert.equal(most, 2, 'a sealed lane runs beside it');
    const replies = await repliesOf(transaction);
    assert.equal(replies[0]?.why, 'storedAsCame');
    const [file, ...others] = await site.files();
    assert.ok(file !== undefined && others.length === 0);
    assert.equal(traceAbove(file.bytes, LARGE).split('\n').length, 6);
  },
);

testLong(
  'a large one that turns out to be none at its end is sealed, and nothing of it was in clear',
  async (t) => {
    const site = await openSite(t, { keys: [alice] });
    for (const end of [
      `${CANARY}\r\n`,
      `--${BOUNDARY}\r\n\r\n${CANARY.repeat(20_000)}\r\n--${BOUNDARY}--\r\n`,
    ]) {
      const message = Buffer.concat([LARGE, Buffer.from(end)]);
      const transaction = site.transaction();
      await transaction.recipient(Buffer.from('<alice@example.com>'));
      transaction.start();
      for (let from = 0; from < message.length; from += 100_000) {
        await transaction.write([message.subarray(from, from + 100_000)]);
        for (const { bytes } of await site.files()) assert.ok(!bytes.includes(CANARY.slice(0, 32)));
      }
      assert.equal((await repliesOf(transaction))[0]?.why, 'stored');
      assert.ok((await opened(site, alice)).some((each) => each.equals(message)));
    }
    const files = await site.files();
    assert.ok(files.length === 2 && files.every(({ path }) => path.includes('/new/')));
  },
);

test('a client that leaves, and a message that is too big, leave nothing of either file', async (t) => {
  const site = await openSite(t, { keys: [alice], limits: { maxMessageBytes: LARGE.length - 1 } });
  const transaction = site.transaction();
  await transaction.recipient(Buffer.from('<alice@example.com>'));
  transaction.start();
  await transaction.write([LARGE.subarray(0, 2_000_000)]);
  assert.ok((await site.files()).length > 0);
  await transaction.abort();
  assert.deepEqual(await site.files(), []);
  const { replies } = await deliver(site.transaction(), ['alice@example.com'], LARGE);
  assert.equal(replies[0]?.why, 'tooBig');
  assert.deepEqual(await site.files(), []);
});

test('an expired key and that of the site are not the keys of the recipient', async () => {
  const hold = await select(undefined, rules(bob, 'hold'), Date.now());
  const also = await select(await entryOf(alice), rules(bob, 'defer'), Date.now());
  if ('why' in hold || 'why' in also) assert.fail('usable keys');
  const ids = (key: FreshKey) =>
    new Set(key.secret.getKeys().map((each) => each.getKeyID().toHex().toUpperCase()));
  assert.equal(isFor(hold, ids(bob)), false);
  assert.equal(isFor(also, ids(bob)), false);
  assert.equal(isFor(also, ids(alice)), true);
  assert.equal(isFor({ ...also, storedAs: 'storedLastValid' }, ids(alice)), false);
});

async function entryOf({ certificate }: FreshKey): Promise<KeyEntry> {
  return { certificates: await parseCertificates(certificate), problems: [] };
}

/** The rules of a site that has this key for itself. */
function rules(key: FreshKey, unusable: 'hold' | 'defer'): KeyRules {
  const usable = async (now: Date) => {
    const chosen = await select(await entryOf(key), { unusable: 'defer', subkeys: 'all' }, now.getTime());
    return 'why' in chosen ? { reasons: chosen.reasons } : { usable: chosen.usable };
  };
  return { unusable, subkeys: 'all', site: { also: usable, hold: usable } };
}
