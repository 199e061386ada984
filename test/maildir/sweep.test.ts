// What the sweep of tmp/ takes away, and above all what it leaves.

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sweep } from '../../src/maildir/sweep.ts';
import { splitTemplate } from '../../src/maildir/template.ts';
import { filesBelow } from '../support/delivery.ts';

const NOW = Date.parse('2024-06-01T00:00:00Z');
const HOUR_MS = 60 * 60 * 1000;

async function openStore(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-sweep-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const put = async (path: string, ageHours: number, readHoursAgo = ageHours) => {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'x');
    await utimes(file, new Date(NOW - readHoursAgo * HOUR_MS), new Date(NOW - ageHours * HOUR_MS));
  };
  const left = async () => (await filesBelow(root)).map(({ path }) => path).sort();
  return { root, put, left, template: join(root, '{domain}/{local}') };
}

test('files in tmp/ neither written nor read for 36 hours go, and younger ones stay', async (t) => {
  const { put, left, template } = await openStore(t);
  await put('example.com/alice/tmp/old', 37);
  await put('example.com/bob/tmp/old', 1000);
  await put('example.org/carol/tmp/young', 35);
  await put('example.org/carol/tmp/read-lately', 1000, 35);
  await put('example.org/carol/tmp/written-lately', 35, 1000);
  assert.deepEqual(await sweep(template, NOW), { removed: 2, failed: 0 });
  assert.deepEqual(await left(), [
    'example.org/carol/tmp/read-lately',
    'example.org/carol/tmp/written-lately',
    'example.org/carol/tmp/young',
  ]);
});

test('new/, cur/ and whatever else is in a mailbox are never touched', async (t) => {
  const { put, left, template } = await openStore(t);
  const paths = [
    'new/old',
    'cur/old:2,S',
    '.Sent/cur/old',
    '.Sent/tmp/old',
    'dovecot.index',
    'tmp/directory/old',
  ];
  for (const path of paths) await put(`example.com/alice/${path}`, 1000);
  assert.deepEqual(await sweep(template, NOW), { removed: 0, failed: 0 });
  assert.equal((await left()).length, paths.length);
});

test('where a template has fixed segments after its placeholders, only the Maildirs at its end are found', async (t) => {
  const { root, put, left } = await openStore(t);
  await put('example.com/alice/Maildir/tmp/old', 1000);
  await put('example.com/alice/tmp/old', 1000);
  await put('tmp/old', 1000);
  assert.deepEqual(await sweep(join(root, '{domain}/{local}/Maildir'), NOW), { removed: 1, failed: 0 });
  assert.deepEqual(await left(), ['example.com/alice/tmp/old', 'tmp/old']);
});

test('a link in tmp/ is neither followed nor removed', async (t) => {
  const { root, put, left, template } = await openStore(t);
  await put('elsewhere', 1000);
  await put('example.com/alice/tmp/young', 1);
  await symlink(join(root, 'elsewhere'), join(root, 'example.com/alice/tmp/link'));
  assert.deepEqual(await sweep(template, NOW), { removed: 0, failed: 0 });
  assert.deepEqual(await left(), ['elsewhere', 'example.com/alice/tmp/young']);
});

test('links in place of a domain, a mailbox or tmp/ lead nowhere', async (t) => {
  const { root, put, left } = await openStore(t);
  await put('outside/mailbox/tmp/old', 1000);
  await put('mail/example.com/alice/new/old', 1000);
  await symlink(join(root, 'outside'), join(root, 'mail/linked.example'));
  await symlink(join(root, 'outside/mailbox'), join(root, 'mail/example.com/linked'));
  await symlink(join(root, 'outside/mailbox/tmp'), join(root, 'mail/example.com/alice/tmp'));
  assert.deepEqual(await sweep(join(root, 'mail/{domain}/{local}'), NOW), { removed: 0, failed: 0 });
  assert.deepEqual(await left(), ['mail/example.com/alice/new/old', 'outside/mailbox/tmp/old']);
});

test('what is no mailbox, or a link in a circle, does not keep the others from being swept', async (t) => {
  const { root, put, left, template } = await openStore(t);
  await put('a-file', 1000);
  await put('example.com/a-file', 1000);
  await symlink('circle', join(root, 'circle'));
  await put('example.com/alice/tmp', 1000);
  await put('example.com/bob/tmp/old', 1000);
  assert.deepEqual(await sweep(template, NOW), { removed: 1, failed: 0 });
  assert.deepEqual(await left(), ['a-file', 'example.com/a-file', 'example.com/alice/tmp']);
});

test('a mailbox that may not be read does not keep the others from being swept', async (t) => {
  const { root, put, left, template } = await openStore(t);
  await put('example.com/alice/tmp/old', 1000);
  await put('example.com/bob/tmp/old', 1000);
  await chmod(join(root, 'example.com/alice'), 0o000);
  for (const path of ['', 'example.com', 'example.com/bob', 'example.com/bob/tmp'])
    await chmod(join(root, path), 0o777);
  const uid = process.geteuid?.();
  if (uid === 0) process.seteuid?.(65_534); // root may read everything
  const result = await sweep(template, NOW).finally(() => uid === 0 && process.seteuid?.(0));
  await chmod(join(root, 'example.com/alice'), 0o700);
  assert.equal(result.removed, 1);
  assert.deepEqual(await left(), ['example.com/alice/tmp/old']);
});

test('a store that is not there is swept without a word', async () => {
  assert.deepEqual(await sweep('/nonexistent/{local}', NOW), { removed: 0, failed: 0 });
});

test('the root of a template is what stands in front of its first placeholder', () => {
  assert.deepEqual(splitTemplate('/var/mail/{domain}/{local}'), {
    root: '/var/mail',
    segments: ['{domain}', '{local}'],
  });
  assert.deepEqual(splitTemplate('/var/mail-{local}/Maildir'), {
    root: '/var',
    segments: ['mail-{local}', 'Maildir'],
  });
  assert.deepEqual(splitTemplate('/{local}'), { root: '/', segments: ['{local}'] });
});
