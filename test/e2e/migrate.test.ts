// `sealdir migrate` on Maildirs that no IMAP server has: what it seals, what it leaves, and what it says.

import assert from 'node:assert/strict';
import { link, mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { armored, asStored, pgpMime } from '../support/encrypted.ts';
import { freshKey } from '../support/freshkey.ts';
import { testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { openTerminal } from '../support/terminal.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const DATE = new Date('2012-03-04T05:06:07Z');
const PLAIN =
  'Return-Path: <a@example.org>\nDelivered-To: alice@example.com\nSubject: s\nFrom: a@example.org\n\ntext\n';

describe('sealdir migrate', { timeout: 480_000 }, () => {
  let directory = '';
  let key: TestKey;
  const config = () => join(directory, 'sealdir.toml');
  const migrate = (...args: string[]) => run(process.execPath, [CLI, 'migrate', '-c', config(), ...args]);
  const maildir = (address: string, ...names: string[]) =>
    join(directory, 'mail', ...address.split('@').reverse(), ...names);
  const put = async (address: string, path: string, text: string | Buffer) => {
    await writeFile(maildir(address, path), text);
    await utimes(maildir(address, path), DATE, DATE);
  };
  const configure = (rest: Parameters<typeof tomlFor>[1] = {}) =>
    writeFile(config(), tomlFor(directory, rest));

  before(async () => {
    key = await makeKey(ALICE);
    directory = await makeSite({ [ALICE]: key.certificate });
  });
  after(() => rm(directory, { recursive: true }));
  beforeEach(async () => {
    await rm(join(directory, 'mail/example.com'), { recursive: true, force: true });
    for (const folder of ['', '.Sent'])
      for (const part of ['tmp', 'new', 'cur'])
        for (const address of [ALICE, BOB]) await mkdir(maildir(address, folder, part), { recursive: true });
    await configure();
  });

  test('seals new/ and cur/ of all folders, and keeps names, dates and permissions', async () => {
    await put(ALICE, 'cur/1.plain:2,FS', PLAIN);
    await put(ALICE, `new/2.sized,S=${PLAIN.length},W=${PLAIN.length + 6}`, PLAIN);
    await put(ALICE, '.Sent/cur/3.sent:2,S', PLAIN.replaceAll('\n', '\r\n'));
    const { code, stdout, stderr } = await migrate('--mailbox', ALICE);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(
      stdout.toString(),
      /^alice@example\.com: sealed 3, failed 0\n1 mailboxes: sealed 3, left 0, failed 0,/,
    );
    const [sized = ''] = await readdir(maildir(ALICE, 'new'));
    for (const path of ['cur/1.plain:2,FS', `new/${sized}`, '.Sent/cur/3.sent:2,S']) {
      const sealed = await readFile(maildir(ALICE, path));
      assert.equal(String(await readSealed(sealed, key)), PLAIN.replaceAll('\n', '\r\n'));
      assert.match(
        String(sealed),
        /^Return-Path: <a@example\.org>\nSealed-In-Store: by mx\.example\.com;\n\t[^\n]+\nMIME-Version[\s\S]*\nDelivered-To: alice/,
      );
      const { mtime, mode } = await stat(maildir(ALICE, path));
      assert.deepEqual([mtime, mode & 0o777], [DATE, 0o644]);
    }
    const sealed = await readFile(maildir(ALICE, 'new', sized));
    const lines = String(sealed).split('\n').length - 1;
    assert.equal(sized, `2.sized,S=${sealed.length},W=${sealed.length + lines}`);
    assert.deepEqual(await readdir(maildir(ALICE, 'tmp')), []);
    const again = await migrate('--mailbox', ALICE);
    assert.match(
      again.stdout.toString(),
      /^alice@example\.com: sealed 0, left 3 \(sealed already\), failed 0\n/,
    );
  });

  test('a draft keeps its subject outside, whatever the header policy', async () => {
    await configure({ toml: { rest: '[headers]\npolicy = "baseline"' } });
    for (const part of ['tmp', 'new', 'cur'])
      await mkdir(maildir(ALICE, '.Drafts', part), { recursive: true });
    const paths = ['cur/1.mail:2,S', 'cur/2.flagged:2,DS', '.Drafts/cur/3.folder:2,S'];
    for (const path of paths) await put(ALICE, path, PLAIN);
    assert.equal((await migrate('--mailbox', ALICE)).code, 0);
    const subjects = await Promise.all(
      paths.map(async (path) => /^Subject: (.*)$/m.exec(await readFile(maildir(ALICE, path), 'utf8'))?.[1]),
    );
    assert.deepEqual(subjects, ['[...]', 's', 's']);
  });

  test('maildirsize counts what has been added', async () => {
    const names = ['cur/1.inbox:2,', '.Sent/cur/2.sent:2,'];
    for (const path of names) await put(ALICE, path, PLAIN);
    await writeFile(maildir(ALICE, 'maildirsize'), `1000000S\n${2 * PLAIN.length} 2\n`);
    assert.equal((await migrate('--mailbox', ALICE)).code, 0);
    const [, ...lines] = (await readFile(maildir(ALICE, 'maildirsize'), 'utf8')).trimEnd().split('\n');
    const sum = (at: number) => lines.reduce((all, line) => all + Number(line.split(' ')[at]), 0);
    const sizes = await Promise.all(names.map(async (path) => (await stat(maildir(ALICE, path))).size));
    assert.deepEqual([sum(0), sum(1)], [sizes.reduce((all, size) => all + size, 0), 2]);
  });

  testLong(
    'on a terminal a bar shows messages, bytes and the time left, and is gone in the end',
    needs('tmux'),
    async () => {
      for (let n = 0; n < 60; n++) await put(ALICE, `cur/${n}.plain:2,`, PLAIN.repeat(100));
      const terminal = await openTerminal({ cwd: directory, columns: 100 });
      try {
        await terminal.type(
          `${process.execPath} ${CLI} migrate -c ${config()} --mailbox ${ALICE} --limit 200KB`,
        );
        await terminal.press('Enter');
        await terminal.shows(/^\[#+-+\] \d+ of 60 messages, 0\.\d of 0\.\d MiB, \d+ s left$/m);
        const screen = await terminal.shows(/ready>$/m);
        assert.match(screen, /^alice@example\.com: sealed 60, failed 0$/m);
        assert.doesNotMatch(screen, /^\[#/m);
      } finally {
        await terminal.close();
      }
    },
  );

  test('leaves what is encrypted already, links, and whoever has no key', async () => {
    const theirs = asStored(pgpMime(await armored('secret', [await freshKey('carol@example.org')])));
    await put(ALICE, 'cur/1.theirs:2,', theirs);
    await symlink(config(), maildir(ALICE, 'cur/2.link:2,'));
    await put(BOB, 'cur/3.bob:2,', PLAIN);
    const { code, stdout, stderr } = await migrate('--all');
    assert.equal(code, 65);
    assert.match(
      stdout.toString(),
      /^alice@example\.com: sealed 0, left 1 \(no file\), left 1 \(sealed already\), failed 0\n/,
    );
    assert.match(stdout.toString(), /; 1 mailboxes left alone\n$/);
    assert.match(stderr, /bob is left alone: nobody here has the address bob@example\.com/);
    assert.equal(await readFile(maildir(BOB, 'cur/3.bob:2,'), 'utf8'), PLAIN);
    assert.ok((await readFile(maildir(ALICE, 'cur/1.theirs:2,'))).equals(theirs));
  });

  test('each of two hard links is sealed in its own right', async () => {
    await put(ALICE, 'cur/1.one:2,', PLAIN);
    await link(maildir(ALICE, 'cur/1.one:2,'), maildir(ALICE, '.Sent/cur/2.two:2,'));
    assert.equal((await migrate('--mailbox', ALICE, '--folder', 'sent')).code, 66, 'no folder of this name');
    assert.equal(await readFile(maildir(ALICE, '.Sent/cur/2.two:2,'), 'utf8'), PLAIN);
    assert.equal((await migrate('--mailbox', ALICE, '--folder', 'Sent')).code, 0);
    assert.equal(await readFile(maildir(ALICE, 'cur/1.one:2,'), 'utf8'), PLAIN);
    assert.equal((await migrate('--mailbox', ALICE, '--folder', 'INBOX')).code, 0);
    const texts = await Promise.all(
      ['cur/1.one:2,', '.Sent/cur/2.two:2,'].map(async (path) =>
        readSealed(await readFile(maildir(ALICE, path)), key),
      ),
    );
    assert.ok(texts[0]?.equals(texts[1] ?? Buffer.alloc(0)));
  });

  test('a dry run changes nothing, and JSON says the same', async () => {
    await put(ALICE, 'cur/1.plain:2,', PLAIN);
    const { code, stdout } = await migrate('--mailbox', ALICE, '--dry-run', '--json');
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout.toString()), {
      dryRun: true,
      mailboxes: [{ address: ALICE, sealed: 1, left: {}, failed: [] }],
      leftAlone: [],
      notReached: 0,
    });
    assert.equal(await readFile(maildir(ALICE, 'cur/1.plain:2,'), 'utf8'), PLAIN);
  });

  test('a message that cannot be sealed stays, is named, and the others are sealed', async () => {
    await configure({ toml: { lmtp: 'max_header_size = "1KiB"' } });
    const large = `X-Large: ${'x'.repeat(3000)}\n\ntext\n`;
    await put(ALICE, 'cur/1.large:2,', large);
    await put(ALICE, 'cur/2.plain:2,', PLAIN);
    const { code, stdout, stderr } = await migrate('--mailbox', ALICE);
    assert.equal(code, 65);
    assert.match(stdout.toString(), /sealed 1, failed 1\n/);
    assert.match(stderr, /cur\/1\.large:2,: its header is too large/);
    assert.equal(await readFile(maildir(ALICE, 'cur/1.large:2,'), 'utf8'), large);
  });

  test('below store.min_free_space nothing is sealed', async () => {
    await configure({ toml: { store: 'min_free_space = "100000GiB"' } });
    await put(ALICE, 'cur/1.plain:2,', PLAIN);
    const { code, stdout, stderr } = await migrate('--mailbox', ALICE);
    assert.equal(code, 75);
    assert.match(stdout.toString(), /not reached 1/);
    assert.match(stderr, /the disk is nearly full/);
    assert.equal(await readFile(maildir(ALICE, 'cur/1.plain:2,'), 'utf8'), PLAIN);
  });

  test('a signal ends it after the messages in hand, and the next run goes on', async () => {
    for (let n = 0; n < 300; n++) await put(ALICE, `cur/${n}.plain:2,`, PLAIN);
    const args = [CLI, 'migrate', '-c', config(), '--mailbox', ALICE, '--limit', '10KB'];
    const running = await start(process.execPath, args, {
      ready: async () => (await readdir(maildir(ALICE, 'tmp'))).length > 0,
      graceMs: 120_000,
    });
    assert.equal(await running.stop(), 130);
    assert.match(running.output(), /not reached \d+/);
    assert.deepEqual(await readdir(maildir(ALICE, 'tmp')), []);
    const texts = await Promise.all(
      (await readdir(maildir(ALICE, 'cur'))).map((name) => readFile(maildir(ALICE, 'cur', name), 'utf8')),
    );
    const sealed = texts.filter((text) => text.includes('Sealed-In-Store')).length;
    assert.ok(sealed > 0 && sealed < 300, `${sealed} are sealed`);
    assert.equal(texts.filter((text) => text === PLAIN).length, 300 - sealed);
    const { stdout } = await migrate('--mailbox', ALICE);
    assert.match(stdout.toString(), new RegExp(`sealed ${300 - sealed}, left ${sealed} `));
  });

  test('says what is missing or wrong before anything is read', async () => {
    for (const [args, wanted] of [
      [[], /give --mailbox ADDRESS, or --all/],
      [['--all', '--mailbox', ALICE], /give --mailbox ADDRESS, or --all/],
      [['--all', '--limit', '5x'], /--limit: "5x" is not a size/],
      [['--all', '--folder', 'a*'], /--folder: "a\*" has a \*/],
      [[ALICE], /what is "alice@example\.com"\? An address goes after --mailbox/],
    ] as const) {
      const { code, stderr } = await migrate(...args);
      assert.equal(code, 64, stderr);
      assert.match(stderr, wanted);
    }
  });
});
