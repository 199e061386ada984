// Free space, asked at RCPT: who is deferred, what it costs, and that a file system that does not answer
// holds up nobody.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { codesOf, deliver, openSite, type SiteOptions } from '../support/delivery.ts';
import { type DiskCall, diskError, FakeDisk, gate } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';

const MIB = 1024 * 1024;
const keys = await Promise.all(
  ['alice@example.com', 'bob@example.com', 'carol@example.org'].map((address) => freshKey(address)),
);
const PATHS = keys.map(({ address }) => address);
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');
const PLENTY = { bytes: 1000 * MIB, files: 1_000_000 };
const limits = { minFreeBytes: 100 * MIB };

function withLeft(left: (path: string) => typeof PLENTY, options: SiteOptions = {}) {
  return { keys, limits, disk: new FakeDisk({ left }), ...options };
}

for (const [what, left, isTaken] of [
  ['as many bytes free as the setting wants', { bytes: 100 * MIB }, true],
  ['a byte less', { bytes: 100 * MIB - 1 }, false],
  ['room for 100 files', { files: 100 }, true],
  ['room for 99 files', { files: 99 }, false],
] as const) {
  test(`F8: with ${what} a recipient is ${isTaken ? 'taken' : 'deferred with 452 4.3.1'}`, async (t) => {
    const site = await openSite(
      t,
      withLeft(() => ({ ...PLENTY, ...left })),
    );
    const { accepted } = await deliver(site.transaction(), ['alice@example.com'], MESSAGE);
    assert.deepEqual(codesOf(accepted), [isTaken ? '250 2.1.5' : '452 4.3.1']);
    if (!isTaken)
      assert.match(site.outcomeLog[0]?.reasons?.join() ?? '', /^(\d+ bytes free|room for 99 files)/);
  });
}

test('F8: a full disk that is mounted in the store defers the mail of its mailboxes and no other', async (t) => {
  const left = (path: string) => (path.includes('example.org') ? { bytes: 0, files: 0 } : PLENTY);
  const disk = new FakeDisk({ left });
  const site = await openSite(t, { keys, limits, disk });
  disk.trouble.mounts = () =>
    new Map([
      ['/', '1'],
      [join(site.store, 'example.org'), '2'],
    ]);
  await mkdir(join(site.store, 'example.org')); // the mount point; there is no Maildir under it yet
  const { accepted, replies } = await deliver(site.transaction(), PATHS, MESSAGE);
  assert.deepEqual(codesOf(accepted), ['250 2.1.5', '250 2.1.5', '452 4.3.1']);
  assert.deepEqual(codesOf(replies), ['250 2.0.0', '250 2.0.0']);
});

test('where the client says SIZE, each copy has to find room, base64 included', async (t) => {
  const size = 10 * MIB;
  const sealed = Math.ceil((size * 4 * 65) / (3 * 64));
  const site = await openSite(
    t,
    withLeft(() => ({ ...PLENTY, bytes: limits.minFreeBytes + 2 * sealed }), { size }),
  );
  const { accepted } = await deliver(site.transaction(), [...PATHS, 'alice@example.com'], MESSAGE);
  assert.deepEqual(codesOf(accepted), ['250 2.1.5', '250 2.1.5', '452 4.3.1', '250 2.1.5']);
});

test('deliveries one after the other ask for free space once a second, and find out then', async (t) => {
  let micros = 0;
  let bytes = PLENTY.bytes;
  const world = { micros: () => ++micros };
  const disk = new FakeDisk({ left: () => ({ ...PLENTY, bytes }) }, world);
  const site = await openSite(t, { keys, limits, disk, world });
  const accepts = async () => codesOf((await deliver(site.transaction(), PATHS, MESSAGE)).accepted);
  await accepts();
  const asked = disk.named('readlink').length;
  bytes = 0;
  for (let round = 0; round < 20; round++) assert.deepEqual(new Set(await accepts()), new Set(['250 2.1.5']));
  assert.equal(disk.named('statfs').length, 1);
  assert.equal(disk.named('readlink').length, asked);
  micros += 1_000_000;
  assert.deepEqual(new Set(await accepts()), new Set(['452 4.3.1']));
  assert.equal(disk.named('statfs').length, 2);
});

for (const name of ['readlink', 'statfs'] as const) {
  test(`F9: a file system that hangs when asked (${name}) holds up one RCPT for a second, the next not at all`, async (t) => {
    const hanging = gate();
    t.after(hanging.open);
    const { micros } = realWorld('mx.example.com');
    let later = 0;
    const world = { micros: () => micros() + later };
    const before = async (call: DiskCall) => {
      if (call.name === name) await hanging.opened;
    };
    const disk = new FakeDisk({ before }, world);
    const site = await openSite(t, { keys, limits, disk, world });
    for (let round = 0; round < 3; round++) {
      const { replies } = await deliver(site.transaction(), ['alice@example.com'], MESSAGE);
      assert.deepEqual(codesOf(replies), ['250 2.0.0']);
      later += 10_000_000;
    }
    assert.equal(disk.named(name).length, 1);
  });

  test(`F9: a file system that cannot say (${name}) defers nobody`, async (t) => {
    const disk = new FakeDisk({
      before(call: DiskCall) {
        if (call.name === name) throw diskError('EIO');
      },
    });
    const site = await openSite(t, { keys, limits, disk });
    const { replies } = await deliver(site.transaction(), ['alice@example.com'], MESSAGE);
    assert.deepEqual(codesOf(replies), ['250 2.0.0']);
  });
}

test('0 turns it off: nothing is asked', async (t) => {
  const disk = new FakeDisk({ left: () => ({ bytes: 0, files: 0 }) });
  const site = await openSite(t, { keys, disk, limits: { minFreeBytes: 0 } });
  assert.deepEqual(codesOf((await deliver(site.transaction(), PATHS, MESSAGE)).accepted), [
    '250 2.1.5',
    '250 2.1.5',
    '250 2.1.5',
  ]);
  assert.equal(disk.named('readlink').length + disk.named('statfs').length, 0);
});
