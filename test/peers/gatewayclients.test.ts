// Real clients without any key at the gateway before a real Dovecot: curl, Python's imaplib, mbsync and
// NeoMutt show and copy plain mail of what is sealed.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needsDovecot } from '../support/dovecot.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { ALICE, PASSWORD, startGateway, type TestGateway } from '../support/gateway.ts';
import { openNeoMutt } from '../support/neomutt.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';

const LETTER = `Message-ID: <letter@example.org>
Date: Mon, 02 Nov 2026 10:00:00 +0000
From: Joe <joe@example.org>
To: Alice <alice@example.com>
Subject: a letter
Content-Type: text/plain; charset=utf-8

grüße canary-word
`;
const WIRE = Buffer.from(LETTER.replaceAll('\n', '\r\n'));

describe('clients at the gateway', { ...(await needsDovecot('2.3')), timeout: 240_000 }, () => {
  let gateway: TestGateway;
  let home: string;
  before(async () => {
    gateway = await startGateway();
    home = await mkdtemp(join(tmpdir(), 'sealdir-clients-'));
    await gateway.store(LETTER);
    await gateway.store(messageOfSize(300_000));
  });
  after(async () => {
    await gateway?.stop();
    await rm(home, { recursive: true, force: true });
  });

  const curl = (path: string, ...more: string[]) =>
    run('curl', [
      ...['-sS', '--max-time', '60', `imap://127.0.0.1:${gateway.port}/${path}`],
      ...['-u', `${ALICE}:${PASSWORD}`, ...more],
    ]);

  test('curl fetches, searches, and uploads what is sealed then', needs('curl'), async () => {
    const fetched = await curl('INBOX;MAILINDEX=1');
    assert.deepEqual(fetched.stdout, WIRE, fetched.stderr);
    assert.match((await curl('INBOX?SUBJECT%20letter')).stdout.toString(), /^\* SEARCH 1\r\n/);
    assert.match((await curl('INBOX?TEXT%20canary-word')).stdout.toString(), /^\* SEARCH 1\r\n/);
    assert.equal((await curl('', '-X', 'CREATE Sent')).code, 0);
    const file = join(home, 'sent');
    await writeFile(file, WIRE);
    const uploaded = await curl('Sent', '-T', file);
    assert.equal(uploaded.code, 0, uploaded.stderr);
    assert.deepEqual((await curl('Sent;MAILINDEX=1')).stdout, WIRE);
    const [name = ''] = ['new', 'cur'].flatMap((part) =>
      readdirSync(gateway.mailbox(`.Sent/${part}`)).map((each) => join(`.Sent/${part}`, each)),
    );
    assert.doesNotMatch(readFileSync(gateway.mailbox(name), 'latin1'), /canary-word/);
  });

  test('imaplib reads parts of a large message, flags, and a search in UTF-8', needs('python3'), async () => {
    const script = `
import imaplib, sys, hashlib
m = imaplib.IMAP4('127.0.0.1', ${gateway.port})
m.login(${JSON.stringify(ALICE)}, ${JSON.stringify(PASSWORD)})
m.select('INBOX')
m.store('1', '-FLAGS', '(\\\\Seen)')
whole = m.fetch('2', '(BODY.PEEK[])')[1][0][1]
parts = b''
while True:
    data = m.fetch('2', '(BODY.PEEK[]<%d.%d>)' % (len(parts), 65536))[1][0][1]
    if not data: break
    parts += data
assert parts == whole, (len(parts), len(whole))
size = m.fetch('2', '(RFC822.SIZE)')[1][0]
assert str(len(whole)).encode() in size, size
assert b'Seen' not in m.fetch('1', '(FLAGS)')[1][0]
m.fetch('1', '(BODY[TEXT])')
assert b'Seen' in m.fetch('1', '(FLAGS)')[1][0]
m.literal = 'grüße'.encode()
assert m.uid('SEARCH', 'CHARSET', 'UTF-8', 'TEXT')[1] == [b'1'], 'search'
assert m.copy('1', 'Copies')[0] == 'NO'
m.create('Copies')
assert m.uid('COPY', '1', 'Copies')[0] == 'OK'
m.select('Copies')
assert m.fetch('1', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[1][0][1] == b'Subject: a letter\\r\\n\\r\\n'
m.store('1', '+FLAGS', '(\\\\Deleted)')
m.expunge()
assert m.search(None, 'ALL')[1] == [b'']
m.logout()
`;
    const { code, stderr } = await run('python3', ['-c', script]);
    assert.equal(code, 0, stderr);
  });

  test('mbsync copies both ways, with flags', needs('mbsync'), async () => {
    const local = join(home, 'local/');
    await mkdir(local);
    const config = join(home, 'mbsyncrc');
    await writeFile(
      config,
      `IMAPStore far
Host 127.0.0.1
Port ${gateway.port}
User ${ALICE}
Pass "${PASSWORD}"
SSLType None
AuthMechs LOGIN

MaildirStore near
Path ${local}
Inbox ${local}INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX Filed
Create Both
SyncState *
`,
    );
    const sync = async () => {
      const { code, stderr, stdout } = await run('mbsync', ['-c', config, '-a']);
      assert.equal(code, 0, `${stdout}${stderr}`);
    };
    await sync();
    const copied = readdirSync(join(local, 'INBOX/new')).concat(readdirSync(join(local, 'INBOX/cur')));
    assert.equal(copied.length, 2);
    const read = (name: string) =>
      ['new', 'cur'].flatMap((part) =>
        readdirSync(join(local, name, part)).map((each) =>
          readFileSync(join(local, name, part, each), 'utf8'),
        ),
      );
    assert.ok(
      read('INBOX').some((text) => text.replace(/X-TUID.*\n/, '') === LETTER),
      'the letter as it was',
    );
    for (const part of ['tmp', 'new', 'cur']) await mkdir(join(local, 'Filed', part), { recursive: true });
    await writeFile(join(local, 'Filed/cur/1.M1.host:2,FS'), LETTER.replace('a letter', 'filed'));
    await sync();
    const [name = ''] = readdirSync(gateway.mailbox('.Filed/cur'));
    assert.match(name, /:2,FS$/);
    const stored = readFileSync(gateway.mailbox(join('.Filed/cur', name)), 'latin1');
    assert.match(stored, /BEGIN PGP MESSAGE/);
    assert.doesNotMatch(stored, /canary-word/);
    await sync();
    assert.equal(read('Filed').length, 1);
  });

  test('NeoMutt without GnuPG lists and shows', needs('neomutt', 'tmux'), async () => {
    const neomutt = await openNeoMutt({
      ...{ address: ALICE, password: PASSWORD, hostname: '127.0.0.1', port: gateway.port, gnupgHome: home },
    });
    try {
      assert.match(await neomutt.index(), /a letter/);
      assert.match(await neomutt.show(1, /canary-word/), /canary-word/);
    } finally {
      await neomutt.close();
    }
  });
});
