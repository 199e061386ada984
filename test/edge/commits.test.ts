// What a batch costs on a journaled file system: not a commit of the journal for each of its files.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DiskThread } from '../../src/edge/diskthread.ts';
import { LoopMount, needsLoopMount } from '../support/loopmount.ts';
import { leftOut } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { until } from '../support/until.ts';

const FILES = 16;
const options = existsSync('/proc/fs/jbd2')
  ? await needsLoopMount('findmnt')
  : leftOut('/proc/fs/jbd2, where ext4 counts its commits');

test('a batch of files takes far fewer commits than it has files', options, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-commits-'));
  const mount = await LoopMount.open('ext4', directory);
  t.after(async () => {
    await mount.close();
    await rm(directory, { recursive: true });
  });
  for (const name of ['tmp', 'new']) await mkdir(join(directory, name));
  const thread = new DiskThread(() => {});
  t.after(() => thread.end());
  await until('the thread has begun', () => thread.state === 'idle');
  const bytes = Buffer.alloc(14_000, 'x');
  const jobs = Array.from({ length: FILES }, (_, n) => ({
    from: join(directory, 'tmp', `${n}`),
    to: join(directory, 'new', `${n}`),
    mode: 0o600,
    bytes: bytes.length,
  }));
  const before = await commitsOn(directory);
  const { answers } = await thread.perform(
    jobs,
    jobs.map(() => bytes),
  );
  const commits = (await commitsOn(directory)) - before;
  assert.ok(answers.every((answer) => typeof answer === 'number'));
  assert.equal((await readdir(join(directory, 'new'))).length, FILES);
  for (const { to } of jobs) assert.ok(bytes.equals(await readFile(to)));
  assert.ok(commits >= 2 && commits <= FILES / 2, `${commits} commits`);
});

async function commitsOn(directory: string): Promise<number> {
  const { stdout } = await run('findmnt', ['-n', '-o', 'SOURCE', '-T', directory]);
  const device = stdout.toString().trim().replace('/dev/', '');
  const [journal] = (await readdir('/proc/fs/jbd2')).filter((name) => name.startsWith(`${device}-`));
  const info = await readFile(`/proc/fs/jbd2/${journal}/info`, 'utf8');
  return Number(/^(\d+) transactions/.exec(info)?.[1]);
}
