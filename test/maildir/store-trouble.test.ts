// The Maildir store when things go wrong: no half-written file is ever in new/, and no file is left anywhere.

import assert from 'node:assert/strict';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import type { StagedFile } from '../../src/maildir/stagedfile.ts';
import { Store } from '../../src/maildir/store.ts';
import { filesBelow, UNMETERED } from '../support/delivery.ts';
import { diskError, FakeDisk } from '../support/fakedisk.ts';

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

for (const maxWriteBytes of [1000, 65_537]) {
  test(`F4: writes cut short at ${maxWriteBytes} bytes are completed`, async (t) => {
    const { store, disk, mailbox, root } = await openStore(t);
    disk.trouble = { maxWriteBytes };
    await complete(store.stage(mailbox));
    await assertStored(root, 1);
  });
}

test('F4: a write that makes no progress fails the file instead of trying for ever', async (t) => {
  const { store, disk, mailbox } = await openStore(t);
  disk.trouble = { maxWriteBytes: 0 };
  await assert.rejects(complete(store.stage(mailbox)), /no progress/);
});

test('F1: after one failed write the file can no longer be finished, though later writes would succeed', async (t) => {
  const { store, disk, mailbox, root } = await openStore(t);
  let failures = 0;
  disk.trouble = {
    before({ name }) {
      if (name === 'writev' && failures++ === 0) throw diskError('ENOSPC');
    },
  };
  const file = store.stage(mailbox);
  await assert.rejects(async () => file.write([BYTES]), { code: 'ENOSPC' });
  await Promise.resolve(file.write([BYTES])).catch(() => {});
  await assert.rejects(file.finish(), { code: 'ENOSPC' });
  await file.abort();
  assert.equal(disk.named('writev').length, 1);
  await assertStored(root, 0);
});

test('a failed write that nobody waited for is told before it is too late', async (t) => {
  const { store, disk, mailbox } = await openStore(t);
  disk.trouble = {
    before({ name }) {
      if (name === 'writev') throw diskError('EIO');
    },
  };
  for (const size of [70_000, 270_000]) {
    const file = store.stage(mailbox);
    Promise.resolve(file.write([BYTES.subarray(0, size)])).catch(() => {});
    const rest = async () => {
      await file.finish();
      await file.commit(size, size);
    };
    await assert.rejects(rest(), { code: 'EIO' });
  }
});

test('F5: a failed fsync is not tried again', async (t) => {
  const { store, disk, mailbox, root } = await openStore(t);
  disk.trouble = {
    before({ name }) {
      if (name === 'sync') throw diskError('EIO');
    },
  };
  const file = store.stage(mailbox);
  await assert.rejects(complete(file), { code: 'EIO' });
  await assert.rejects(file.commit(1, 1));
  await file.abort();
  assert.equal(disk.named('sync').length, 1);
  assert.equal(disk.named('rename').length, 0);
  await assertStored(root, 0);
});

test('F6: a mailbox that was removed is made again, for all files that need it', async (t) => {
  const { store, mailbox, root } = await openStore(t);
  await complete(store.stage(mailbox));
  await rm(join(root, 'example.com'), { recursive: true });
  await Promise.all([1, 2, 3].map(() => complete(store.stage(mailbox))));
  await assertStored(root, 3);
});

test('F6: a new/ that was removed is made again', async (t) => {
  const { store, mailbox, root } = await openStore(t);
  const file = store.stage(mailbox);
  await file.write([BYTES]);
  await file.finish();
  await rmdir(join(mailbox, 'new'));
  await file.commit(BYTES.length, BYTES.length);
  await assertStored(root, 1);
});

test('F7: a missing root is an unmounted disk: nothing is made, and each file fails', async (t) => {
  const { store, disk, mailbox, root } = await openStore(t);
  await rm(root, { recursive: true });
  const file = store.stage(mailbox);
  await assert.rejects(complete(file), { code: 'ENOENT' });
  await file.abort();
  assert.equal(disk.named('create').length, 0);
  await assert.rejects(filesBelow(root), { code: 'ENOENT' });
});

test('F7: a root that goes away later is not made again', async (t) => {
  const { store, mailbox, root } = await openStore(t);
  await complete(store.stage(mailbox));
  await rm(root, { recursive: true });
  await assert.rejects(complete(store.stage(mailbox)), { code: 'ENOENT' });
  await assert.rejects(filesBelow(root), { code: 'ENOENT' });
});

test('F1: a mailbox that could not be made is tried again for the next file', async (t) => {
  const { store, disk, mailbox, root } = await openStore(t);
  let failures = 0;
  disk.trouble = {
    before({ name }) {
      if (name === 'mkdir' && failures++ === 0) throw diskError('ENOSPC');
    },
  };
  await assert.rejects(complete(store.stage(mailbox)), { code: 'ENOSPC' });
  await complete(store.stage(mailbox));
  await assertStored(root, 1);
});

test('F5: a large message is synced as it comes, and a failure of any of these syncs is final', async (t) => {
  const { store, disk, mailbox } = await openStore(t);
  const piece = Buffer.alloc(100_000);
  const send = async () => {
    const file = store.stage(mailbox);
    for (let n = 0; n < 100; n++) await file.write([piece]);
    await file.finish();
    await file.commit(1, 1);
  };
  await send();
  const syncs = disk.named('sync').length;
  assert.ok(syncs >= 3, `${syncs} syncs of 10 MB`);
  for (let k = 1; k <= syncs; k++) {
    const before = disk.named('sync').length;
    disk.trouble = {
      before({ name }) {
        if (name === 'sync' && disk.named('sync').length === before + k) throw diskError('EIO');
      },
    };
    await assert.rejects(send(), { code: 'EIO' }, `sync ${k}`);
    assert.equal(disk.named('sync').length, before + k, 'never tried again');
  }
});

for (const [size, bytes] of [
  ['small', BYTES.subarray(0, 1000)],
  ['large', BYTES],
] as const)
  test(`a file of somebody else that has the name of a ${size} one in tmp/ stays as it is`, async (t) => {
    const { store, mailbox, root } = await openStore(t);
    await complete(store.stage(mailbox)); // so that there is a Maildir
    const file = store.stage(mailbox);
    const name = file.finalName(0, 0).replace(/,S=.*/, '');
    await writeFile(join(mailbox, 'tmp', name), 'theirs');
    const storing = async () => {
      await file.write([bytes]);
      await file.finish();
      await file.commit(bytes.length, bytes.length);
    };
    await assert.rejects(storing(), { code: 'EEXIST' });
    await file.abort();
    const files = await filesBelow(root);
    const [theirs] = files.filter(({ path }) => path.includes('/tmp/'));
    assert.equal(theirs?.bytes.toString(), 'theirs');
    assert.equal(files.length, 2);
  });
