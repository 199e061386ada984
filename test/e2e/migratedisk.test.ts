// `sealdir migrate` on a real disk: one that is full in the middle, and what of the clear text is left on it.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLI } from '../support/child.ts';
import { LoopMount, needsLoopMount } from '../support/loopmount.ts';
import { run } from '../support/process.ts';
import { SMALL_DISK, tomlFor } from '../support/sealdir.ts';
import { makeKey, readSealed } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const MIB = 1024 * 1024;
const CANARY = 'canary-of-what-was-in-clear';

/** Runs `work` with a mailbox of 40 messages of so many bytes, on a disk of 64 MiB. */
async function withMailbox(
  bytes: number,
  work: (disk: LoopMount, cur: string, migrate: () => ReturnType<typeof run>) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  await mkdir(join(directory, 'mail'));
  const disk = await LoopMount.open('ext4', join(directory, 'mail'));
  try {
    const key = await makeKey(ALICE);
    await mkdir(join(directory, 'keys'));
    await writeFile(join(directory, 'keys', `${ALICE}.asc`), key.certificate);
    await writeFile(join(directory, 'sealdir.toml'), tomlFor(directory, { toml: { store: SMALL_DISK } }));
    const mailbox = join(directory, 'mail/example.com/alice');
    for (const part of ['tmp', 'new', 'cur']) await mkdir(join(mailbox, part), { recursive: true });
    const text = `Subject: s\n\n${`${CANARY} `.repeat(3)}\n`;
    const line = `${'x'.repeat(70)}\n`;
    const message = text + line.repeat(Math.ceil(bytes / line.length));
    for (let n = 0; n < 40; n++) await writeFile(join(mailbox, 'cur', `${n}.host:2,S`), message);
    const args = [CLI, 'migrate', '-c', join(directory, 'sealdir.toml'), '--mailbox', ALICE];
    await work(disk, join(mailbox, 'cur'), () => run(process.execPath, args));
    for (const name of await readdir(join(mailbox, 'cur'))) {
      const file = await readFile(join(mailbox, 'cur', name));
      if (!file.equals(Buffer.from(message)))
        assert.equal(String(await readSealed(file, key)), message.replaceAll('\n', '\r\n'), name);
    }
  } finally {
    await disk.close();
    await rm(directory, { recursive: true });
  }
}

const options = { ...(await needsLoopMount('fstrim', 'sync')), timeout: 480_000 };

test('F43: a disk that fills up ends the run with nothing changed for the worse', options, () =>
  withMailbox(MIB, async (disk, cur, migrate) => {
    const ballast = join(disk.directory, 'ballast');
    await writeFile(ballast, Buffer.alloc(4 * MIB));
    const first = await migrate();
    assert.equal(first.code, 75, first.stderr);
    assert.match(first.stderr, /the disk is nearly full/);
    assert.equal((await readdir(cur)).length, 40);
    assert.deepEqual(await readdir(join(cur, '../tmp')), []);
  }),
);

test('where the disk passes on what is free, nothing of the clear text is left after fstrim', options, () =>
  withMailbox(20_000, async (disk, _, migrate) => {
    await run('sync', []);
    assert.ok((await readFile(disk.image)).includes(CANARY), 'it can be found');
    const { code, stderr } = await migrate();
    assert.equal(code, 0, stderr);
    await run('sync', []);
    const trimmed = await run('fstrim', ['-v', disk.directory]);
    assert.equal(trimmed.code, 0, trimmed.stderr);
    await run('sync', []);
    assert.ok(!(await readFile(disk.image)).includes(CANARY));
  }),
);
