// Copies that are known but perhaps not in this mailbox: their process died while it stored them, or it was
// another store.

import assert from 'node:assert/strict';
import { mkdir, readdir, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { codesOf, deliver, openSite } from '../support/delivery.ts';
import { diskError, FakeDisk } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';
import { memory } from '../support/memory.ts';

const ALICE = 'alice@example.com';
const MESSAGE = Buffer.from('Subject: once\r\n\r\nonce\r\n');

test('a copy whose process died is looked for: found in new/ or cur/, it is acknowledged, else stored', async (t) => {
  const known = memory();
  const disk = new FakeDisk();
  const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: known, disk });
  const send = async () => (await deliver(site.transaction(), [ALICE], MESSAGE)).replies[0]?.why;
  const mailbox = join(site.store, 'example.com/alice');
  assert.equal(await send(), 'stored');
  const [name = ''] = await readdir(join(mailbox, 'new'));

  // its reply never came, and neither did the record that it is durable
  known.stored.clear();
  known.interrupted = name;
  disk.calls.length = 0;
  assert.equal(await send(), 'duplicate');
  assert.deepEqual(
    disk.named('syncDirectory').map(({ path }) => path),
    [join(mailbox, 'new')],
    'its writer may not have come to the fsync',
  );
  assert.equal(known.stored.size, 1);

  known.stored.clear();
  await rename(join(mailbox, 'new', name), join(mailbox, 'cur', `${name}:2,FS`));
  disk.calls.length = 0;
  assert.equal(await send(), 'duplicate');
  assert.deepEqual(
    disk.named('syncDirectory').map(({ path }) => path),
    [join(mailbox, 'cur')],
  );

  known.stored.clear();
  await rm(join(mailbox, 'cur', `${name}:2,FS`));
  assert.equal(await send(), 'stored');
});

test('a copy whose process died counts only if it is whole and its directory can be synced', async (t) => {
  const known = memory();
  const disk = new FakeDisk();
  const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: known, disk });
  const send = async () => (await deliver(site.transaction(), [ALICE], MESSAGE)).replies[0]?.why;
  const folder = join(site.store, 'example.com/alice/new');
  assert.equal(await send(), 'stored');
  const [name = ''] = await readdir(folder);
  known.stored.clear();
  known.interrupted = name;
  for (const call of ['find', 'stat', 'syncDirectory'] as const) {
    disk.trouble = {
      before({ name: made, path }) {
        if (made === call && path.startsWith(folder)) throw diskError('EIO');
      },
    };
    assert.equal(await send(), 'storeFailed', call);
  }
  disk.trouble = {};
  await truncate(join(folder, name), 100);
  assert.equal(await send(), 'stored');
  assert.equal((await readdir(folder)).length, 2);
});

test('F26: the same message into another store is stored: under another path, or in place of the first', async (t) => {
  const known = memory();
  const keys = [await freshKey(ALICE)];
  let micros = 0;
  const world = { micros: () => micros };
  const [one, two] = [
    await openSite(t, { keys, memory: known, world }),
    await openSite(t, { keys, memory: known }),
  ];
  const send = async (site: typeof one) => {
    const { replies } = await deliver(site.transaction(), [ALICE], MESSAGE);
    assert.deepEqual(codesOf(replies), ['250 2.0.0']);
    return replies[0]?.why;
  };
  assert.equal(await send(one), 'stored');
  assert.equal(await send(one), 'duplicate');
  assert.equal(await send(two), 'stored');
  // removed and made anew, a directory often has the same inode number; it is looked at again after a second
  await rm(one.store, { recursive: true });
  await mkdir(one.store);
  micros += 1_000_000;
  assert.equal(await send(one), 'stored');
  assert.equal((await one.files()).length, 1);
  assert.equal(await send(one), 'duplicate');
});

test('F26: a message whose mailbox is gone is stored again', async (t) => {
  const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: memory() });
  const send = async () => (await deliver(site.transaction(), [ALICE], MESSAGE)).replies[0]?.why;
  const domain = join(site.store, 'example.com');
  assert.equal(await send(), 'stored');
  assert.equal(await send(), 'duplicate');
  await rename(domain, `${domain}.away`);
  assert.equal(await send(), 'stored');
  assert.equal((await readdir(join(domain, 'alice/new'))).length, 1);
  assert.equal(await send(), 'duplicate');
  // what its owner has read and removed stays known
  for (const name of await readdir(join(domain, 'alice/new'))) await rm(join(domain, 'alice/new', name));
  assert.equal(await send(), 'duplicate');
});

test('while the root of the store does not answer, nothing is taken for a duplicate', async (t) => {
  const disk = new FakeDisk();
  const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: memory(), disk });
  disk.trouble = {
    before({ name, path }) {
      if (name === 'stat' && path === site.store) throw diskError('EIO');
    },
  };
  for (let n = 1; n <= 2; n++) {
    assert.equal((await deliver(site.transaction(), [ALICE], MESSAGE)).replies[0]?.why, 'stored');
    assert.equal((await site.files()).length, n);
  }
});
