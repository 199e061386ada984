// The file in which Courier and Dovecot 2.3 count the bytes of a Maildir: what is added, and what is left
// alone.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openDisk } from '../../src/disk/open.ts';
import { lockDescriptor } from '../../src/edge/lock.ts';
import { realWorld } from '../../src/edge/world.ts';
import { MaildirSizes } from '../../src/maildir/maildirsize.ts';
import { startChild } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';

async function openSizes(t: TestContext) {
  const mailbox = await mkdtemp(join(tmpdir(), 'sealdir-size-'));
  t.after(() => rm(mailbox, { recursive: true, force: true }));
  const faults: string[] = [];
  const disk = openDisk({ hungMs: 30_000, world: realWorld('mx.example.com'), lock: lockDescriptor });
  t.after(() => disk.close());
  const fault = (error: unknown) => faults.push((error as Error).message);
  const sizes = new MaildirSizes({ disk, fault });
  return { sizes, mailbox, faults, path: join(mailbox, 'maildirsize') };
}

test('each message is a line of its own, however many come at one time', async (t) => {
  const { sizes, mailbox, path, faults } = await openSizes(t);
  await writeFile(path, '1000000S\n500 2\n');
  for (let n = 1; n <= 20; n++) sizes.stored(mailbox, n * 1000);
  const lines = async () => (await readFile(path, 'utf8')).trimEnd().split('\n');
  await until('all are noted', async () => (await lines()).length === 22);
  const [, , ...added] = await lines();
  assert.deepEqual(added.sort(), Array.from({ length: 20 }, (_, n) => `${n + 1}000 1`).sort());
  assert.deepEqual(faults, []);
});

test('where there is no such file none is made, and a link or a directory is a fault', async (t) => {
  const { sizes, mailbox, path, faults } = await openSizes(t);
  const other = join(mailbox, 'other');
  await mkdir(other);
  sizes.stored(other, 1);
  sizes.stored(join(mailbox, 'missing'), 1);
  await symlink('/etc/passwd', path);
  sizes.stored(mailbox, 1);
  await until('one was a fault', () => faults.length === 1);
  await rm(path);
  await mkdir(path);
  sizes.stored(mailbox, 1);
  await until('another was', () => faults.length === 2);
  assert.deepEqual(await readdir(mailbox), ['maildirsize', 'other']);
  assert.deepEqual(await readdir(other), []);
});

test('a program that holds the lock is waited for, and not for long', async (t) => {
  const { sizes, mailbox, path, faults } = await openSizes(t);
  await writeFile(path, '1000S\n');
  const holder = spawn('flock', [path, 'sleep', '60'], { detached: true });
  t.after(() => process.kill(-(holder.pid ?? 0), 'SIGKILL'));
  await until('it is locked', async () => {
    const probe = spawn('flock', ['-n', path, 'true']);
    return (await new Promise((resolve) => probe.on('exit', resolve))) !== 0;
  });
  sizes.stored(mailbox, 1);
  await until('it is given up', () => faults.length === 1);
  assert.match(faults[0] ?? '', /is locked by another program/);
  assert.equal(await readFile(path, 'utf8'), '1000S\n');
});

test('a server adds the size that the name of the stored file tells', async () => {
  const server = await startChild({
    keys: { [ALICE]: (await makeKey(ALICE)).certificate },
    toml: { store: 'maildirsize = true' },
    async prepare(directory) {
      const mailbox = join(directory, 'mail/example.com/alice');
      for (const name of ['tmp', 'new', 'cur']) await mkdir(join(mailbox, name), { recursive: true });
      await writeFile(join(mailbox, 'maildirsize'), '100000000S\n');
    },
  });
  try {
    const session = await openSession(server.socketPath);
    for (const body of ['one', 'x'.repeat(500_000)])
      await deliver(session, { to: [ALICE], message: Buffer.from(`Subject: x\r\n\r\n${body}\r\n`) });
    await session.vanish();
    const mailbox = join(server.directory, 'mail/example.com/alice');
    const sizes = (await readdir(join(mailbox, 'new'))).map((name) => Number(/,S=(\d+)/.exec(name)?.[1]));
    assert.equal(sizes.length, 2);
    await until('both are noted', async () => {
      const [, ...lines] = (await readFile(join(mailbox, 'maildirsize'), 'utf8')).trimEnd().split('\n');
      return (
        lines.sort().join() ===
        sizes
          .map((size) => `${size} 1`)
          .sort()
          .join()
      );
    });
  } finally {
    assert.equal(await server.stop(), 0);
  }
});
