// Shared fsyncs of new/: nobody is satisfied by one that began before his rename or by one that hid an error.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Store } from '../../src/delivery/store.ts';
import { realWorld } from '../../src/edge/world.ts';
import { UNMETERED } from '../support/delivery.ts';
import { diskError, FakeDisk, gate } from '../support/fakedisk.ts';
import { until } from '../support/until.ts';

async function openStore(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-store-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const disk = new FakeDisk();
  const store = new Store({ disk, world: realWorld('mx.example.com'), meter: UNMETERED, root });
  const mailbox = join(root, 'alice');
  const inNew = join(mailbox, 'new');
  const staged = async () => {
    const file = store.stage(mailbox);
    await file.write([Buffer.from('x')]);
    await file.finish();
    return file;
  };
  const syncs = () => disk.named('syncDirectory').filter(({ path }) => path === inNew);
  return { disk, inNew, staged, syncs };
}

test('a file renamed while a sync of new/ is under way waits for the next one, which all such files share', async (t) => {
  const { disk, staged, syncs } = await openStore(t);
  const files = [await staged(), await staged(), await staged(), await staged()];
  const hanging = gate();
  disk.trouble = {
    async before({ name }) {
      if (name === 'syncDirectory' && syncs().length === 1) await hanging.opened;
    },
  };
  const settled: number[] = [];
  const commits = files.map(async (file, n) => {
    if (n > 0) await until('the first sync is under way', () => syncs().length === 1);
    await file.commit(1, 1);
    settled.push(n);
  });
  await until('all are renamed', () => disk.named('rename').filter(({ endedAt }) => endedAt).length === 4);
  assert.deepEqual(settled, []);
  hanging.open();
  await Promise.all(commits);
  assert.equal(syncs().length, 2);
  const renames = disk.named('rename').map(({ endedAt = Infinity }) => endedAt);
  assert.ok((syncs()[1]?.beganAt ?? 0) > Math.max(...renames));
});

test('every commit is followed by a sync that began after its rename and has ended', async (t) => {
  const { disk, staged, syncs } = await openStore(t);
  const files = await Promise.all(Array.from({ length: 40 }, staged));
  disk.trouble = {
    async before({ number }) {
      for (let n = 0; n < (number * 7919) % 5; n++) await setImmediate();
    },
    async after({ number }) {
      for (let n = 0; n < (number * 104_729) % 5; n++) await setImmediate();
    },
  };
  await Promise.all(
    files.map(async (file) => {
      await file.commit(1, 1);
      const name = file.finalName(1, 1);
      const renamed = disk.named('rename').find(({ path }) => path.endsWith(name))?.endedAt ?? Infinity;
      assert.ok(syncs().some(({ beganAt, endedAt }) => beganAt > renamed && endedAt !== undefined));
    }),
  );
  assert.ok(syncs().length < 40, 'nothing was shared');
});

test('F5: a failed sync fails also the files renamed before it ended, since it may have lost their renames', async (t) => {
  const { disk, staged, syncs, inNew } = await openStore(t);
  const [first, second, third] = [await staged(), await staged(), await staged()];
  const hanging = gate();
  disk.trouble = {
    async before({ name, path }) {
      if (name !== 'syncDirectory' || path !== inNew || syncs().length > 1) return;
      await hanging.opened;
      throw diskError('EIO');
    },
  };
  const firstCommit = first.commit(1, 1);
  await until('the first sync is under way', () => syncs().length === 1);
  const secondCommit = second.commit(1, 1);
  await until('the second is renamed', () => disk.named('rename')[1]?.endedAt !== undefined);
  await setImmediate();
  hanging.open();
  await assert.rejects(firstCommit, { code: 'EIO' });
  await assert.rejects(secondCommit, { code: 'EIO' });
  await third.commit(1, 1);
});

test('F5: a sync that fails while a rename is on its way back fails that file too', async (t) => {
  const { disk, staged, syncs, inNew } = await openStore(t);
  const [first, second] = [await staged(), await staged()];
  const syncing = gate();
  const renamed = gate();
  disk.trouble = {
    async before({ name, path }) {
      if (name !== 'syncDirectory' || path !== inNew || syncs().length > 1) return;
      await syncing.opened;
      throw diskError('EIO');
    },
    async after({ name }) {
      if (name === 'rename' && disk.named('rename').length === 2) await renamed.opened;
    },
  };
  const firstCommit = first.commit(1, 1);
  await until('the first sync is under way', () => syncs().length === 1);
  const secondCommit = second.commit(1, 1);
  await until('the second rename is under way', () => disk.named('rename').length === 2);
  await setImmediate();
  syncing.open();
  await assert.rejects(firstCommit, { code: 'EIO' });
  renamed.open();
  await assert.rejects(secondCommit, { code: 'EIO' });
});
