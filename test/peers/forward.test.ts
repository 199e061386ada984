// Sealed mail that is passed on to a real Dovecot or Cyrus over LMTP: gpg finds each byte there, each
// recipient has the outcome that it says, and what it sees is sealed.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { messageWith, newCanaries, searchFiles } from '../support/canary.ts';
import { type Cyrus, needsCyrus, startCyrus } from '../support/cyrus.ts';
import { filesBelow } from '../support/delivery.ts';
import { type DovecotLmtp, needsDovecotLmtp, startDovecotLmtp } from '../support/dovecotlmtp.ts';
import { FIXTURES, messageOfSize } from '../support/fixtures.ts';
import { type GpgKey, makeGpgKey } from '../support/gpgkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, shortOf } from '../support/long.ts';
import { armorOf, type GpgReader, openGpgReader } from '../support/openpgp-programs.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';

const ALICE = 'alice@example.com';
const CAROL = 'carol@example.com';
const DAVE = 'dave@example.com';

describe('Dovecot as the next hop', needsDovecotLmtp('gpg'), () => {
  let directory: string;
  let dovecot: DovecotLmtp;
  let sealdir: TestServer;
  let key: GpgKey;
  let gpg: GpgReader;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-forward-'));
    key = await makeGpgKey({ kind: 'cv25519', address: ALICE, directory });
    gpg = await openGpgReader(key.secretKeyFile);
    dovecot = await startDovecotLmtp(directory, { alice: '', carol: 'userdb_quota_rule=*:bytes=3000' });
    sealdir = await startSealdir({
      keys: Object.fromEntries([ALICE, CAROL, DAVE].map((each) => [each, key.certificate])),
      toml: { store: `forward = "${dovecot.address}"` },
    });
  });
  after(async () => {
    await sealdir?.stop();
    await dovecot?.stop();
    await gpg?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('gpg finds every byte of each message in its Maildirs', async () => {
    const messages = [...shortOf(FIXTURES, 12).map(({ bytes }) => bytes), messageOfSize(1_500_000)];
    const session = await openSession(sealdir.socketPath);
    for (const [n, message] of messages.entries()) {
      const { rcpt, final } = await deliver(session, { to: ['Alice+list@example.com'], message });
      assert.match(final[0] ?? rcpt[0] ?? '', /^250 2\.0\.0 Sealed/);
      const stored = await dovecot.stored('alice');
      assert.equal(stored.length, n + 1);
      const opened = await gpg.decrypt(armorOf(stored.at(-1) ?? Buffer.alloc(0)));
      assert.ok(opened.equals(message), `message ${n}`);
    }
    const [first = Buffer.alloc(0)] = await dovecot.stored('alice');
    assert.match(first.toString(), /^Return-Path: <sender@example\.org>\n/);
    assert.equal(first.toString().match(/^Return-Path:/gm)?.length, 1);
    await session.vanish();
  });

  test('three recipients of a message have three outcomes', async () => {
    const session = await openSession(sealdir.socketPath);
    const message = messageOfSize(10_000);
    const before = (await dovecot.stored('alice')).length;
    const { rcpt, final } = await deliver(session, { to: [CAROL, ALICE, DAVE], message });
    assert.deepEqual(
      rcpt.map((reply) => reply.slice(0, 9)),
      ['250 2.1.5', '250 2.1.5', '250 2.1.5'],
    );
    assert.deepEqual(
      final.map((reply) => reply.slice(0, 9)),
      ['552 5.2.2', '250 2.0.0', '550 5.1.1'],
    );
    assert.equal((await dovecot.stored('alice')).length, before + 1);
    assert.deepEqual(await dovecot.stored('carol'), []);
    assert.ok(
      final.every((reply) => !/quota exceeded|exist/i.test(reply)),
      'the texts are our own',
    );
    const lines = sealdir.outcomes().slice(-3);
    assert.match(JSON.stringify(lines[0]), /Quota exceeded/);
    assert.equal(lines[1]?.nextHop, dovecot.address);
    await session.vanish();
  });

  test('nothing that is sealed is in clear at Dovecot, nor on a disk of ours', async () => {
    const canaries = newCanaries();
    const session = await openSession(sealdir.socketPath);
    for (const more of ['', 'x'.repeat(900_000)]) {
      const { final } = await deliver(session, { to: [ALICE], message: messageWith(canaries, more) });
      assert.match(final[0] ?? '', /^250 /);
    }
    await session.vanish();
    // the subject is to be seen outside, and Dovecot keeps what lists of messages show
    const shown = await searchFiles(join(directory, 'mail'), canaries);
    assert.deepEqual(
      shown.filter((each) => !each.endsWith(`cache shows ${canaries.subject}`)),
      [],
    );
    assert.deepEqual(await searchFiles(sealdir.directory, canaries), []);
    assert.deepEqual(await filesBelow(join(sealdir.directory, 'mail')), []);
  });
});

/** Of each user. In the long form the whole corpus has to fit. */
const QUOTA_KIB = isLong ? 60_000 : 1000;

describe('Cyrus as the next hop', await needsCyrus('gpg'), () => {
  let directory: string;
  let cyrus: Cyrus;
  let sealdir: TestServer;
  let gpg: GpgReader;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-forward-'));
    const key = await makeGpgKey({ kind: 'cv25519', address: ALICE, directory });
    gpg = await openGpgReader(key.secretKeyFile);
    cyrus = await startCyrus(directory, ['alice', 'carol'], QUOTA_KIB);
    sealdir = await startSealdir({
      keys: Object.fromEntries([ALICE, CAROL, DAVE].map((each) => [each, key.certificate])),
      toml: { store: `forward = "${cyrus.address}"` },
    });
  });
  after(async () => {
    await sealdir?.stop();
    await cyrus?.stop();
    await gpg?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('gpg finds every byte of each message in its spool', async () => {
    const messages = [...shortOf(FIXTURES, 12).map(({ bytes }) => bytes), messageOfSize(300_000)];
    const session = await openSession(sealdir.socketPath);
    for (const [n, message] of messages.entries()) {
      const { rcpt, final } = await deliver(session, { to: [ALICE], message });
      assert.match(
        final[0] ?? rcpt[0] ?? '',
        /^250 2\.0\.0 Sealed/,
        JSON.stringify(sealdir.outcomes().at(-1)),
      );
      const stored = await cyrus.stored('alice');
      assert.equal(stored.length, n + 1);
      const opened = await gpg.decrypt(armorOf(stored.at(-1) ?? Buffer.alloc(0)));
      assert.ok(opened.equals(message), `message ${n}`);
    }
    await session.vanish();
  });

  test('three recipients of a message have three outcomes, and what is kept is sealed', async () => {
    const session = await openSession(sealdir.socketPath);
    const canaries = newCanaries();
    // Cyrus takes the message with which a quota is exceeded, and none after it
    for (const part of [0.4, 0.5]) {
      const bytes = Math.floor(QUOTA_KIB * 1024 * part); // a third more when it is sealed
      const { final } = await deliver(session, { to: [CAROL], message: messageOfSize(bytes) });
      assert.match(final[0] ?? '', /^250 /);
    }
    const message = messageWith(canaries, 'x'.repeat(400_000));
    const { final } = await deliver(session, { to: [DAVE, CAROL, ALICE], message });
    assert.deepEqual(
      final.map((reply) => reply.slice(0, 9)),
      ['550 5.1.1', '452 4.2.2', '250 2.0.0'],
      JSON.stringify(sealdir.outcomes().slice(-3)),
    );
    await session.vanish();
    const shown = await searchFiles(join(directory, 'cyrus/spool'), canaries);
    assert.deepEqual(
      shown.filter((each) => !each.endsWith(` shows ${canaries.subject}`)),
      [],
    );
    assert.deepEqual(await searchFiles(sealdir.directory, canaries), []);
  });
});
