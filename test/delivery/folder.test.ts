// The folder that a message goes to: which rule counts, what a header is taken to say, who can make folders,
// and what becomes of a message while a folder is made.

import assert from 'node:assert/strict';
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { codesOf, deliver, filesBelow, openSite, type Site, type SiteOptions } from '../support/delivery.ts';
import { diskError, FakeDisk } from '../support/fakedisk.ts';
import { freshKey, openSealed } from '../support/freshkey.ts';
import { memory } from '../support/memory.ts';

const ALICE = 'alice@example.com';
const key = await freshKey(ALICE);
const bob = await freshKey('bob@example.com');
const BODY = '\r\nbody\r\n';

interface Sent {
  readonly why: string | undefined;
  readonly folder: string | undefined;
  readonly reasons: readonly string[] | undefined;
}

/** Delivers one message to a new site. */
async function sentTo(
  t: TestContext,
  options: SiteOptions,
  header: string | Buffer,
  to = ALICE,
  pieceBytes?: number,
): Promise<Sent & { site: Site }> {
  const site = await openSite(t, { keys: [key, bob], ...options });
  return { site, ...(await send(site, header, to, pieceBytes)) };
}

async function send(site: Site, header: string | Buffer, to = ALICE, pieceBytes?: number): Promise<Sent> {
  const message = Buffer.concat([Buffer.from(header), Buffer.from(BODY)]);
  const { replies } = await deliver(site.transaction(), [to], message, pieceBytes);
  const line = site.outcomeLog.at(-1);
  return { why: replies[0]?.why, folder: line?.folder, reasons: line?.reasons };
}

/** The directories of a mailbox that have a message. */
async function foldersOf(site: Site, address = ALICE): Promise<string[]> {
  const [local, domain] = address.split('@');
  const files = await filesBelow(join(site.store, `${domain}/${local}`));
  return files.map(({ path }) => path.replace(/[^/]*$/, '')).filter((path) => path.endsWith('new/'));
}

const RULES = [
  'header X-Spam-Flag is YES -> Junk',
  'header List-Id is sealdir.lists.example -> Lists/sealdir',
  'sender ends @shop.example -> Shopping',
  'sender is <> -> Bounces',
  'header Subject contains größe -> Größen',
  'header From is boss@example.org -> INBOX',
  'header From ends @example.org -> Work',
  'detail is invoices -> Rechnungen & Belege',
  'detail exists -> {detail}',
];

const cases: readonly (readonly [string, string, string])[] = [
  ['X-Spam-Flag: yes\r\n', 'Junk', '.Junk/new/'],
  ['X-Spam-Flag: NO\r\nX-Spam-Flag: YES\r\n', 'Junk', '.Junk/new/'],
  ['x-spam-FLAG:\r\n YES\r\n', 'Junk', '.Junk/new/'],
  ['X-Spam-Flag: YES, surely\r\n', 'INBOX', 'new/'],
  ['List-Id: "A list" <sealdir.lists.example>\r\n', 'Lists/sealdir', '.Lists.sealdir/new/'],
  ['List-Id: <x.sealdir.lists.example>\r\n', 'INBOX', 'new/'],
  ['Subject: =?utf-8?q?Die_Gr=C3=B6=C3=9Fe?=\r\n', 'Größen', '.Gr&APYA3w-en/new/'],
  ['Subject: Die GRÖßE\r\n', 'Größen', '.Gr&APYA3w-en/new/'],
  ['From: "Boss" <boss@example.org>\r\n', 'INBOX', 'new/'],
  ['From: a (c) <a@Example.ORG>\r\n', 'Work', '.Work/new/'],
  ['From: a@example.net\r\nSubject: X-Spam-Flag: YES\r\n', 'INBOX', 'new/'],
  ['', 'INBOX', 'new/'],
];
for (const [header, folder, directory] of cases) {
  test(`${JSON.stringify(header)} goes to ${folder}`, async (t) => {
    const { site, ...sent } = await sentTo(t, { rules: RULES }, header);
    assert.deepEqual(sent, { why: 'stored', folder, reasons: undefined });
    assert.deepEqual(await foldersOf(site), [directory]);
    const [file] = (await site.files()).filter(({ path }) => path.includes('/new/'));
    assert.equal(
      (await openSealed(file?.bytes ?? Buffer.alloc(0), [key.secret])).plaintext.toString(),
      header + BODY,
    );
  });
}

test('the envelope counts as the mail server gave it', async (t) => {
  const from = async (sender: string) => (await sentTo(t, { rules: RULES, sender }, '')).folder;
  assert.equal(await from('bounces+alice=example.com@SHOP.example'), 'Shopping');
  assert.equal(await from(''), 'Bounces');
  assert.equal(await from('a@shop.example.org'), 'INBOX');
});

test('a detail leads to a folder that is there, and can make none', async (t) => {
  const { site, ...sent } = await sentTo(t, { rules: RULES }, '', 'alice+work@example.com');
  assert.equal(sent.folder, 'INBOX');
  const mailbox = join(site.store, 'example.com/alice');
  for (const name of ['.work', '.Lists.sealdir', '.half', 'plain'])
    for (const part of ['tmp', 'new', 'cur']) await mkdir(join(mailbox, name, part), { recursive: true });
  await mkdir(join(mailbox, '.empty'));
  const before = (await readdir(mailbox)).sort();
  const to = async (detail: string) => (await send(site, '', `"alice+${detail}"@example.com`)).folder;
  assert.equal(await to('work'), 'work');
  assert.equal(await to('Lists.sealdir'), 'Lists.sealdir');
  for (const detail of ['Work', '', 'none', 'empty', '../plain', '..', '.work', 'work.', 'cur', 'plain', '*'])
    assert.equal(await to(detail), 'INBOX', detail);
  for (const detail of ['work\\/..\\/..', 'a'.repeat(200), 'ö'.repeat(40), '&-', '{detail}', '$&', '%2e'])
    assert.equal(await to(detail), 'INBOX', detail);
  assert.deepEqual((await readdir(mailbox)).sort(), before);
  assert.equal(await to('invoices'), 'Rechnungen & Belege');
  assert.deepEqual(
    (await readdir(mailbox)).filter((name) => !before.includes(name)),
    ['.Rechnungen &- Belege'],
  );
});

test('of two details of one account the first counts, and there is one copy', async (t) => {
  const site = await openSite(t, { keys: [key], rules: ['detail is a -> A', 'detail is b -> B'] });
  const paths = ['alice+b@example.com', 'alice+a@example.com', ALICE];
  const { replies } = await deliver(site.transaction(), paths, Buffer.from(BODY));
  assert.deepEqual(codesOf(replies), Array(3).fill('250 2.0.0'));
  assert.deepEqual(await foldersOf(site), ['.B/new/']);
});

test('rules of a recipient come before those of the site, and one that is none is told and passed over', async (t) => {
  const ownRules = ['heder X is y -> Z', 'header X-Spam-Flag is YES -> INBOX', 'header X-A exists -> Mine'];
  const { site, ...spam } = await sentTo(t, { rules: RULES, ownRules }, 'X-Spam-Flag: YES\r\n');
  assert.equal(spam.folder, 'INBOX');
  assert.match(spam.reasons?.join() ?? '', /^rule "heder X is y -> Z" begins with none of/);
  assert.equal((await send(site, 'X-A: 1\r\nList-Id: <sealdir.lists.example>\r\n')).folder, 'Mine');
  assert.equal((await send(site, 'List-Id: <sealdir.lists.example>\r\n')).folder, 'Lists/sealdir');
});

test('each recipient of a message has their own folder', async (t) => {
  const site = await openSite(t, { keys: [key, bob], rules: ['detail is a -> A', 'header X exists -> X'] });
  await deliver(
    site.transaction(),
    ['alice+a@example.com', 'bob@example.com'],
    Buffer.from(`X: y\r\n${BODY}`),
  );
  assert.deepEqual(await foldersOf(site), ['.A/new/']);
  assert.deepEqual(await foldersOf(site, 'bob@example.com'), ['.X/new/']);
});

const EVASIONS: Readonly<Record<string, string>> = {
  'a blank before a colon': 'Subject : x\r\n',
  'a line of blanks': 'Subject: x\r\n \r\n\ty\r\n',
  'a form feed': 'Subject: x\fy\r\n',
  'a NUL': 'Subject: x\0y\r\n',
  'a line that is no field': 'this is no field\r\n',
  'a separator of an mbox': 'From x Thu Jan  1 00:00:00 2026\r\n',
};
for (const [what, line] of Object.entries(EVASIONS)) {
  test(`${what} does not hide a field below it, however far below and in whatever pieces`, async (t) => {
    const header = `${line}${'X-Filler: x\r\n'.repeat(2000)}X-Spam-Flag: YES\r\n`;
    for (const pieceBytes of [50_000, 1000, 17]) {
      const { folder } = await sentTo(t, { rules: RULES }, header, ALICE, pieceBytes);
      assert.equal(folder, 'Junk', `${pieceBytes}`);
    }
  });
}

test('thousands of forged fields do not hide one at either end of the header', async (t) => {
  const limits = { maxHeaderBytes: 3_000_000 };
  const forged = 'X-Spam-Flag: NO\r\n'.repeat(100_000);
  for (const header of [`X-Spam-Flag: YES\r\n${forged}`, `${forged}X-Spam-Flag: YES\r\n`])
    assert.equal((await sentTo(t, { rules: RULES, limits }, header)).folder, 'Junk');
});

test('a header of 100,000 fields, or with the deepest comments, costs little more with ten rules than without', async (t) => {
  const limits = { maxHeaderBytes: 3_000_000 };
  const rules = [...RULES, 'header To contains x -> X', 'header Cc contains x -> X'];
  const deep = ['From', 'To', 'Cc', 'List-Id', 'Subject'].map(
    (name) => `${name}: ${'('.repeat(100_000)}\r\n`,
  );
  for (const header of ['List-Id: <x>\r\n'.repeat(100_000), 'a: b\r\n'.repeat(100_000), deep.join('')]) {
    const costs: number[] = [];
    for (const chosen of [[], rules]) {
      const { user } = process.cpuUsage();
      const { why, folder } = await sentTo(t, { rules: chosen, limits }, header);
      costs.push((process.cpuUsage().user - user) / 1000);
      assert.deepEqual([why, folder], ['stored', 'INBOX']);
    }
    const [without = 0, withRules = 0] = costs;
    assert.ok(withRules < without + 500, `${withRules} ms, ${without} without rules`);
  }
});

test('fields that cannot be read, or not in time, lead to INBOX with the reason, and fail no delivery', async (t) => {
  const site = await openSite(t, { keys: [key], rules: RULES, limits: { stallMs: 400 } });
  const { folders } = site.parts;
  assert.ok(folders !== undefined);
  const readers = [
    () => Promise.reject(new Error('made up')),
    () => new Promise<never>(() => {}),
    () => {
      throw new Error('at once');
    },
  ];
  const reasons = ['rules: made up', 'rules: the header takes too long to read', 'rules: at once'];
  for (const [n, readFields] of readers.entries()) {
    Object.assign(site.parts, { folders: { ...folders, readFields } });
    const sent = await send(site, `X-Spam-Flag: YES\r\nX-N: ${n}\r\n`);
    assert.deepEqual(sent, { why: 'stored', folder: 'INBOX', reasons: [reasons[n]] });
  }
});

test('a disk that cannot say whether a folder is there leads to INBOX with the reason', async (t) => {
  const disk = new FakeDisk({
    before({ name, path }) {
      if (name === 'stat' && path.includes('/.')) throw diskError('EIO');
    },
  });
  const { site, ...sent } = await sentTo(t, { rules: RULES, disk }, '', 'alice+work@example.com');
  assert.deepEqual(sent, { why: 'stored', folder: 'INBOX', reasons: ['rules: EIO: made up'] });
  assert.deepEqual(await foldersOf(site), ['new/']);
});

test('a message that comes again is stored once, even if the rules have changed or its process died', async (t) => {
  const known = memory();
  const site = await openSite(t, { keys: [key], rules: ['header X exists -> A'], memory: known });
  const again = () => send(site, 'X: y\r\n');
  assert.equal((await again()).why, 'stored');
  const { folders } = site.parts;
  assert.ok(folders !== undefined);
  Object.assign(site.parts, { folders: { ...folders, rulesFor: () => [] } });
  assert.equal((await again()).why, 'duplicate');

  const mailbox = join(site.store, 'example.com/alice');
  const [name = ''] = await readdir(join(mailbox, '.A/new'));
  known.stored.clear();
  known.interrupted = name;
  assert.equal((await again()).why, 'duplicate');
  known.stored.clear();
  await rename(join(mailbox, '.A/new', name), join(mailbox, '.A/cur', `${name}:2,S`));
  await writeFile(join(mailbox, '.a-file'), ''); // with the name of a folder
  assert.equal((await again()).why, 'duplicate');
  assert.deepEqual(await foldersOf(site), []);
});

for (const [size, lines] of [
  ['small', 1],
  ['large', 40_000],
] as const) {
  const message = Buffer.from(`X: y\r\n\r\n${'filler \r\n'.repeat(lines)}`);
  const rules = ['header X exists -> Lists.a'];

  test(`a folder is a Maildir++ folder, durable before a ${size} message in it is acknowledged`, async (t) => {
    const disk = new FakeDisk();
    const site = await openSite(t, { keys: [key], rules, disk });
    const { replies } = await deliver(site.transaction(), [ALICE], message);
    assert.deepEqual(codesOf(replies), ['250 2.0.0']);
    const mailbox = join(site.store, 'example.com/alice');
    assert.deepEqual((await readdir(mailbox)).sort(), ['.Lists.a', 'cur', 'new', 'tmp']);
    assert.deepEqual((await readdir(join(mailbox, '.Lists.a'))).sort(), [
      'cur',
      'maildirfolder',
      'new',
      'tmp',
    ]);
    for (const name of ['', 'cur', 'new', 'tmp'])
      assert.equal((await stat(join(mailbox, '.Lists.a', name))).mode & 0o7777, 0o700);
    const mark = await stat(join(mailbox, '.Lists.a/maildirfolder'));
    assert.deepEqual([mark.mode & 0o7777, mark.size], [0o600, 0]);
    const renamed = disk.named('rename').at(-1);
    assert.match(renamed?.path ?? '', /\/\.Lists\.a\/new\//);
    for (const directory of ['.Lists.a', '', '..', '../..']) {
      const synced = disk.named('syncDirectory').filter(({ path }) => path === join(mailbox, directory));
      assert.ok(
        synced.some(({ endedAt = 1e9 }) => endedAt < (renamed?.beganAt ?? 0)),
        directory,
      );
    }
    const last = disk.named('syncDirectory').at(-1);
    assert.equal(last?.path, join(mailbox, '.Lists.a/new'));
    disk.calls.length = 0;
    await deliver(site.transaction(), [ALICE], message);
    assert.equal(disk.named('mkdir').length + disk.named('makeEmpty').length, 0, 'made once');
  });

  test(`F1: an error at any one disk call of a ${size} message to a new folder defers it and leaves nothing`, async (t) => {
    const whole = new FakeDisk();
    const untroubled = await openSite(t, { keys: [key], rules, disk: whole });
    await deliver(untroubled.transaction(), [ALICE], message);
    assert.equal(whole.named('makeEmpty').length, 1);
    for (const { number: k, name, path } of whole.calls) {
      const disk = new FakeDisk();
      await using site = await openSite(t, { keys: [key], rules, disk });
      disk.trouble = {
        before({ number }) {
          if (number === k) throw diskError('EIO');
        },
      };
      const { replies } = await deliver(site.transaction(), [ALICE], message);
      const label = `call ${k}: ${name} ${path}`;
      // how many writes a large message takes depends on the disk
      const isReached = disk.calls.length >= k;
      assert.ok(isReached || size === 'large', label);
      assert.deepEqual(codesOf(replies), [isReached ? '451 4.3.0' : '250 2.0.0'], label);
      const files = (await site.files()).filter((file) => !file.path.endsWith('/maildirfolder'));
      assert.equal(files.length, isReached ? 0 : 1, label);
      assert.deepEqual(disk.misuse, []);
    }
  });
}

test('F6: a folder that vanishes while a message is on its way is made anew', async (t) => {
  const disk = new FakeDisk();
  const site = await openSite(t, { keys: [key], rules: ['header X exists -> A'], disk });
  assert.equal((await send(site, 'X: 1\r\n')).why, 'stored');
  const folder = join(site.store, 'example.com/alice/.A');
  await rename(folder, `${site.store}/gone`);
  assert.equal((await send(site, 'X: 2\r\n')).why, 'stored');
  assert.deepEqual((await readdir(folder)).sort(), ['cur', 'maildirfolder', 'new', 'tmp']);
  await rename(join(site.store, 'example.com/alice'), `${site.store}/gone too`);
  assert.equal((await send(site, 'X: 3\r\n')).why, 'stored');
  assert.deepEqual(await foldersOf(site), ['.A/new/']);
});

test('a recipient whose server keeps folders otherwise gets all mail in the inbox, and the log says why', async (t) => {
  const site = await openSite(t, { keys: [key], rules: RULES });
  const { recipients } = site.parts.addressing;
  const find = async (address: string) => {
    const recipient = await recipients.find(address);
    return recipient && { ...recipient, inboxOnly: true as const };
  };
  Object.assign(site.parts, { addressing: { ...site.parts.addressing, recipients: { find } } });
  const sent = await send(site, 'X-Spam-Flag: YES\r\n');
  assert.equal(sent.folder, 'INBOX');
  assert.match(sent.reasons?.join() ?? '', /LAYOUT=fs/);
  assert.deepEqual(await foldersOf(site), ['new/']);
});
