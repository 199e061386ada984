// Where the mailbox of an address is, in today's and in the former spelling, and what no file system can
// have.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MailboxPaths } from '../../src/maildir/mailboxpaths.ts';
import { isStorable } from '../../src/maildir/template.ts';
import { FakeDisk } from '../support/fakedisk.ts';

async function openPaths(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-paths-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const disk = new FakeDisk();
  const paths = new MailboxPaths(join(root, '{domain}/{local}'));
  return { root, disk, of: (local: string) => paths.of({ address: `${local}@example.com` }, disk) };
}

test('a mailbox is where %d/%n of another program finds it', async (t) => {
  const { root, of } = await openPaths(t);
  for (const local of ["o'brien", 'a&b', 'x!y', 'user=1', 'müller', '#1'])
    assert.equal(await of(local), join(root, 'example.com', local));
});

test('a directory in the former spelling stays in use, and only while it is there', async (t) => {
  const { root, of } = await openPaths(t);
  const former = join(root, 'example.com', 'o%27brien');
  await mkdir(former, { recursive: true });
  assert.equal(await of("o'brien"), former);
  await rm(former, { recursive: true });
  assert.equal(await of("o'brien"), join(root, 'example.com', "o'brien"));
});

test('the disk is not asked about an address that has one spelling only', async (t) => {
  const { disk, of } = await openPaths(t);
  for (const local of ['alice', 'a/b', '.hidden', 'a b']) await of(local);
  assert.deepEqual(disk.calls, []);
});

test('a name of 255 bytes can be stored, and one of 256 cannot', async (t) => {
  const { root, of } = await openPaths(t);
  assert.equal(await of('x'.repeat(255)), join(root, 'example.com', 'x'.repeat(255)));
  assert.equal(await of('x'.repeat(256)), undefined);
  assert.equal(await of('/'.repeat(85)), join(root, 'example.com', '%2F'.repeat(85)));
  assert.equal(await of('/'.repeat(86)), undefined);
  assert.equal(await of('ü'.repeat(128)), undefined);
});

test('a path from a source counts if it is under a root, and a relative one is under the first', async () => {
  const paths = new MailboxPaths('/mail/{domain}/{local}', ['/var/vmail', '/srv/a/b']);
  const of = (maildir: string) => paths.of({ address: 'alice@example.com', maildir }, new FakeDisk());
  assert.equal(await of('/var/vmail/example.com/a/l/alice/'), '/var/vmail/example.com/a/l/alice');
  assert.equal(await of('example.com/alice/'), '/var/vmail/example.com/alice');
  assert.equal(await of('/srv/a/b/alice'), '/srv/a/b/alice');
  for (const path of ['/etc', '/var/vmail', '/var/vmail/', '/var/vmailx/y', '/srv/a/x', '/var/vmail/../etc'])
    await assert.rejects(of(path), /is under none of them/, path);
  await assert.rejects(of('a/../../../etc'), /is under none of them/);
  const slashed = new MailboxPaths('/mail/{domain}/{local}', ['/var/vmail/']);
  assert.equal(
    await slashed.of({ address: 'a@example.com', maildir: '/var/vmail/x' }, new FakeDisk()),
    '/var/vmail/x',
  );
  const rootless = new MailboxPaths('/mail/{domain}/{local}');
  await assert.rejects(
    rootless.of({ address: 'a@example.com', maildir: '/mail/x' }, new FakeDisk()),
    /is under none/,
  );
  await assert.rejects(
    rootless.of({ address: 'a@example.com', maildir: 'x' }, new FakeDisk()),
    /is under none/,
  );
});

test('mailboxes of a source may be in a folder below their paths', async () => {
  const of = (folder: string, maildir: string) =>
    new MailboxPaths('/mail/{domain}/{local}', ['/var/vmail'], folder).of(
      { address: 'alice@example.com', maildir },
      new FakeDisk(),
    );
  assert.equal(await of('Maildir', '/var/vmail/example.com/alice/'), '/var/vmail/example.com/alice/Maildir');
  assert.equal(await of('.', 'example.com/alice'), '/var/vmail/example.com/alice');
});

test('who takes what nobody else does has a mailbox that no address has', async () => {
  const paths = new MailboxPaths('/mail/{domain}/{local}');
  const all = await paths.of({ address: '@example.com' }, new FakeDisk());
  assert.equal(all, '/mail/example.com/%all');
  for (const local of ['%all', 'all', '%25all', '@', '%'])
    assert.notEqual(await paths.of({ address: `${local}@example.com` }, new FakeDisk()), all);
});

test('a mailbox whose messages would have paths over 4,095 bytes cannot be stored', () => {
  const path = (bytes: number) => `/${'x'.repeat(99)}`.repeat(Math.floor(bytes / 100)).padEnd(bytes, '/y');
  assert.ok(isStorable(path(3800)));
  assert.ok(!isStorable(path(3900)));
});
