// What real clients without any key do where sealed mail is shown in plain: at the gateway, and at the
// bridge. imapflow, curl, Python's imaplib, mbsync and NeoMutt read, search, copy and store.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { messageOfSize } from '../support/fixtures.ts';
import { connectImap, fetchMessage, select } from '../support/imapclient.ts';
import { openNeoMutt } from '../support/neomutt.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';

/** Where the clients connect to. */
export interface PlainImap {
  /** Without TLS, on 127.0.0.1. */
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** What is below the user's Maildir. */
  mailbox(below: string): string;
  /** Stores a message as deliveries seal it. */
  store(message: Buffer | string): Promise<void>;
}

/** In each text, and in none of the server's files. */
export const CANARY = 'canary-word-1f0c';

const LETTER = `Message-ID: <letter@example.org>
Date: Mon, 02 Nov 2026 10:00:00 +0000
From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
To: Alice <alice@example.com>
Subject: a letter
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=utf-8

grüße ${CANARY}
--x
Content-Type: image/png; name=a.png

png
--x--
`;
const WIRE = Buffer.from(LETTER.replaceAll('\n', '\r\n'));

/** Defines the tests of a suite whose own `before` has made `at()`, with an empty mailbox. */
export function clientCases(at: () => PlainImap): void {
  let home = '';
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'sealdir-clients-'));
    await at().store(LETTER);
    await at().store(messageOfSize(300_000));
  });
  after(() => rm(home, { recursive: true, force: true }));

  const connect = () => connectImap(at().port, at().user, at().password);
  const stored = (folder: string) =>
    ['new', 'cur'].flatMap((part) =>
      readdirSync(at().mailbox(join(folder, part))).map((name) => ({
        name,
        text: readFileSync(at().mailbox(join(folder, part, name)), 'latin1'),
      })),
    );
  /** The only message of a folder: nothing of it is in clear. */
  const isSealed = (folder: string) => {
    const [message, ...others] = stored(folder);
    assert.ok(message !== undefined && others.length === 0);
    assert.match(message.text, /BEGIN PGP MESSAGE/);
    assert.ok(!message.text.includes(CANARY));
    return message;
  };

  test('imapflow lists, reads, searches and stores', async () => {
    const imap = await connect();
    assert.equal(await select(imap, 'INBOX'), 2);
    assert.deepEqual(await fetchMessage(imap, 1), { size: WIRE.length, bytes: WIRE });
    const all = await imap.fetchAll('1:*', { envelope: true, bodyStructure: true, size: true });
    const [first] = all.filter(({ seq }) => seq === 1);
    assert.equal(first?.envelope?.subject, 'a letter');
    assert.equal(first.envelope.from?.[0]?.name, 'Jörg');
    assert.deepEqual(
      first.bodyStructure?.childNodes?.map(({ type }) => type),
      ['text/plain', 'image/png'],
    );
    const part = await imap.fetchOne('1', { bodyParts: ['2'] });
    assert.ok(part !== false);
    assert.equal(part.bodyParts?.get('2')?.toString(), 'png');
    assert.deepEqual(await imap.search({ body: CANARY }), [1]);
    assert.deepEqual(await imap.search({ text: 'GRÜSSE' }), []);
    assert.deepEqual(await imap.search({ text: 'GRÜßE' }), [1]);
    assert.deepEqual(await imap.search({ larger: 10_000 }), [2]);
    await imap.mailboxCreate('Mine');
    const appended = await imap.append('Mine', WIRE, ['\\Seen', '\\Flagged'], new Date(1e12));
    assert.ok(appended !== false && appended.uid === 1);
    assert.match(isSealed('.Mine').name, /:2,FS$/);
    assert.equal(await select(imap, 'Mine'), 1);
    assert.deepEqual((await fetchMessage(imap, 1)).bytes, WIRE);
    const back = await imap.fetchOne('1', { internalDate: true, flags: true });
    assert.ok(back !== false && back.flags?.has('\\Flagged'));
    assert.equal(new Date(back.internalDate ?? 0).getTime(), 1e12);
    await imap.logout();
  });

  test('curl fetches, searches, and uploads what is sealed then', needs('curl'), async () => {
    const curl = (path: string, ...more: string[]) =>
      run('curl', [
        ...['-sS', '--max-time', '60', `imap://127.0.0.1:${at().port}/${path}`],
        ...['-u', `${at().user}:${at().password}`, ...more],
      ]);
    const fetched = await curl('INBOX;MAILINDEX=1');
    assert.deepEqual(fetched.stdout, WIRE, fetched.stderr);
    assert.match((await curl('INBOX?SUBJECT%20letter')).stdout.toString(), /^\* SEARCH 1\r\n/);
    assert.match((await curl(`INBOX?TEXT%20${CANARY}`)).stdout.toString(), /^\* SEARCH 1\r\n/);
    assert.equal((await curl('', '-X', 'CREATE Uploaded')).code, 0);
    const file = join(home, 'uploaded');
    await writeFile(file, WIRE);
    const uploaded = await curl('Uploaded', '-T', file);
    assert.equal(uploaded.code, 0, uploaded.stderr);
    assert.deepEqual((await curl('Uploaded;MAILINDEX=1')).stdout, WIRE);
    isSealed('.Uploaded');
  });

  test('imaplib reads parts of a large message, flags, and a search in UTF-8', needs('python3'), async () => {
    const script = `
import imaplib
m = imaplib.IMAP4('127.0.0.1', ${at().port})
m.login(${JSON.stringify(at().user)}, ${JSON.stringify(at().password)})
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
    await writeFile(config, mbsyncConfig(at(), local));
    const sync = async () => {
      const { code, stderr, stdout } = await run('mbsync', ['-c', config, '-a']);
      assert.equal(code, 0, `${stdout}${stderr}`);
    };
    const copies = (folder: string) =>
      ['new', 'cur'].flatMap((part) =>
        readdirSync(join(local, folder, part)).map((name) => ({
          name,
          path: join(local, folder, part, name),
          text: readFileSync(join(local, folder, part, name), 'utf8').replace(/X-TUID.*\n/, ''),
        })),
      );
    const letter = () =>
      copies('INBOX').find(({ text }) => text === LETTER) ?? assert.fail('the letter as it was');
    await sync();
    assert.equal(copies('INBOX').length, 2);
    for (const part of ['tmp', 'new', 'cur']) await mkdir(join(local, 'Filed', part), { recursive: true });
    await writeFile(join(local, 'Filed/cur/1.M1.host:2,FS'), LETTER.replace('a letter', 'filed'));
    await sync();
    assert.match(isSealed('.Filed').name, /:2,FS$/);
    await sync();
    assert.equal(copies('Filed').length, 1);
    // flags: from there to here, and from here to there
    const imap = await connect();
    await select(imap, 'INBOX');
    await imap.messageFlagsSet('1', ['\\Answered', '\\Seen']);
    await sync();
    const { path, name } = letter();
    assert.match(name, /:2,RS$|,U=\d+:2,RS$/);
    renameSync(path, path.replace(/\/new\/|\/cur\//, '/cur/').replace(/:2,.*$/, ':2,FRS'));
    await sync();
    const seen = await imap.fetchOne('1', { flags: true });
    assert.ok(seen !== false && seen.flags?.has('\\Flagged') && seen.flags.has('\\Answered'));
    await imap.logout();
  });

  test('NeoMutt without GnuPG lists and shows', needs('neomutt', 'tmux'), async () => {
    const { user: address, password, port } = at();
    const neomutt = await openNeoMutt({ address, password, hostname: '127.0.0.1', port, gnupgHome: home });
    try {
      assert.match(await neomutt.index(), /a letter/);
      const text = new RegExp(CANARY);
      assert.match(await neomutt.show(1, text), text);
      assert.equal((await neomutt.save(1)).toString(), 'png');
    } finally {
      await neomutt.close();
    }
  });
}

function mbsyncConfig({ port, user, password }: PlainImap, local: string): string {
  return `IMAPStore far
Host 127.0.0.1
Port ${port}
User ${user}
Pass "${password}"
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
`;
}
