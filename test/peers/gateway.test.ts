// The gateway before a real Dovecot, with real clients: they see plain mail of what is sealed, and what they
// store is sealed.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LARGE_BYTES } from '../../src/gateway/openmessages.ts';
import { COMPLAINTS, DOVECOT_VERSIONS, needsDovecot } from '../support/dovecot.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { ALICE, PASSWORD, startGateway, type TestGateway } from '../support/gateway.ts';
import { connectImap, fetchMessage, select } from '../support/imapclient.ts';
import { connectImap as rawImap } from '../support/rawimap.ts';
import { until } from '../support/until.ts';

const LETTER = `Message-ID: <letter@example.org>
Date: Mon, 02 Nov 2026 10:00:00 +0000
From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
To: Alice <alice@example.com>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Content-Type: multipart/mixed; boundary=x

--x

plain canary-word
--x
Content-Type: image/png; name=a.png

png
--x--
`;
const PLAIN = 'From: a@example.org\nSubject: open\n\nstored in clear\n';

for (const version of DOVECOT_VERSIONS)
  describe(`the gateway before Dovecot ${version}`, {
    ...(await needsDovecot(version)),
    timeout: 240_000,
  }, () => {
    let gateway: TestGateway;
    before(async () => {
      gateway = await startGateway({ version });
      await gateway.store(LETTER);
      await gateway.storeAsIs(PLAIN);
      await gateway.storeAsIs(
        (await gateway.sealed(LETTER)).toString().replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA'),
      );
    });
    after(() => gateway?.stop());

    test('imapflow sees what is sealed as it was, what is not as it is, and what does not open as it is stored', async () => {
      const imap = await connectImap(gateway.port, ALICE, PASSWORD);
      assert.equal(await select(imap, 'INBOX'), 3);
      const wire = Buffer.from(LETTER.replaceAll('\n', '\r\n'));
      const { size, bytes } = await fetchMessage(imap, 1);
      assert.equal(size, wire.length);
      assert.deepEqual(bytes, wire);
      const all = await imap.fetchAll('1:*', {
        uid: true,
        envelope: true,
        bodyStructure: true,
        flags: true,
        size: true,
      });
      assert.deepEqual(all.map(({ seq }) => seq).sort(), [1, 2, 3]);
      const [first] = all.filter(({ seq }) => seq === 1);
      assert.equal(first?.envelope?.subject, 'Grüße');
      assert.equal(first?.bodyStructure?.type, 'multipart/mixed');
      assert.equal((await fetchMessage(imap, 2)).bytes.toString(), PLAIN.replaceAll('\n', '\r\n'));
      assert.match((await fetchMessage(imap, 3)).bytes.toString(), /BEGIN PGP MESSAGE/);
      assert.deepEqual(await imap.search({ body: 'canary-word' }), [1]);
      assert.deepEqual(await imap.search({ or: [{ body: 'canary-word' }, { body: 'in clear' }] }), [1, 2]);
      await imap
        .append('Sent', Buffer.from('From: alice@example.com\r\nSubject: mine\r\n\r\nsent-canary\r\n'), [
          '\\Seen',
        ])
        .catch(() => undefined);
      await imap.mailboxCreate('Sent');
      const appended = await imap.append(
        'Sent',
        Buffer.from('From: alice@example.com\r\nSubject: mine\r\n\r\nsent-canary\r\n'),
        ['\\Seen'],
      );
      assert.ok(appended !== false && appended.uid === 1);
      const [file = ''] = readdirSync(gateway.mailbox('.Sent/cur'));
      const stored = readFileSync(join(gateway.mailbox('.Sent/cur'), file), 'latin1');
      assert.match(stored, /BEGIN PGP MESSAGE/);
      assert.doesNotMatch(stored, /sent-canary/);
      assert.equal(await select(imap, 'Sent'), 1);
      assert.match((await fetchMessage(imap, 1)).bytes.toString(), /sent-canary/);
      await imap.logout();
      assert.deepEqual(gateway.complaints, []);
      assert.doesNotMatch(gateway.dovecot.log(), COMPLAINTS);
    });

    test('a large message is read in parts, listed and searched, and shown as stored if it was changed', async () => {
      const message = messageOfSize(3 * LARGE_BYTES);
      const stored = await gateway.sealed(message);
      const changed = stored
        .toString('latin1')
        .replace(/\n[A-Za-z0-9+/]{20}(?=[^\n]*\n[^\n]*\n=)/, '\nAAAAAAAAAAAAAAAAAAAA');
      await gateway.store(message);
      await gateway.storeAsIs(Buffer.from(changed, 'latin1'));
      const imap = await rawImap(gateway.port);
      await imap.login(ALICE, PASSWORD);
      const count = await imap.select('INBOX');
      const asked = async (items: string) =>
        (await imap.command(`FETCH ${count - 1}:${count} (${items})`)).sort();
      const sizes = (await asked('RFC822.SIZE')).map(({ text }) => /SIZE (\d+)/.exec(text)?.[1]);
      assert.deepEqual(sizes.map(Number), [
        message.length,
        changed.length + (changed.match(/\n/g)?.length ?? 0),
      ]);
      const parts: Buffer[] = [];
      for (let at = 0; at <= message.length; at += LARGE_BYTES / 2) {
        const [part] = await imap.command(`FETCH ${count - 1} (BODY.PEEK[]<${at}.${LARGE_BYTES / 2}>)`);
        parts.push(part?.literals[0] ?? Buffer.alloc(0));
      }
      assert.ok(Buffer.concat(parts).equals(message));
      const last = message.toString('latin1').trimEnd().slice(-20);
      const [found] = await imap.command(`SEARCH ${count - 1} BODY "${last.replaceAll(/["\\]/g, '\\$&')}"`);
      assert.equal(found?.text, `* SEARCH ${count - 1}`);
      await imap.logout();
      assert.deepEqual(gateway.complaints, []);
    });

    test('parts are those of the message that has the number, whatever goes meanwhile', async () => {
      const names = ['first', 'second', 'third'];
      for (const name of names) await gateway.store(`Subject: ${name}\r\n\r\n${name} text\r\n`);
      const reader = await rawImap(gateway.port);
      const other = await rawImap(gateway.port);
      for (const each of [reader, other]) await each.login(ALICE, PASSWORD);
      const last = await reader.select('INBOX');
      await other.select('INBOX');
      const part = async (command: string) => {
        const [found] = await reader.command(`${command} (UID BODY.PEEK[TEXT]<0.100>)`);
        const [, number, uid] = /^\* (\d+) FETCH \(UID (\d+) /.exec(found?.text ?? '') ?? [];
        return { number: Number(number), uid, text: found?.literals[0]?.toString().trimEnd() };
      };
      const { uid } = await part(`FETCH ${last - 1}`);
      const second = { number: last - 1, uid, text: 'second text' };
      for (const command of [`FETCH ${last - 1}`, `UID FETCH ${uid}`, `FETCH ${last - 1}`])
        assert.deepEqual(await part(command), second, command);
      await other.command(`STORE ${last - 2} +FLAGS (\\Deleted)`);
      await other.command('EXPUNGE');
      assert.deepEqual(await part(`FETCH ${last - 1}`), second, 'nobody has told the reader yet');
      assert.deepEqual(
        (await reader.command('NOOP')).map(({ text }) => text).filter((text) => /EXPUNGE/.test(text)),
        [`* ${last - 2} EXPUNGE`],
      );
      assert.equal((await part(`FETCH ${last - 1}`)).text, 'third text');
      for (const command of [`FETCH ${last - 2}`, `UID FETCH ${uid}`])
        assert.deepEqual(await part(command), { ...second, number: last - 2 }, command);
      for (const each of [reader, other]) await each.logout();
      assert.deepEqual(gateway.complaints, []);
    });

    test('messages that are announced and do not come have a bound for all sessions of their user', async () => {
      const stalled: Socket[] = [];
      const announced = async (bytes: number) => {
        const socket = connect(gateway.port, '127.0.0.1');
        stalled.push(socket);
        let said = '';
        socket.on('data', (piece: Buffer) => (said += piece.toString()));
        socket.write(`a LOGIN ${ALICE} "${PASSWORD}"\r\nb APPEND INBOX {${bytes}}\r\n`);
        await until('it is answered', () => /^(\+|b) .*\r\n/m.test(said));
        return /^(\+|b) .*/m.exec(said)?.[0];
      };
      const most = 100 * 1024 * 1024;
      assert.match(`${await announced(most)}`, /^\+ /);
      assert.match(`${await announced(most)}`, /^\+ /);
      assert.match(`${await announced(1)}`, /^b NO \[LIMIT\]/);
      stalled[0]?.destroy();
      await until('there is room again', async () => /^\+ /.test(`${await announced(1)}`));
      for (const each of stalled) each.destroy();
    });
  });
