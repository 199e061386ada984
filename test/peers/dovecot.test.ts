// A real Dovecot, with config/dovecot, serves sealed messages from the Maildir as they are stored, and
// clients do with them what they do with others.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { ImapFlow, MessageStructureObject } from 'imapflow';
import {
  COMPLAINTS,
  DOVECOT_VERSIONS,
  type Dovecot,
  needsDovecot,
  shippedDovecot,
  startDovecotImap,
} from '../support/dovecot.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { connectImap, fetchMessage } from '../support/imapclient.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';
import { toWireForm } from '../support/wireform.ts';

const ALICE = 'alice@example.com';
const LETTER = `Message-ID: <letter@example.org>
In-Reply-To: <former@example.org>
Date: Mon, 02 Nov 2026 10:00:00 +0000
From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
To: Alice <alice@example.com>
Cc: bob@example.net, carla@example.net
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Content-Type: multipart/mixed; boundary=x

--x

plain canary-word
--x
Content-Type: image/png; name=a.png

png
--x--
`;

for (const version of DOVECOT_VERSIONS)
  describe(`Dovecot ${version}`, { ...(await needsDovecot(version)), timeout: 480_000 }, () => {
    let server: TestServer;
    let dovecot: Dovecot;
    let alice: TestKey;
    let imap: ImapFlow;
    let goBack = () => {};
    const mailbox = (below = '') => join(server.directory, 'mail/example.com/alice', below);

    before(async () => {
      alice = await makeKey(ALICE);
      server = await startSealdir({ keys: { [ALICE]: alice.certificate } });
      const dir = server.directory;
      await mkdir(join(dir, 'indexes'));
      dovecot = await startDovecotImap({ dir, version, more: shippedDovecot(dir, version) });
      for (const name of ['mail', 'indexes']) await dovecot.adopt(join(dir, name));
      goBack = dovecot.actAsOwner();
      imap = await connectImap(dovecot.port, ALICE);
    });
    after(async () => {
      await imap?.logout().catch(() => {});
      goBack();
      await dovecot?.stop();
      await server?.stop();
    });
    afterEach(() => assert.doesNotMatch(dovecot.log(), COMPLAINTS));

    /** Delivers a message, and returns the name of its file and what is in it. */
    async function send(message: string | Buffer): Promise<{ file: string; stored: Buffer }> {
      const session = await openSession(server.socketPath);
      const { final } = await deliver(session, { to: [ALICE], message: toWireForm(Buffer.from(message)) });
      await session.vanish();
      assert.match(final[0] ?? '', /^250 2\.0\.0 /);
      const { file = '' } = server.outcomes().at(-1) ?? {};
      return { file, stored: readFileSync(mailbox(`new/${file}`)) };
    }
    const open = async (folder: string) => (await imap.mailboxOpen(folder)).exists;
    const doveadm = async (fields: string, ...query: string[]) =>
      (await dovecot.doveadm('-f', 'tab', 'fetch', '-u', ALICE, fields, ...query)).split('\n').slice(1);

    test('sealed messages are listed and fetched as stored, and S= and W= in their names are true', async () => {
      const messages = ['Subject: first\n\nshort\n', messageOfSize(300_000), 'no header\n', '\nbody\n'];
      const sent = [];
      for (const message of messages) sent.push(await send(message));
      assert.equal(await open('INBOX'), messages.length);
      for (const [index, { file, stored }] of sent.entries()) {
        const { size, bytes } = await fetchMessage(imap, index + 1);
        assert.deepEqual(bytes, Buffer.from(stored.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'));
        assert.equal(size, bytes.length);
        assert.ok(file.endsWith(`,S=${stored.length},W=${bytes.length}`), file);
        assert.deepEqual(await readSealed(bytes, alice), toWireForm(Buffer.from(messages[index] ?? '')));
      }
      const sizes = await doveadm('size.physical size.virtual', 'mailbox', 'INBOX', 'all');
      const named = sent.map(({ file }) => /,S=(\d+),W=(\d+)$/.exec(file)?.slice(1).join('\t'));
      assert.deepEqual(sizes.filter(Boolean), named);
      // without what Dovecot remembers, it reads the names anew
      await dovecot.doveadm('force-resync', '-u', ALICE, 'INBOX');
      assert.deepEqual(await doveadm('size.physical size.virtual', 'mailbox', 'INBOX', 'all'), sizes);
    });

    test('ENVELOPE is what the header said, and BODYSTRUCTURE shows PGP/MIME and nothing of the inside', async () => {
      await send(LETTER);
      const last = await open('INBOX');
      const fetched = await imap.fetchOne(last, { envelope: true, bodyStructure: true, internalDate: true });
      assert.ok(fetched !== false);
      const { envelope, bodyStructure, internalDate } = fetched;
      assert.equal(envelope?.subject, 'Grüße');
      assert.deepEqual(envelope?.from, [{ name: 'Jörg', address: 'joerg@example.org' }]);
      assert.deepEqual(
        envelope?.cc?.map(({ address }) => address),
        ['bob@example.net', 'carla@example.net'],
      );
      assert.equal(envelope?.messageId, '<letter@example.org>');
      assert.equal(envelope?.inReplyTo, '<former@example.org>');
      assert.equal(envelope?.date?.valueOf(), Date.UTC(2026, 10, 2, 10));
      assert.ok(Math.abs(Date.now() - new Date(internalDate ?? 0).getTime()) < 60_000);
      assert.equal(bodyStructure?.type, 'multipart/encrypted');
      assert.equal(bodyStructure?.parameters?.protocol, 'application/pgp-encrypted');
      const parts = bodyStructure?.childNodes ?? [];
      assert.deepEqual(
        parts.map(({ type }) => type),
        ['application/pgp-encrypted', 'application/octet-stream'],
      );
      const [, data] = parts as [MessageStructureObject, MessageStructureObject];
      assert.equal(data.disposition, 'inline');
      assert.equal(data.dispositionParameters?.filename, 'encrypted.asc');
      const part = await imap.fetchOne(last, { bodyParts: ['2'] });
      const armor = (part !== false && part.bodyParts?.get('2')) || Buffer.alloc(0);
      assert.equal(armor.length, data.size);
      assert.match(armor.toString(), /^-----BEGIN PGP MESSAGE-----/);
    });

    test('flags and keywords stay, on disk too, and a message that comes has none', async () => {
      const { file } = await send('Subject: flagged\n\nx\n');
      const last = await open('INBOX');
      await imap.messageFlagsAdd(last, ['\\Seen', '\\Flagged', '\\Answered', '$Label1', 'Blaue_Tonne']);
      await imap.messageFlagsRemove(last, ['\\Answered']);
      const [onDisk = ''] = readdirSync(mailbox('cur')).filter((name) => name.startsWith(file));
      assert.equal(onDisk, `${file}:2,FSab`);
      await send('Subject: after it\n\nx\n');
      const other = await connectImap(dovecot.port, ALICE);
      try {
        await other.mailboxOpen('INBOX');
        const flags = async (number: number) => {
          const message = await other.fetchOne(number, { flags: true });
          return [...((message !== false && message.flags) || [])]
            .filter((flag) => flag !== '\\Recent')
            .sort();
        };
        assert.deepEqual(await flags(last), ['$Label1', 'Blaue_Tonne', '\\Flagged', '\\Seen']);
        assert.deepEqual(await flags(last + 1), []);
        assert.deepEqual(await other.search({ keyword: 'Blaue_Tonne' }), [last]);
      } finally {
        await other.logout();
      }
    });

    test('SEARCH finds header fields and sizes, and nothing that was sealed', async () => {
      await send(LETTER.replaceAll('letter@', 'sought@').replace('Gr=C3=BC=C3=9Fe', 'Gesucht'));
      const last = await open('INBOX');
      for (const query of [
        { subject: 'gesucht' },
        { header: { 'Message-ID': 'sought@example.org' } },
        { from: 'joerg@', subject: 'Gesucht' },
      ])
        assert.deepEqual(await imap.search(query), [last], JSON.stringify(query));
      assert.deepEqual(await imap.search({ larger: 300_000 }), [2]);
      assert.deepEqual(await imap.search({ body: 'canary-word' }), []);
      assert.deepEqual(await imap.search({ text: 'a.png' }), []);
      const uid = await dovecot.doveadm('search', '-u', ALICE, 'mailbox', 'INBOX', 'subject', 'Gesucht');
      assert.match(uid, /^\S+ \d+\n$/);
    });

    test('COPY and MOVE keep the bytes, the sizes and the date; APPEND stands beside what Sealdir stores', async () => {
      const { stored } = await send('Subject: goes around\n\nx\n');
      const wire = stored.toString('latin1').replaceAll('\n', '\r\n');
      const last = await open('INBOX');
      const date = async (number: number) => {
        const message = await imap.fetchOne(number, { internalDate: true });
        return message !== false && String(message.internalDate);
      };
      const came = await date(last);
      await imap.mailboxCreate('Archive');
      const copied = await imap.messageCopy(last, 'Archive');
      assert.equal(copied !== false && copied.uidMap?.size, 1);
      await imap.messageMove(last, 'Trash');
      assert.equal(await open('INBOX'), last - 1);
      for (const folder of ['Archive', 'Trash']) {
        assert.equal(await open(folder), 1);
        const { size, bytes } = await fetchMessage(imap, 1);
        assert.equal(bytes.toString('latin1'), wire);
        assert.equal(size, wire.length);
        assert.equal(await date(1), came);
      }
      const draft = 'Subject: draft\r\n\r\nby a client\r\n';
      await imap.append('Drafts', draft, ['\\Draft'], new Date('2026-01-02T03:04:05Z'));
      await imap.append('INBOX', draft);
      const after = await send('Subject: beside it\n\nx\n');
      const count = await open('INBOX');
      assert.equal((await fetchMessage(imap, count - 1)).bytes.toString(), draft);
      assert.equal((await fetchMessage(imap, count)).bytes.length, toWireForm(after.stored).length);
      assert.equal(await open('Drafts'), 1);
      assert.equal((await fetchMessage(imap, 1)).bytes.toString(), draft);
    });

    test('a client in IDLE hears of each message that comes, and of flags that another one sets', async () => {
      const count = await open('INBOX');
      const heard: number[] = [];
      const changed: number[] = [];
      imap.on('exists', ({ count }) => heard.push(count));
      imap.on('flags', ({ seq }) => changed.push(seq));
      const other = await connectImap(dovecot.port, ALICE);
      try {
        const idle = imap.idle();
        for (let n = 1; n <= 3; n++) {
          await send(`Subject: heard ${n}\n\nx\n`);
          await until(`message ${n} is heard of`, () => heard.at(-1) === count + n);
        }
        await other.mailboxOpen('INBOX');
        await other.messageFlagsAdd(count + 1, ['\\Seen']);
        await until('the flag is heard of', () => changed.includes(count + 1));
        await imap.noop(); // ends IDLE
        await idle;
        const { bytes } = await fetchMessage(imap, count + 3);
        assert.match((await readSealed(bytes, alice)).toString(), /^Subject: heard 3\r\n/);
      } finally {
        await other.logout();
      }
    });

    test('doveadm finds nothing to mend, and deleted messages go from the disk', async () => {
      const before = await open('INBOX');
      const { file } = await send('Subject: to be deleted\n\nx\n');
      assert.equal(await open('INBOX'), before + 1);
      await imap.messageDelete(before + 1);
      const left = ['new', 'cur'].flatMap((name) => readdirSync(mailbox(name)));
      assert.ok(!left.some((name) => basename(name).startsWith(file)));
      const status = await dovecot.doveadm('mailbox', 'status', '-u', ALICE, 'messages vsize', 'INBOX');
      const sizes = left.map((name) => Number(/,W=(\d+)/.exec(name)?.[1]));
      const vsize = sizes.reduce((total, size) => total + size, 0);
      assert.equal(status.trim(), `INBOX messages=${before} vsize=${vsize}`);
      await dovecot.doveadm('force-resync', '-u', ALICE, '*');
      await dovecot.doveadm('index', '-u', ALICE, '*');
    });
  });
