// The path of a mailbox: its fixed part, and whether anything can be stored there.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { Store } from '../../src/maildir/store.ts';
import { isStorable, mailboxPath, splitTemplate } from '../../src/maildir/template.ts';
import { UNMETERED } from '../support/delivery.ts';
import { FakeDisk } from '../support/fakedisk.ts';

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

/** Stores a message, with the longest names that Sealdir makes. */
async function isStored(t: TestContext, path: (root: string) => string): Promise<boolean> {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-storable-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const world = { ...realWorld('h'.repeat(255)), pid: 2 ** 22 };
  const store = new Store({ disk: new FakeDisk(), world, meter: UNMETERED, roots: [root] });
  const file = store.stage(path(root));
  await file.write([Buffer.from('x')]);
  await file.finish();
  return file.commit(1, 1).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENAMETOOLONG') throw error;
      return false;
    },
  );
}

for (const [what, local, expected] of [
  ['255 bytes', 'x'.repeat(255), true],
  ['256 bytes', 'x'.repeat(256), false],
  ['85 characters of three bytes', '\u20ac'.repeat(85), true],
  ['86 characters of three bytes', '\u20ac'.repeat(86), false],
] as const)
  test(`a segment of ${what} is ${expected ? '' : 'not '}storable, as the disk says too`, async (t) => {
    assert.equal(isStorable(`/mail/ex.test/${local}`), expected);
    assert.equal(isStorable(`/mail/${local}/Maildir`), expected);
    assert.equal(await isStored(t, (root) => join(root, 'ex.test', local)), expected);
  });

/** A path of so many bytes, its segments short enough. */
function pathOf(bytes: number, from: string): string {
  const missing = bytes - Buffer.byteLength(from);
  const segments = `${'/'.padEnd(200, 'x')}`.repeat(Math.ceil(missing / 200)).slice(0, missing);
  return from + segments.replace(/\/$/, 'x');
}

test('a path is storable as long as the longest file name fits below it, as the disk says too', async (t) => {
  const longest = 4095 - '/new/'.length - 255;
  assert.equal(isStorable(pathOf(longest, '/mail')), true);
  assert.equal(isStorable(pathOf(longest + 1, '/mail')), false);
  assert.equal(await isStored(t, (root) => pathOf(longest, root)), true);
  assert.equal(await isStored(t, (root) => pathOf(4095, root)), false);
});

test('an address may have a local part that is too long only once it is encoded', () => {
  const pathFor = (local: string) => mailboxPath('/mail/{domain}/{local}', `${local}@ex.test`);
  assert.equal(pathFor('/'), '/mail/ex.test/%2F');
  assert.equal(isStorable(pathFor('/'.repeat(85))), true);
  assert.equal(isStorable(pathFor('/'.repeat(86))), false);
});
