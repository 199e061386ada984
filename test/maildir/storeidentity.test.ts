// Which store is at the root: asked now and then, waited for not at all when the root hangs, and never
// guessed.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, type TestContext, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { Store } from '../../src/maildir/store.ts';
import { StoreIdentity } from '../../src/maildir/storeidentity.ts';
import { UNMETERED } from '../support/delivery.ts';
import { diskError, FakeDisk, gate } from '../support/fakedisk.ts';
import { until } from '../support/until.ts';

async function rootFor(t: TestContext): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'sealdir-root-'));
  t.after(() => rm(parent, { recursive: true, force: true }));
  const root = join(parent, 'mail');
  await mkdir(root);
  return root;
}

test('a store is the same with other mail in it and after a move, and another one if it was made anew', async (t) => {
  const root = await rootFor(t);
  const clock = { micros: 0 };
  const parts = { disk: new FakeDisk(), world: { micros: () => clock.micros }, root };
  const store = new StoreIdentity(parts);
  const later = () => {
    clock.micros += 1_000_000;
    return store.now();
  };
  const first = await store.now();
  assert.match(first ?? '', /^\d+:\d+:\d+$/);
  await mkdir(join(root, 'example.com'));
  assert.equal(await later(), first);
  await rename(root, `${root}2`);
  assert.equal(await later(), undefined, 'there is no store');
  assert.equal(await new StoreIdentity({ ...parts, root: `${root}2` }).now(), first);
  await rename(`${root}2`, root);
  assert.equal(await later(), first);
  // the inode number is often used again at once, as ext4 does
  await rm(root, { recursive: true });
  await mkdir(root);
  const second = await later();
  assert.notEqual(second, first);
  await rmdir(root);
  await mkdir(root);
  assert.notEqual(await later(), second);
});

test('the root is asked at most once a second, however many want to know', async (t) => {
  const clock = { micros: 0 };
  const disk = new FakeDisk();
  const store = new StoreIdentity({ disk, world: { micros: () => clock.micros }, root: await rootFor(t) });
  await Promise.all(Array.from({ length: 20 }, () => store.now()));
  clock.micros = 999_000;
  await store.now();
  assert.equal(disk.named('stat').length, 1);
  clock.micros = 1_000_000;
  await store.now();
  assert.equal(disk.named('stat').length, 2);
});

test('a root that hangs is asked once, waited for a second, and then not at all', async (t) => {
  const root = await rootFor(t);
  const clock = { micros: 0 };
  const hang = gate();
  const disk = new FakeDisk({ before: ({ name }) => (name === 'stat' ? hang.opened : undefined) });
  const store = new StoreIdentity({ disk, world: { micros: () => clock.micros }, root });
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const first = store.now();
    await Promise.resolve();
    mock.timers.tick(1000);
    assert.equal(await first, undefined);
    clock.micros = 1_000_000;
    assert.equal(await store.now(), undefined);
    assert.equal(disk.named('stat').length, 1);
  } finally {
    mock.timers.reset();
  }
  hang.open();
  const answer = await new StoreIdentity({ disk, world: { micros: () => clock.micros }, root }).now();
  clock.micros = 5_000_000;
  await until('it is asked again once it answers', async () => (await store.now()) === answer);
});

test('whoever has to know waits for a root that hangs, and asks again at once where it failed', async (t) => {
  const root = await rootFor(t);
  const hang = gate();
  const disk = new FakeDisk({ before: ({ name }) => (name === 'stat' ? hang.opened : undefined) });
  const clock = { micros: 0 };
  const store = new StoreIdentity({ disk, world: { micros: () => clock.micros }, root });
  const both = [store.certain(), store.certain()];
  clock.micros = 5_000_000; // by now nobody else waits
  assert.equal(await store.now(), undefined);
  hang.open();
  const [one, other] = await Promise.all(both);
  assert.match(one ?? '', /^\d+:\d+:\d+$/);
  assert.equal(other, one);
  clock.micros = 10_000_000;
  disk.trouble = {
    before() {
      throw diskError('EIO');
    },
  };
  await assert.rejects(store.certain(), { code: 'EIO' });
  disk.trouble = {};
  assert.equal(await store.certain(), one);
  clock.micros = 20_000_000;
  await rm(root, { recursive: true });
  assert.equal(await store.certain(), undefined);
});

test("where files are another user's, a store is what is right under the root on the way to a mailbox", async (t) => {
  const root = await rootFor(t);
  const parts = { world: realWorld('mx.example.com'), meter: UNMETERED, roots: [root] };
  const [own, owned] = [{}, { isOwned: true }].map((more) => {
    return new Store({ ...parts, disk: new FakeDisk(), ...more });
  });
  await mkdir(join(root, 'alice'));
  await mkdir(join(root, 'bob'));
  const identity = async (path: string) => (await new FakeDisk().stat(join(root, path))).identity;
  assert.equal(await own?.identity(join(root, 'alice/Maildir')), await identity(''));
  assert.equal(await owned?.identity(join(root, 'alice/Maildir')), await identity('alice'));
  assert.equal(await owned?.identity(join(root, 'bob/Maildir')), await identity('bob'));
  assert.equal(await owned?.identity(join(root, 'bob')), await identity(''));
  assert.equal(await owned?.identity(join(root, 'carol/Maildir')), undefined);
});
