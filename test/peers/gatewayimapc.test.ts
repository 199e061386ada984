// Dovecot before the gateway, as an IMAP client of it (imapc): what its own clients see is plain, byte for
// byte, and what they store is sealed.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openCorpus } from '../support/corpus.ts';
import {
  COMPLAINTS,
  DOVECOT_VERSIONS,
  type Dovecot,
  type DovecotVersion,
  needsDovecot,
  startDovecotImap,
} from '../support/dovecot.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { ALICE, PASSWORD, startGateway, type TestGateway } from '../support/gateway.ts';
import { connectImap, fetchMessage, select } from '../support/imapclient.ts';
import { shortOf } from '../support/long.ts';

const CANARY = 'imapc-canary-word';
const LETTER = `From: Joe <joe@example.org>
Subject: a letter
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

${Buffer.from(`grüße ${CANARY}\n`).toString('base64')}
`;
const SENT = Buffer.from(`From: alice@example.com\r\nSubject: mine\r\n\r\n${CANARY}\r\n`);

/** imapc leaves this field of Outlook's out, which it takes for a flag (imapc-mail-fetch.c of Dovecot). */
const LEFT_OUT = /^X-Message-Flag:/im;

const samples = shortOf(
  openCorpus()
    .messages.map(({ name, wire }) => ({ name, bytes: wire() }))
    // what IMAP cannot carry, or shows otherwise: NUL, bare CR, bare LF
    .filter(({ bytes }) => !/\0|\r(?!\n)|(?<!\r)\n/.test(bytes.toString('latin1')) && bytes.length > 0)
    .filter(({ bytes }) => !LEFT_OUT.test(bytes.toString('latin1'))),
  12,
);

const FRONT: Readonly<Record<DovecotVersion, (port: number) => string>> = {
  '2.3': (port) => `mail_location = imapc:~/imapc
imapc_host = 127.0.0.1
imapc_port = ${port}
imapc_user = %u
imapc_password = ${PASSWORD}
imapc_features = rfc822.size fetch-headers fetch-bodystructure search
`,
  '2.4': (port) => `mail_driver = imapc
mail_path = ~/imapc
mail_inbox_path =
imapc_host = 127.0.0.1
imapc_port = ${port}
imapc_user = %{user}
imapc_password = ${PASSWORD}
`,
};

for (const version of DOVECOT_VERSIONS)
  describe(`Dovecot ${version} as a client of the gateway`, {
    ...(await needsDovecot(version)),
    timeout: 600_000,
  }, () => {
    let dir = '';
    let gateway: TestGateway;
    let front: Dovecot;
    before(async () => {
      gateway = await startGateway();
      await gateway.store(LETTER, messageOfSize(300_000), ...samples.map(({ bytes }) => bytes));
      dir = await mkdtemp(join(tmpdir(), 'sealdir-imapc-'));
      front = await startDovecotImap({ dir, version, more: FRONT[version](gateway.port) });
    });
    after(async () => {
      await front?.stop();
      await gateway?.stop();
      await rm(dir, { recursive: true, force: true });
    });

    test('its clients list and read plain mail, byte for byte', async () => {
      const imap = await connectImap(front.port, ALICE);
      assert.equal(await select(imap, 'INBOX'), samples.length + 2);
      const listed = await imap.fetchAll('1:*', { envelope: true, bodyStructure: true, size: true });
      assert.equal(listed.length, samples.length + 2);
      const [first] = listed.filter(({ seq }) => seq === 1);
      assert.equal(first?.envelope?.subject, 'a letter');
      assert.equal(first.bodyStructure?.encoding, 'base64');
      const expected = [Buffer.from(LETTER.replaceAll('\n', '\r\n')), messageOfSize(300_000)];
      for (const [n, bytes] of [...expected, ...samples.map(({ bytes }) => bytes)].entries()) {
        const seen = await fetchMessage(imap, n + 1);
        assert.ok(seen.bytes.equals(bytes), samples[n - 2]?.name ?? `message ${n + 1}`);
        assert.equal(seen.size, bytes.length);
      }
      await imap.logout();
    });

    test('flags, searches, copies and messages to store go through it', async () => {
      const imap = await connectImap(front.port, ALICE);
      await select(imap, 'INBOX');
      assert.deepEqual(await imap.search({ body: CANARY }), [1]);
      assert.deepEqual(await imap.search({ subject: 'a letter', larger: 10 }), [1]);
      await imap.messageFlagsAdd('1', ['\\Flagged', '\\Answered']);
      assert.deepEqual(await imap.search({ flagged: true }), [1]);
      await imap.mailboxCreate('Sent');
      await imap.append('Sent', SENT, ['\\Seen']);
      assert.notEqual(await imap.messageCopy('1', 'Sent'), false);
      assert.equal(await select(imap, 'Sent'), 2);
      assert.deepEqual((await fetchMessage(imap, 1)).bytes, SENT);
      await imap.messageDelete('2');
      assert.equal(await select(imap, 'Sent'), 1);
      await imap.logout();
      const [name = '', ...others] = readdirSync(gateway.mailbox('.Sent/cur'));
      assert.deepEqual(others, []);
      assert.match(name, /:2,S$/);
      const stored = readFileSync(gateway.mailbox(`.Sent/cur/${name}`), 'latin1');
      assert.match(stored, /BEGIN PGP MESSAGE/);
      assert.ok(!stored.includes(CANARY));
      const flags = ['new', 'cur'].flatMap((part) => readdirSync(gateway.mailbox(part)));
      assert.equal(flags.filter((each) => /:2,F?R?S?$/.test(each) && /:2,.*F.*R/.test(each)).length, 1);
      assert.deepEqual(gateway.complaints, []);
      for (const each of [front, gateway.dovecot]) assert.doesNotMatch(each.log(), COMPLAINTS);
    });
  });
