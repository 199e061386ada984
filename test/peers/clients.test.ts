// Mail clients on what Sealdir stores under each header policy: Thunderbird and NeoMutt over IMAP from a real
// Dovecot, notmuch and gpg on the files. What each shows of messages of each kind is in MATRIX.md.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Dovecot, startDovecotImap } from '../support/dovecot.ts';
import { type GnupgHome, openGnupgHome } from '../support/gnupghome.ts';
import { type GpgKey, makeGpgKey } from '../support/gpgkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong } from '../support/long.ts';
import { CANARY, HIDDEN, type MailKind, makeMailKinds } from '../support/mailkinds.ts';
import { withNotmuch } from '../support/mailreaders.ts';
import { Matrix } from '../support/matrix.ts';
import { openNeoMutt } from '../support/neomutt.ts';
import { armorOf } from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { type Shown, startThunderbird, type Thunderbird } from '../support/thunderbird.ts';

const POLICIES = ['visible', 'baseline', 'minimal'] as const;
const ROWS = {
  before: 'subject in the list, before the message is opened',
  after: 'subject in the list, once it has been opened',
  subject: 'subject of the message',
  signedSubject: 'subject of a message that mutt has signed',
  sender: 'sender',
  recipients: 'To',
  thread: 'an answer stands in its thread',
  isEncrypted: 'marked as encrypted',
  plain: 'text',
  cron: 'text of mail without a Content-Type, as cron sends it',
  koi8: 'text in a legacy charset',
  html: 'HTML',
  picture: 'a picture in it',
  attachment: 'an attachment, saved',
  invitation: 'an invitation',
  forwarded: 'a forwarded message',
  bounce: 'a bounce',
  signed: 'a signature in it',
  reply: 'subject of a reply',
  sealedReply: 'the reply is encrypted, its subject too',
  answerAll: 'a reply to all goes to all',
  found: 'found by a word of its text',
  bytes: 'what decrypts',
} as const;

type Row = keyof typeof ROWS;

const matrix = new Matrix('clients.test.ts', 'clients', Object.values(ROWS));

describe('mail clients', { ...needs('gpg', 'dovecot', 'doveadm'), timeout: 900_000 }, () => {
  let directory = '';
  let [alice, bob]: [GpgKey?, GpgKey?] = [];
  let [home, homeOfBob]: [GnupgHome?, GnupgHome?] = [];
  let server: TestServer;
  let dovecot: Dovecot;
  let kinds: MailKind[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    alice = await makeGpgKey({ kind: 'cv25519', address: 'alice@example.com', directory });
    bob = await makeGpgKey({ kind: 'cv25519', address: 'bob@example.org', directory });
    home = await openGnupgHome();
    await home.gpg(['--import', alice.secretKeyFile, bob.certificateFile]);
    const trust = [alice, bob].map(({ fingerprint }) => `${fingerprint}:6:\n`).join('');
    await home.gpg(['--trust-model', 'pgp', '--import-ownertrust'], trust);
    homeOfBob = await openGnupgHome();
    await homeOfBob.gpg(['--import', bob.secretKeyFile, alice.certificateFile]);
    kinds = await makeMailKinds(homeOfBob, directory);
    const addresses = POLICIES.map(addressOf);
    const policies = POLICIES.map((policy) => `${addressOf(policy)}: ${policy}`);
    server = await startSealdir({
      keys: Object.fromEntries(addresses.map((address) => [address, alice?.certificate ?? ''])),
      toml: { rest: `[headers]\nrecipients = ${JSON.stringify(policies)}\n` },
    });
    const session = await openSession(server.socketPath);
    for (const { bytes } of kinds) {
      const { final } = await deliver(session, { to: addresses, message: bytes });
      assert.equal(final.filter((reply) => reply.startsWith('250')).length, addresses.length);
    }
    await session.vanish();
    dovecot = await startDovecotImap({ dir: server.directory });
    await dovecot.adopt(join(server.directory, 'mail'));
  });
  after(async () => {
    await dovecot?.stop();
    await server?.stop();
    await home?.close();
    await homeOfBob?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const at = (policy: string) => ({
    address: addressOf(policy),
    password: 'pass',
    hostname: '127.0.0.1',
    port: dovecot.port,
  });
  const kindOf = (name: string) => {
    const kind = kinds.find((each) => each.name === name);
    assert.ok(kind, name);
    return kind;
  };
  /** What the other side makes of a reply. */
  const readByBob = async (sent: Buffer) => {
    assert.ok(homeOfBob);
    const [outside = ''] = sent.toString('latin1').split(/\r?\n\r?\n/);
    const inside = (await homeOfBob.gpg(['--decrypt'], armorOf(sent))).toString();
    assert.match(inside, /^Subject: Re: Quarterly plain\r?$/m);
    assert.match(inside, /^> Gr.+e CANARY/m);
    return /^Subject: \.\.\.\r?$/m.test(outside) ? 'yes' : 'no, in clear';
  };

  const seenBy = (client: string, policy: string) => (row: Row, outcome: string) =>
    matrix.saw(ROWS[row], `${client}, ${policy}`, outcome);

  test('Thunderbird shows what was sent', needs('thunderbird', 'Xvfb'), async () => {
    await mkdir(join(directory, 'thunderbird'));
    const thunderbird = await startThunderbird(join(directory, 'thunderbird'));
    try {
      await thunderbird.acceptKey(bob?.certificate.toString() ?? '');
      for (const policy of isLong ? POLICIES : (['baseline'] as const))
        await seenByThunderbird(thunderbird, policy);
    } finally {
      await thunderbird.stop();
    }
    assert.doesNotMatch(dovecot.log(), /(Error|Fatal|Panic):/);
  });

  async function seenByThunderbird(thunderbird: Thunderbird, policy: string): Promise<void> {
    const cell = seenBy('Thunderbird', policy);
    const secretKey = alice?.secretKey.toString() ?? '';
    const account = await thunderbird.addAccount({ ...at(policy), isTls: false, secretKey });
    const rows = await thunderbird.list(account, 'INBOX', kinds.length);
    const listed = (name: string) => rows.find(({ messageId }) => messageId === `${name}@example.org`);
    cell('before', oneOf(kinds.map((kind) => subjectOf(listed(kind.name)?.listed ?? '', kind))));
    assert.deepEqual(
      rows.filter(({ level }) => level > 0).map(({ messageId }) => messageId),
      ['reply@example.org'],
    );
    cell('thread', 'yes');
    assert.ok(rows.every(({ correspondent }) => correspondent === 'Bob <bob@example.org>'));
    cell('sender', 'yes');
    const shown = new Map<string, Shown>();
    for (const { name } of isLong ? kinds : [kindOf('plain'), kindOf('cron')]) {
      const message = await thunderbird.show(account, 'INBOX', `${name}@example.org`);
      assert.match(message.sender, /bob@example\.org/);
      assert.ok(message.isEncrypted && message.encryption.endsWith('message-encrypted-ok.svg'), name);
      shown.set(name, message);
      const { attachment } = kindOf(name);
      if (attachment !== undefined) {
        assert.deepEqual(message.attachments, [attachment.name]);
        assert.ok((await thunderbird.save(attachment.name)).equals(attachment.bytes));
        cell('attachment', 'the same bytes');
      }
      if (name !== 'plain') continue;
      cell('answerAll', isToAll(await thunderbird.answerAll()));
      const { subject, to, quoted, sent } = await thunderbird.reply();
      assert.deepEqual([subject, to], ['Re: Quarterly plain', 'Bob <bob@example.org>']);
      assert.match(quoted, /Grüße CANARY/);
      cell('reply', 'real');
      cell('sealedReply', await readByBob(sent));
    }
    cell('isEncrypted', 'yes');
    cell('recipients', shown.get('plain')?.recipients.includes('carol@example.org') ? 'yes' : 'no');
    const unsigned = [...shown].filter(([name]) => name !== 'signed');
    cell('after', oneOf(unsigned.map(([name, { listed }]) => subjectOf(listed, kindOf(name)))));
    cell('subject', oneOf(unsigned.map(([name, { subject }]) => subjectOf(subject, kindOf(name)))));
    for (const row of TEXTS) {
      const message = shown.get(row);
      if (message !== undefined) cell(row, textOf(message.text, kindOf(row)));
    }
    if (!isLong) return;
    const signed = shown.get('signed');
    cell('signedSubject', subjectOf(signed?.subject ?? '', kindOf('signed')));
    assert.match(signed?.signature ?? '', /message-signed-verified\.svg$/);
    cell('signed', 'good');
    assert.deepEqual(shown.get('html')?.pictures, [3]);
    cell('picture', 'yes');
    assert.match(shown.get('invitation')?.invitation ?? '', /contains event information/);
    assert.match(shown.get('bounce')?.text ?? '', /Action: failed/);
  }

  for (const policy of POLICIES)
    test(`NeoMutt shows what was sent: ${policy}`, needs('neomutt', 'tmux'), async () => {
      const neomutt = await openNeoMutt({ ...at(policy), gnupgHome: home?.path ?? '' });
      try {
        const cell = seenBy('NeoMutt', policy);
        const rowsOf = (screen: string) =>
          [...screen.matchAll(/^ *\d+ (...) +Bob +((?:[└├]─>)?)(.*)$/gm)].map(
            ([, flags = '', tree = '', subject = '']) => ({ flags, isAnswer: tree !== '', subject }),
          );
        const rows = rowsOf(await neomutt.index());
        assert.equal(rows.length, kinds.length);
        cell('before', oneOf(rows.map(({ subject }, n) => subjectOf(subject, kinds[n]))));
        assert.deepEqual(
          rows.filter(({ isAnswer }) => isAnswer).map((row) => rows.indexOf(row)),
          [1],
        );
        cell('thread', 'yes');
        const screens = new Map<string, string>();
        for (const [n, { name, texts }] of kinds.entries())
          screens.set(name, await neomutt.show(n + 1, anyOf(texts)));
        const opened = rowsOf(await neomutt.index());
        cell('after', oneOf(opened.map(({ subject }, n) => subjectOf(subject, kinds[n]))));
        assert.ok(opened.every(({ flags }) => /[PS]/.test(flags)));
        cell('isEncrypted', 'yes');
        const subjects = kinds.map((kind) => {
          const lines = [...(screens.get(kind.name) ?? '').matchAll(/^Subject: (.*)$/gm)];
          return subjectOf(
            lines.map(([, subject]) => subject).find((each) => each !== '[...]') ?? '[...]',
            kind,
          );
        });
        cell('subject', oneOf(subjects));
        cell('signedSubject', subjects.at(-1) ?? '');
        const plain = screens.get('plain') ?? '';
        assert.match(plain, /^From: Bob <bob@example\.org>$/m);
        cell('sender', 'yes');
        cell('recipients', /^To: .*carol@example\.org/m.test(plain) ? 'yes' : 'no');
        for (const row of TEXTS) cell(row, textOf(screens.get(row) ?? '', kindOf(row)));
        assert.match(screens.get('signed') ?? '', /^Good signature from: bob@example\.org$/m);
        assert.match(opened.at(-1)?.flags ?? '', /S/);
        cell('signed', 'good');
        const saved = await neomutt.save(kinds.indexOf(kindOf('attachment')) + 1);
        assert.ok(saved.equals(kindOf('attachment').attachment?.bytes ?? Buffer.alloc(0)));
        cell('attachment', 'the same bytes');
        cell('answerAll', isToAll(await neomutt.answerAll(1)));
        const { screen, sent } = await neomutt.reply(1);
        assert.match(screen, /^ +Subject: Re: Quarterly plain$/m);
        cell('reply', 'real');
        cell('sealedReply', await readByBob(sent));
      } finally {
        await neomutt.close();
      }
    });

  for (const policy of POLICIES)
    test(`notmuch shows what was sent: ${policy}`, needs('notmuch'), async () => {
      const cell = seenBy('notmuch', policy);
      const maildir = join(server.directory, 'mail/example.com', policy);
      await withNotmuch(maildir, home?.path ?? '', async (notmuch) => {
        const list = async (...args: string[]) =>
          JSON.parse((await notmuch('search', '--format=json', ...args)).toString()) as readonly Thread[];
        const threads = await list('*');
        const first = kinds.filter(({ name }) => name !== 'reply');
        assert.equal(threads.length, first.length);
        cell('thread', 'yes');
        // a thread has the subject of one of its messages
        const single = first.filter(({ name }) => name !== 'signed' && name !== 'plain');
        const isListed = ({ subject }: MailKind) => threads.some((thread) => thread.subject === subject);
        assert.ok(single.every(isListed));
        cell('before', 'real');
        assert.equal((await list(CANARY)).length, first.length);
        cell('found', 'yes');
        const show = (name: string, ...args: string[]) =>
          notmuch('show', '--decrypt=true', ...args, `id:${name}@example.org`);
        const shown = new Map<string, NotmuchMessage>();
        for (const { name } of kinds) {
          const json = await show(name, '--format=json', '--entire-thread=false');
          const [message] = messagesIn(JSON.parse(json.toString()));
          assert.ok(message);
          assert.equal(message.crypto.decrypted?.status, 'full', name);
          shown.set(name, message);
        }
        cell('isEncrypted', 'yes');
        const subjects = kinds.map((kind) => subjectOf(shown.get(kind.name)?.headers.Subject ?? '', kind));
        cell('subject', oneOf(subjects.slice(0, -1)));
        cell('signedSubject', subjects.at(-1) ?? '');
        const { From, To = '' } = shown.get('plain')?.headers ?? {};
        assert.equal(From, 'Bob <bob@example.org>');
        cell('sender', 'yes');
        cell('recipients', To.includes('carol@example.org') ? 'yes' : 'no');
        for (const row of TEXTS) {
          const text = await show(row, '--format=text', '--include-html', '--entire-thread=false');
          cell(row, textOf(text.toString().replaceAll(/<\/?b>/g, ''), kindOf(row)));
        }
        assert.equal(shown.get('signed')?.crypto.signed?.status[0]?.status, 'good');
        cell('signed', 'good');
        const part = partNamed(shown.get('attachment')?.body ?? [], 'Grüße.bin');
        const saved = await show('attachment', '--format=raw', `--part=${part}`);
        assert.ok(saved.equals(kindOf('attachment').attachment?.bytes ?? Buffer.alloc(0)));
        cell('attachment', 'the same bytes');
        const reply = (await notmuch('reply', '--decrypt=true', 'id:plain@example.org')).toString();
        const [, subject = ''] = /^Subject: Re: (.*)$/m.exec(reply) ?? [];
        assert.match(reply, /^> Grüße CANARY$/m);
        cell('answerAll', isToAll(reply));
        cell('reply', subjectOf(subject, kindOf('plain')));
      });
    });

  for (const policy of POLICIES)
    test(`gpg decrypts what was sent: ${policy}`, async () => {
      const names = await Promise.all(
        ['new', 'cur'].map((part) => server.files(addressOf(policy), part as 'new')),
      );
      const found = await Promise.all(
        names
          .flat()
          .map(async (file) => (await home?.gpg(['--decrypt'], armorOf(await readFile(file)))) ?? ''),
      );
      const isExact = kinds.every(({ bytes }) => found.some((each) => bytes.equals(Buffer.from(each))));
      for (const { name, bytes, subject } of kinds) {
        const [, body = ''] = /^.*?\r\n\r\n(.*)$/s.exec(bytes.toString('latin1')) ?? [];
        const message = found.find((each) => each.toString('latin1').endsWith(`\r\n\r\n${body}`));
        assert.match(message?.toString() ?? '', new RegExp(`^Subject: ${subject}\\r$`, 'm'), name);
      }
      seenBy('gpg', policy)('subject', 'real');
      seenBy('gpg', policy)('bytes', isExact ? 'the bytes received' : 'these, with fields added');
    });

  test('the matrix has what was seen', () => {
    assert.deepEqual(matrix.missing(), []);
  });
});

/** Rows about a text, named after the kind of message. */
const TEXTS = ['plain', 'cron', 'koi8', 'html', 'invitation', 'forwarded', 'bounce'] as const;

interface Thread {
  readonly subject: string;
}

interface NotmuchPart {
  readonly id: number;
  readonly filename?: string;
  readonly content?: string | readonly NotmuchPart[];
}

interface NotmuchMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: readonly NotmuchPart[];
  readonly crypto: {
    readonly signed?: { readonly status: readonly { readonly status: string }[] };
    readonly decrypted?: { readonly status: string };
  };
}

/** Lists the messages in threads of threads. */
function messagesIn(found: unknown): NotmuchMessage[] {
  if (Array.isArray(found)) return found.flatMap(messagesIn);
  const isMessage = typeof found === 'object' && found !== null && 'crypto' in found;
  return isMessage ? [found as NotmuchMessage] : [];
}

function partNamed(parts: readonly NotmuchPart[], filename: string): number | undefined {
  for (const part of parts) {
    if (part.filename === filename) return part.id;
    const found = typeof part.content === 'object' ? partNamed(part.content, filename) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function addressOf(policy: string): string {
  return `${policy}@example.com`;
}

function subjectOf(seen: string, kind: MailKind | undefined): string {
  if (seen === kind?.subject) return 'real';
  assert.equal(seen, '[...]');
  return seen;
}

/** Returns what all of them are. */
function oneOf(outcomes: readonly string[]): string {
  const [outcome = '', ...others] = new Set(outcomes);
  assert.deepEqual(others, []);
  return outcome;
}

function isToAll(recipients: string): string {
  assert.match(recipients, /bob@example\.org/);
  return recipients.includes('carol@example.org') ? 'yes' : 'no';
}

function anyOf(texts: readonly string[]): RegExp {
  return new RegExp(texts.join('|'));
}

/** The text is there; fields of the header of the message may be, above it. */
function textOf(seen: string, { name, texts }: MailKind): string {
  assert.match(seen, anyOf(texts), name);
  if (name === 'invitation') return seen.includes('you are invited') ? 'its text' : 'as an event';
  return seen.includes(HIDDEN) ? 'below its header' : 'yes';
}
