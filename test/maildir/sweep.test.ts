// What the sweep of tmp/ takes away, and above all what it leaves.

import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  link,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  rm,
  rmdir,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFileSystems } from '../../src/disk/open.ts';
import { realWorld } from '../../src/edge/world.ts';
import { Store } from '../../src/maildir/store.ts';
import { sweep } from '../../src/maildir/sweep.ts';
import { filesBelow, UNMETERED } from '../support/delivery.ts';
import { FakeDisk } from '../support/fakedisk.ts';
import { HungMount, needsHungMount } from '../support/hungmount.ts';
import { needs } from '../support/peers.ts';

const NOW = Date.parse('2024-06-01T00:00:00Z');
const HOUR_MS = 60 * 60 * 1000;
const fileSystems = openFileSystems({ hungMs: 60_000, world: realWorld('mx.example.com') });
const OLD = '1700000000.M123456P4242Q7R0123456789abcdef.mx.example.com';
const YOUNG = '1700000000.M1P1Q1Rffffffffffffffff.mx.example.com';

async function openStore(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-sweep-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const put = async (path: string, ageHours: number, readHoursAgo = ageHours) => {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'x');
    await utimes(file, new Date(NOW - readHoursAgo * HOUR_MS), new Date(NOW - ageHours * HOUR_MS));
  };
  /** Makes the directories of a Maildir. */
  const make = async (...mailboxes: string[]) => {
    for (const mailbox of mailboxes)
      for (const name of ['tmp', 'new', 'cur']) await mkdir(join(root, mailbox, name), { recursive: true });
  };
  const left = async () => (await filesBelow(root)).map(({ path }) => path).sort();
  const swept = (template = '{domain}/{local}') =>
    sweep({ template: join(root, template), now: NOW, fileSystems });
  return { root, put, make, left, swept };
}

test('files in tmp/ neither written nor read for 36 hours go, and younger ones stay', async (t) => {
  const { put, make, left, swept } = await openStore(t);
  await make('example.com/alice', 'example.com/bob', 'example.org/carol');
  await put(`example.com/alice/tmp/${OLD}`, 37);
  await put(`example.com/bob/tmp/${OLD}`, 1000);
  await put(`example.org/carol/tmp/${YOUNG}`, 35);
  await put(`example.org/carol/tmp/${YOUNG}.read`, 1000, 35);
  await put(`example.org/carol/tmp/${YOUNG}.written`, 35, 1000);
  assert.deepEqual(await swept(), { removed: 2, failed: 0 });
  assert.deepEqual(await left(), [
    `example.org/carol/tmp/${YOUNG}`,
    `example.org/carol/tmp/${YOUNG}.read`,
    `example.org/carol/tmp/${YOUNG}.written`,
  ]);
});

test('what a store leaves in tmp/ has a name that is swept', async (t) => {
  const { root, make, left, swept } = await openStore(t);
  const disk = new FakeDisk();
  for (const host of ['mx.example.com', 'a/b:c', 'h'.repeat(255)]) {
    const world = { ...realWorld(host), pid: 2 ** 22 };
    const store = new Store({ disk, world, meter: UNMETERED, roots: [root] });
    await make('example.com/alice');
    await store.stage(join(root, 'example.com/alice')).write([Buffer.alloc(300_000)]);
  }
  for (const path of await left()) await utimes(join(root, path), 0, 0);
  assert.deepEqual(await swept(), { removed: 3, failed: 0 });
});

for (const name of [
  'thesis.tex',
  'old',
  OLD.replace('R', 'X'),
  `${OLD}:2,S`,
  `.${OLD}`,
  OLD.replace('0123456789abcdef', '0123456789ABCDEF'),
  '1700000000.M123456P4242.mx.example.com', // Dovecot's and many others' form
  '1700000000.4242_7.mx.example.com',
  'msg.ABCD',
])
  test(`a file of another form is not touched: ${name}`, async (t) => {
    const { put, make, left, swept } = await openStore(t);
    await make('example.com/alice');
    await put(`example.com/alice/tmp/${name}`, 1000);
    assert.deepEqual(await swept(), { removed: 0, failed: 0 });
    assert.deepEqual(await left(), [`example.com/alice/tmp/${name}`]);
  });

test('a tmp/ that is not part of a Maildir is not touched', async (t) => {
  const { root, put, left, swept } = await openStore(t);
  await put(`example.com/bob/tmp/${OLD}`, 1000);
  await put(`example.com/carol/tmp/${OLD}`, 1000);
  await mkdir(join(root, 'example.com/carol/new'));
  assert.deepEqual(await swept(), { removed: 0, failed: 0 });
  await writeFile(join(root, 'example.com/carol/cur'), 'a file');
  assert.deepEqual(await swept(), { removed: 0, failed: 0 });
  assert.equal((await left()).length, 3);
});

test('a file with a second name is not touched: it is something that somebody keeps', async (t) => {
  const { root, put, make, left, swept } = await openStore(t);
  await make('example.com/alice');
  await put(`example.com/alice/tmp/${OLD}`, 1000);
  await link(join(root, `example.com/alice/tmp/${OLD}`), join(root, 'example.com/alice/cur/kept:2,S'));
  assert.deepEqual(await swept(), { removed: 0, failed: 0 });
  assert.equal((await left()).length, 2);
});

test('a file of another user is not touched', needs('root'), async (t) => {
  const { root, put, make, left, swept } = await openStore(t);
  await make('example.com/alice');
  await put(`example.com/alice/tmp/${OLD}`, 1000);
  await chown(join(root, `example.com/alice/tmp/${OLD}`), 65_534, 65_534);
  assert.deepEqual(await swept(), { removed: 0, failed: 0 });
  assert.equal((await left()).length, 1);
});

test('new/, cur/ and whatever else is in a mailbox are never touched', async (t) => {
  const { root, put, make, left, swept } = await openStore(t);
  await make('example.com/alice', 'example.com/alice/.Sent', 'elsewhere');
  const folders = ['new', 'cur', '.Sent/cur', '.Sent', '.half/tmp', 'named/tmp', 'tmp/directory', '.'];
  for (const folder of folders) await put(`example.com/alice/${folder}/${OLD}`, 1000);
  await make('example.com/alice/named');
  await symlink(join(root, 'elsewhere'), join(root, 'example.com/alice/.linked'));
  folders.push('.linked/tmp');
  await put(`elsewhere/tmp/${OLD}`, 1000);
  assert.deepEqual(await swept(), { removed: 0, failed: 0 });
  assert.equal((await left()).length, folders.length);
});

test('the tmp/ of the folders of a mailbox is swept as well', async (t) => {
  const { put, make, left, swept } = await openStore(t);
  await make('example.com/alice', 'example.com/alice/.Junk', 'example.com/alice/.Lists.a');
  await put(`example.com/alice/.Junk/tmp/${OLD}`, 37);
  await put(`example.com/alice/.Lists.a/tmp/${OLD}`, 37);
  await put(`example.com/alice/.Lists.a/tmp/${YOUNG}`, 35);
  assert.deepEqual(await swept(), { removed: 2, failed: 0 });
  assert.deepEqual(await left(), [`example.com/alice/.Lists.a/tmp/${YOUNG}`]);
});

test('where a template has fixed segments after its placeholders, only the Maildirs at its end are found', async (t) => {
  const { put, make, left, swept } = await openStore(t);
  await make('example.com/alice/Maildir', 'example.com/alice', '.');
  for (const mailbox of ['example.com/alice/Maildir', 'example.com/alice', '.'])
    await put(join(mailbox, 'tmp', OLD), 1000);
  assert.deepEqual(await swept('{domain}/{local}/Maildir'), { removed: 1, failed: 0 });
  assert.deepEqual(await left(), [`example.com/alice/tmp/${OLD}`, `tmp/${OLD}`]);
});

test('a link in tmp/ is neither followed nor removed', async (t) => {
  const { root, put, make, left, swept } = await openStore(t);
  await make('example.com/alice');
  await put('elsewhere', 1000);
  await symlink(join(root, 'elsewhere'), join(root, `example.com/alice/tmp/${OLD}`));
  await lutimes(join(root, `example.com/alice/tmp/${OLD}`), 0, 0);
  assert.deepEqual(await swept(), { removed: 0, failed: 0 });
  assert.deepEqual(await left(), ['elsewhere']);
  assert.ok((await lstat(join(root, `example.com/alice/tmp/${OLD}`))).isSymbolicLink());
});

test('links in place of a domain, a mailbox or tmp/ lead nowhere', async (t) => {
  const { root, put, make, left, swept } = await openStore(t);
  await make('outside/mailbox');
  await put(`outside/mailbox/tmp/${OLD}`, 1000);
  await make('mail/example.com/alice');
  await rmdir(join(root, 'mail/example.com/alice/tmp'));
  await symlink(join(root, 'outside'), join(root, 'mail/linked.example'));
  await symlink(join(root, 'outside/mailbox'), join(root, 'mail/example.com/linked'));
  await symlink(join(root, 'outside/mailbox/tmp'), join(root, 'mail/example.com/alice/tmp'));
  assert.deepEqual(await swept('mail/{domain}/{local}'), { removed: 0, failed: 0 });
  assert.deepEqual(await left(), [`outside/mailbox/tmp/${OLD}`]);
});

test('what is no mailbox, or a link in a circle, does not keep the others from being swept', async (t) => {
  const { root, put, make, left, swept } = await openStore(t);
  await make('example.com/alice', 'example.com/bob');
  await put('a-file', 1000);
  await put('example.com/a-file', 1000);
  await symlink('circle', join(root, 'circle'));
  await rmdir(join(root, 'example.com/alice/tmp'));
  await put('example.com/alice/tmp', 1000);
  await put(`example.com/bob/tmp/${OLD}`, 1000);
  assert.deepEqual(await swept(), { removed: 1, failed: 0 });
  assert.deepEqual(await left(), ['a-file', 'example.com/a-file', 'example.com/alice/tmp']);
});

test('a mailbox that may not be read does not keep the others from being swept', async (t) => {
  const { root, put, make, left, swept } = await openStore(t);
  await make('example.com/alice', 'example.com/bob');
  await put(`example.com/alice/tmp/${OLD}`, 1000);
  await put(`example.com/bob/tmp/${OLD}`, 1000);
  const uid = process.geteuid?.();
  if (uid === 0) await chown(join(root, `example.com/bob/tmp/${OLD}`), 65_534, 65_534);
  await chmod(join(root, 'example.com/alice'), 0o000);
  for (const path of ['', 'example.com', 'example.com/bob', 'example.com/bob/tmp'])
    await chmod(join(root, path), 0o777);
  if (uid === 0) process.seteuid?.(65_534); // root may read everything
  const result = await swept().finally(() => uid === 0 && process.seteuid?.(0));
  await chmod(join(root, 'example.com/alice'), 0o700);
  assert.equal(result.removed, 1);
  assert.deepEqual(await left(), [`example.com/alice/tmp/${OLD}`]);
});

test('a store that is not there is swept without a word', async () => {
  assert.deepEqual(await sweep({ template: '/nonexistent/{local}', now: NOW, fileSystems }), {
    removed: 0,
    failed: 0,
  });
});

test(
  'F21: a hung file system is left to the next sweep, and the others are swept',
  await needsHungMount(),
  async (t) => {
    const { root, put, make, left } = await openStore(t);
    await mkdir(join(root, 'b.example'));
    await using mount = await HungMount.open(join(root, 'b.example'));
    const mailboxes = [1, 2, 3, 4, 5, 6].map((n) => `b.example/user${n}`);
    for (const mailbox of [...mailboxes, 'a.example/alice', 'c.example/carol']) {
      await make(mailbox);
      await put(`${mailbox}/tmp/${OLD}`, 1000);
    }
    const own = openFileSystems({ hungMs: 50, world: realWorld('mx.example.com') });
    const parts = { template: join(root, '{domain}/{local}'), now: NOW, fileSystems: own, waitMs: 200 };
    mount.hang();
    const { removed, failed } = await sweep(parts);
    assert.equal(removed, 2);
    assert.ok(failed >= 1, `${failed} failed`);
    mount.resume();
    assert.deepEqual(await sweep(parts), { removed: mailboxes.length, failed: 0 });
    assert.deepEqual(await left(), []);
  },
);
