// Sessions before a real Dovecot, command by command: what is opened, what is refused, and that nothing is
// stored in clear whatever fails.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { SealingError } from '../../src/gateway/account.ts';
import { COMPLAINTS, needsDovecot } from '../support/dovecot.ts';
import { ALICE, PASSWORD, startGateway, type TestGateway } from '../support/gateway.ts';
import { connectImap, type ImapClient } from '../support/rawimap.ts';
import { makeKey } from '../support/testkeys.ts';

const crlf = (text: string) => text.replaceAll('\n', '\r\n');
const LETTER = `Date: Mon, 02 Nov 2026 10:00:00 +0000
From: Joe <joe@example.org>
Subject: a letter

canary-word
`;

describe('a session at the gateway', { ...(await needsDovecot('2.3')), timeout: 240_000 }, () => {
  let gateway: TestGateway;
  let imap: ImapClient;
  let isUnfit = false;
  /** How often a session key was looked for. */
  let asked = 0;
  before(async () => {
    gateway = await startGateway({
      account: (_, own) => ({
        ...own,
        keys: async () => {
          if (isUnfit) throw new SealingError('the key has expired');
          return own.keys();
        },
        opener: {
          sessionKeyOf(sealed) {
            asked++;
            return own.opener?.sessionKeyOf(sealed) ?? assert.fail();
          },
        },
      }),
    });
    imap = await connectImap(gateway.port);
    await imap.login(ALICE, PASSWORD);
    await imap.command('CREATE Sent');
  });
  after(async () => {
    await imap?.logout();
    await gateway?.stop();
  });
  afterEach(() => assert.doesNotMatch(gateway.dovecot.log(), COMPLAINTS));

  /** Resolves to the number of the message that was stored last. */
  const last = () => imap.select('INBOX');
  const fetch = async (number: number, items: string) => {
    const responses = await imap.command(`FETCH ${number} ${items}`);
    const [first] = responses.filter(({ text }) => text.startsWith(`* ${number} FETCH`));
    return { text: first?.text ?? '', bytes: first?.literals[0]?.toString('latin1') ?? '' };
  };
  const messagesIn = (folder: string) =>
    ['new', 'cur', 'tmp'].flatMap((part) => readdirSync(gateway.mailbox(`${folder}/${part}`)));
  const append = (message: string) => imap.command(`APPEND Sent {${message.length}+}\r\n${message}`);

  test('a message is marked as seen by what does that, and its flags are told', async () => {
    await gateway.store(LETTER);
    const number = await last();
    assert.equal((await fetch(number, '(FLAGS BODY.PEEK[])')).bytes, crlf(LETTER));
    assert.doesNotMatch((await fetch(number, 'FLAGS')).text, /Seen/);
    const { text, bytes } = await fetch(number, 'BODY[TEXT]');
    assert.equal(bytes, 'canary-word\r\n');
    assert.match(text, /^\* \d+ FETCH \(BODY\[TEXT\] \{13\} FLAGS \(.*\\Seen.*\)\)$/);
  });

  test('a partial past the end has the rest, or nothing, and what is not there is empty', async () => {
    await gateway.store(LETTER);
    const number = await last();
    const { text, bytes } = await fetch(number, 'BODY.PEEK[TEXT]<7.100>');
    assert.match(text, /BODY\[TEXT\]<7> \{6\}\)$/);
    assert.equal(bytes, 'word\r\n');
    assert.match((await fetch(number, 'BODY.PEEK[]<10000.5>')).text, /BODY\[\]<10000> \{0\}\)$/);
    assert.match((await fetch(number, 'BODY.PEEK[9]')).text, /BODY\[9\] \{0\}\)$/);
  });

  test('commands and items that were not thought through are refused, and the session goes on', async () => {
    await last();
    const commands = ['COMPRESS DEFLATE', 'STARTTLS', 'SORT (DATE) UTF-8 ALL', 'THREAD REFERENCES UTF-8 ALL'];
    const fetches = ['FETCH 1 BINARY[1]', 'FETCH 1 PREVIEW', 'UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)'];
    const others = [
      'SELECT INBOX (QRESYNC (1 2))',
      'SEARCH RETURN (COUNT) TEXT x',
      'NOTIFY NONE',
      'STATUS INBOX (MESSAGES SIZE)',
      'STATUS INBOX (X-SIZE)',
      'LIST "" * RETURN (CHILDREN STATUS (UNSEEN SIZE))',
      'FETCH 0 FLAGS',
    ];
    for (const command of [
      ...commands,
      ...fetches,
      ...others,
      'XLIST "" *',
      'LOGIN a b',
      'SEARCH SENTON 31-Feb-2026',
    ])
      await assert.rejects(imap.command(command), /: a\d+ (BAD|NO)/, command);
    const told = await imap.command(
      'STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)',
    );
    assert.match(told[0]?.text ?? '', /^\* STATUS INBOX \(MESSAGES \d+ .*UNSEEN \d+/);
    const listed = await imap.command('LIST "" (INBOX "no {}") RETURN (CHILDREN STATUS (UNSEEN))');
    assert.ok(listed.some(({ text }) => /^\* STATUS INBOX \(UNSEEN \d+\)$/.test(text)));
    assert.ok((await last()) > 0);
  });

  test('capabilities are those that are meant, however they are told', async () => {
    const [told] = await imap.command('CAPABILITY');
    for (const name of ['SORT', 'BINARY', 'PREVIEW', 'COMPRESS', 'QRESYNC', 'ESEARCH', 'THREAD', 'NOTIFY'])
      assert.doesNotMatch(told?.text ?? '', new RegExp(name), name);
    for (const name of ['IMAP4rev1', 'IDLE', 'MOVE', 'UIDPLUS', 'LITERAL\\+'])
      assert.match(told?.text ?? '', new RegExp(name), name);
  });

  test('a message for another key, one that is cut off and one that only says it is sealed are shown as stored', async () => {
    const [stranger, own] = [await makeKey('eve@example.org'), await gateway.sealed(LETTER)];
    const encrypted = await openpgp.encrypt({
      message: await openpgp.createMessage({ text: 'x' }),
      encryptionKeys: await openpgp.readKey({ armoredKey: stranger.certificate }),
    });
    const text = own.toString();
    const armor = /-----BEGIN[\s\S]*-----END PGP MESSAGE-----\n/;
    const odd = [
      text.replace(armor, `${encrypted}\n`),
      text.slice(0, -200),
      text.replace(armor, 'nothing\n'),
    ];
    for (const message of odd) {
      await gateway.storeAsIs(message);
      const number = await last();
      let tried = asked;
      for (const how of ['tried', 'remembered', 'selected again', 'in another session']) {
        if (how === 'selected again') await last();
        if (how === 'in another session') {
          await imap.logout();
          imap = await connectImap(gateway.port);
          await imap.login(ALICE, PASSWORD);
          await last();
        }
        assert.equal((await fetch(number, 'BODY.PEEK[]')).bytes, crlf(message.replaceAll('\r\n', '\n')));
        assert.match((await fetch(number, 'BODYSTRUCTURE')).text, /"encrypted"/i);
        if (how === 'tried') tried = asked;
        assert.equal(asked, tried, how);
      }
    }
  });

  test('what its sender has encrypted keeps the fields that came with it', async () => {
    const inner = 'Content-Type: text/plain\nFrom: bank@example.org\nSubject: inside\n\ninner-canary\n';
    const encrypted = await openpgp.encrypt({
      message: await openpgp.createMessage({ text: inner }),
      encryptionKeys: await openpgp.readKey({ armoredKey: gateway.key.certificate.toString() }),
    });
    const frame = (header: string) => `Received: from far by near; Mon, 02 Nov 2026 10:00:00 +0000
Received: from farther by far; Mon, 02 Nov 2026 10:00:00 +0000
${header}From: eve@example.org
Subject: ...
MIME-Version: 1.0
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"

--b
Content-Type: application/pgp-encrypted

Version: 1

--b
Content-Type: application/octet-stream

${encrypted}
--b--
`;
    for (const header of [
      '',
      'Sealed-At-Delivery: by mx.example.com; hop=plain;\n Mon, 02 Nov 2026 10:00:00 +0000\n',
    ]) {
      await gateway.storeAsIs(frame(header));
      const { bytes } = await fetch(await last(), 'BODY.PEEK[]');
      assert.match(bytes, /^From: eve@example\.org\r$/m);
      assert.match(bytes, /^Subject: inside\r$/m);
      assert.doesNotMatch(bytes, /bank@|multipart\/encrypted/);
      assert.match(bytes, /\r\n\r\ninner-canary\r\n$/);
    }
  });

  test('SEARCH holds keys against what is inside, and leaves others to Dovecot', async () => {
    await gateway.storeAsIs('Subject: open\n\nclear-word\n');
    await gateway.store(
      'Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\nContent-Transfer-Encoding: base64\n\naGlkZGVuLXdvcmQ=\n',
    );
    const count = await last();
    await imap.command(`STORE ${count} +FLAGS (\\Flagged)`);
    const search = async (keys: string) =>
      (await imap.command(`SEARCH ${keys}`)).find(({ text }) => text.startsWith('* SEARCH'))?.text;
    assert.equal(await search('BODY hidden-word'), `* SEARCH ${count}`);
    assert.equal(await search('BODY clear-word'), `* SEARCH ${count - 1}`);
    assert.equal(await search('OR BODY hidden-word BODY clear-word'), `* SEARCH ${count - 1} ${count}`);
    assert.equal(await search(`FLAGGED NOT BODY clear-word ${count - 1}:*`), `* SEARCH ${count}`);
    assert.equal(await search(`LARGER 200 ${count - 1}:*`), '* SEARCH');
    assert.equal(
      await search(
        'SUBJECT {7+}\r\ngr\xc3\xbc\xc3\x9fe'.replace(/[\xc0-\xff]./g, (two) =>
          Buffer.from(two, 'latin1').toString(),
        ),
      ),
      `* SEARCH ${count}`,
    );
    // RFC 7162 §3.1.5: the highest of what was found
    const modseq = (await search('BODY hidden-word MODSEQ 1')) ?? '';
    assert.match(modseq, new RegExp(`^\\* SEARCH ${count} \\(MODSEQ \\d+\\)$`));
    assert.match((await search(`${count} MODSEQ 1`)) ?? '', / \(MODSEQ \d+\)$/);
    const [number] = /\d+(?=\)$)/.exec(modseq) ?? [];
    assert.match((await fetch(count, 'MODSEQ')).text, new RegExp(`MODSEQ \\(${number}\\)`));
    assert.equal(await search('BODY no-such-word MODSEQ 1'), '* SEARCH');
    assert.equal(await search('CHARSET {7+}\r\n\r\nutf-8 BODY hidden-word'), `* SEARCH ${count}`);
    const [uid] = (await imap.command('UID SEARCH BODY hidden-word')).map(({ text }) => text);
    assert.match(uid ?? '', /^\* SEARCH \d+$/);
  });

  test('a client that sends a line without an end hears why it is left', async () => {
    const other = connect(gateway.port, '127.0.0.1').setEncoding('latin1');
    let heard = '';
    other.on('data', (text) => {
      heard += text;
    });
    other.write(`a LOGIN ${ALICE} "${PASSWORD}"\r\nb NOOP ${'x'.repeat(70_000)}`);
    await once(other, 'end');
    other.destroy();
    assert.match(heard, /^a OK [^\n]*\n(?:\* [^\n]*\n)*\* BYE a line has more than 65536 bytes\r\n$/m);
  });

  test('F47: what cannot be sealed, or is too large, is not stored, and the session goes on', async () => {
    await append(crlf(LETTER));
    const stored = messagesIn('.Sent').length;
    isUnfit = true;
    await assert.rejects(append(crlf(LETTER)), /: a\d+ NO \[CANNOT\]/);
    isUnfit = false;
    assert.deepEqual(gateway.complaints.splice(0), ['append: Error: the key has expired']);
    await assert.rejects(imap.command(`APPEND Sent {${2 ** 30}}`), /: a\d+ NO \[TOOBIG\]/);
    // what follows a refused command is no command
    await assert.rejects(imap.command('APPEND Sent "1-Feb-2026" {10+}\r\nx STARTTLS'), /: a\d+ BAD/);
    assert.deepEqual(
      (await imap.command('NOOP')).map(({ text }) => text),
      [],
    );
    await assert.rejects(imap.command(`APPEND Nowhere {1+}\r\nx`), /: a\d+ NO \[TRYCREATE\]/);
    assert.equal(messagesIn('.Sent').length, stored);
    await append(crlf(LETTER));
    assert.equal(messagesIn('.Sent').length, stored + 1);
  });

  test('nothing of a message that the server behind refuses is taken for commands there', async () => {
    await imap.command('CREATE Victim');
    const message = crlf(LETTER.replace('Subject: a letter', 'Subject: DELETE Victim'));
    const literal = `{${message.length}+}\r\n${message}`;
    const stored = messagesIn('.Sent').length;
    // Dovecot says BAD to these before it has read the message
    for (const head of ['(\\Bogus)', '"01-Jan-20 00:00:00 +0000"', '("\\Seen")'])
      await assert.rejects(imap.command(`APPEND Sent ${head} ${literal}`), /: a\d+ BAD/);
    assert.equal((await imap.command('LIST "" Victim')).length, 1);
    assert.equal(messagesIn('.Sent').length, stored);
    await imap.command('DELETE Victim');
  });

  test('dates of APPEND are what the server behind takes for one', async () => {
    const message = crlf(LETTER);
    for (const day of ['01', ' 1', '1', '31']) {
      await imap.command(`APPEND Sent "${day}-Jan-2026 12:00:00 +0000" {${message.length}+}\r\n${message}`);
      const count = await imap.select('Sent');
      const { text } = await fetch(count, 'INTERNALDATE');
      assert.ok(text.includes(`"${day.trim().padStart(2, '0')}-Jan-2026 12:00:00 +0000"`), text);
    }
  });

  test('a session hears of flags that another one has set, and of what it has removed, when it may', async () => {
    const other = await connectImap(gateway.port);
    await other.login(ALICE, PASSWORD);
    const count = await other.select('INBOX');
    assert.equal(await last(), count);
    await other.command(`STORE ${count} +FLAGS (\\Answered)`);
    const told = await imap.command('NOOP');
    assert.ok(told.some(({ text }) => text.startsWith(`* ${count} FETCH`) && text.includes('\\Answered')));
    await other.command(`STORE ${count} +FLAGS (\\Deleted)`);
    await other.command('EXPUNGE');
    const { bytes } = await fetch(1, 'BODY.PEEK[HEADER]');
    assert.match(bytes, /Subject: a letter/);
    assert.ok((await imap.command('NOOP')).some(({ text }) => text === `* ${count} EXPUNGE`));
    await other.logout();
  });
});

test(
  'without a key here, mail is shown as it is stored, and sealed when it is stored',
  await needsDovecot('2.3'),
  async () => {
    const gateway = await startGateway({ account: (_, own) => ({ ...own, opener: undefined }) });
    try {
      const imap = await connectImap(gateway.port);
      await imap.login(ALICE, PASSWORD);
      const message = crlf(LETTER);
      await imap.command(`APPEND INBOX {${message.length}+}\r\n${message}`);
      assert.equal(await imap.select('INBOX'), 1);
      const { bytes } = await imap.fetch(1);
      assert.match(bytes.toString(), /BEGIN PGP MESSAGE/);
      assert.doesNotMatch(bytes.toString(), /canary/);
      await imap.logout();
    } finally {
      await gateway.stop();
    }
  },
);
