// Staged files that are given up, at every stage and under every disk call: nothing of them stays.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import type { StagedFile } from '../../src/maildir/stagedfile.ts';
import { Store } from '../../src/maildir/store.ts';
import { filesBelow, UNMETERED } from '../support/delivery.ts';
import { type DiskCall, FakeDisk, gate } from '../support/fakedisk.ts';
import { until } from '../support/until.ts';

const BYTES = Buffer.from(Array.from({ length: 400_000 }, (_, n) => n % 253));

async function openStore(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-store-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const disk = new FakeDisk();
  const store = new Store({ disk, world: realWorld('mx.example.com'), meter: UNMETERED, roots: [root] });
  const mailbox = join(root, 'example.com/alice');
  return { root, disk, mailbox, store };
}

/** What a copy does, from the first byte to S5. */
async function complete(file: StagedFile): Promise<void> {
  for (let from = 0; from < BYTES.length; from += 50_000)
    await file.write([BYTES.subarray(from, from + 50_000)]);
  await file.finish();
  await file.commit(BYTES.length, BYTES.length);
}

async function assertStored(root: string, count: number): Promise<void> {
  const files = await filesBelow(root);
  assert.equal(files.length, count);
  for (const { path, bytes } of files) {
    assert.match(path, /\/new\//);
    assert.ok(bytes.equals(BYTES), path);
  }
}

for (const moment of ['before', 'after'] as const) {
  test(`a file aborted while a disk call hangs ${moment} taking effect leaves nothing, and is closed once`, async (t) => {
    const clean = await openStore(t);
    await complete(clean.store.stage(clean.mailbox));
    for (let k = 1; k <= clean.disk.calls.length; k++) {
      const { store, disk, mailbox, root } = await openStore(t);
      const hanging = gate();
      let hangs = 'nothing';
      disk.trouble = {
        async [moment]({ number, name }: DiskCall) {
          if (number !== k) return;
          hangs = `call ${k}, ${name},`;
          await hanging.opened;
        },
      };
      const file = store.stage(mailbox);
      let isOver = false;
      const over = complete(file)
        .catch(() => {})
        .finally(() => {
          isOver = true;
        });
      await until('a call hangs or all is done', () => hangs !== 'nothing' || isOver);
      if (hangs === 'nothing') continue; // it was over before this call
      const aborted = file.abort();
      hanging.open();
      await Promise.all([aborted, over]);
      assert.deepEqual(disk.misuse, [], `${hangs} hangs`);
      assert.deepEqual(await filesBelow(root), [], `${hangs} hangs`);
      assert.equal(disk.named('close').length, disk.named('create').length, `${hangs} hangs`);
    }
  });
}

test('a file aborted between its steps leaves nothing and takes no more bytes', async (t) => {
  const { store, disk, mailbox, root } = await openStore(t);
  const [unwritten, written, finished] = [store.stage(mailbox), store.stage(mailbox), store.stage(mailbox)];
  await written.write([BYTES]);
  await finished.write([BYTES]);
  await finished.finish();
  for (const file of [unwritten, written, finished]) {
    await file.abort();
    await file.write([BYTES]);
    await assert.rejects(file.finish());
    await assert.rejects(file.commit(1, 1));
    await file.abort();
  }
  await assertStored(root, 0);
  assert.deepEqual(disk.misuse, []);
});

test('a committed file stays when its owner aborts afterwards', async (t) => {
  const { store, mailbox, root } = await openStore(t);
  const file = store.stage(mailbox);
  await complete(file);
  await file.abort();
  await assertStored(root, 1);
});
