// Links in the store that lead nowhere or in a circle, and a file system whose answers contradict each other:
// each delivery ends, soon, and as nothing but stored or deferred.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { whyOfDiskError } from '../../src/core/outcome.ts';
import { realWorld } from '../../src/edge/world.ts';
import type { StagedFile } from '../../src/maildir/stagedfile.ts';
import { Store } from '../../src/maildir/store.ts';
import { codesOf, deliver, filesBelow, openSite, UNMETERED } from '../support/delivery.ts';
import { Dice } from '../support/dice.ts';
import { type DiskCall, diskError, type ErrnoName, FakeDisk } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';

const keys = await Promise.all(['alice@example.com', 'bob@example.org'].map((address) => freshKey(address)));
const PATHS = keys.map(({ address }) => address);
const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');
/** Far more than any delivery needs; a circle gets there at once. */
const MANY_CALLS = 300;

/** A disk on which what goes in a circle comes to an end, so that its test does. */
function endingDisk(): FakeDisk {
  const disk = new FakeDisk();
  disk.trouble.before = () => {
    if (disk.calls.length > MANY_CALLS) throw diskError('EIO');
  };
  return disk;
}

for (const [what, lay] of [
  [
    'a mailbox that is a link to nothing',
    (store: string) => symlink('/nowhere/u', join(store, 'example.com/alice')),
  ],
  [
    'a mailbox that is a link to itself',
    (store: string) => symlink('alice', join(store, 'example.com/alice')),
  ],
  [
    'a mailbox that is a link to a file',
    (store: string) => symlink('/proc/self/stat', join(store, 'example.com/alice')),
  ],
  ['a mailbox that is a file', (store: string) => writeFile(join(store, 'example.com/alice'), 'x')],
  [
    'a tmp/ that is a link to nothing',
    async (store: string) => {
      await mkdir(join(store, 'example.com/alice'));
      await symlink('/nowhere/tmp', join(store, 'example.com/alice/tmp'));
    },
  ],
  [
    'a domain that is a link to nothing',
    async (store: string) => {
      await rm(join(store, 'example.com'), { recursive: true });
      await symlink('/nowhere/domain', join(store, 'example.com'));
    },
  ],
  [
    'two domains that are links to each other',
    async (store: string) => {
      await rm(join(store, 'example.com'), { recursive: true });
      await symlink('other', join(store, 'example.com'));
      await symlink('example.com', join(store, 'other'));
    },
  ],
] as const)
  for (const kind of ['recorded', 'real'] as const)
    test(`F20: ${what} defers its copy with 451 4.3.0, once and soon, and no other (${kind} disk)`, async (t) => {
      const disk = endingDisk();
      const site = await openSite(t, { keys, ...(kind === 'real' ? {} : { disk }) });
      await mkdir(join(site.store, 'example.com'));
      await lay(site.store);
      const { accepted, replies } = await deliver(site.transaction(), PATHS, MESSAGE);
      assert.deepEqual(codesOf(accepted), ['250 2.1.5', '250 2.1.5']);
      assert.deepEqual(codesOf(replies), ['451 4.3.0', '250 2.0.0']);
      assert.ok(disk.calls.length < 50, `${disk.calls.length} calls`);
    });

const FLAPPING: readonly [ErrnoName, ...ErrnoName[]] = [
  'ENOENT',
  'EEXIST',
  'ESTALE',
  'ELOOP',
  'ENOTDIR',
  'EIO',
];

/** What a copy does, from the first byte to S5. */
async function complete(file: StagedFile, bytes: Buffer): Promise<void> {
  for (let from = 0; from < bytes.length; from += 50_000)
    await file.write([bytes.subarray(from, from + 50_000)]);
  await file.finish();
  await file.commit(bytes.length, bytes.length);
}

async function openStore(t: TestContext, disk: FakeDisk) {
  const root = await mkdtemp(join(tmpdir(), 'sealdir-flapping-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const store = new Store({ disk, world: realWorld('mx.example.com'), meter: UNMETERED, roots: [root] });
  return { root, store, mailbox: join(root, 'a/b/c/alice') };
}

/** Returns what makes calls fail: some at random, or always the same ones; with one error, two or any. */
function flapping(dice: Dice): (call: DiskCall) => ErrnoName | undefined {
  const percent = dice.pick([3, 20, 50, 100]);
  const [one, other] = [dice.pick(FLAPPING), dice.pick(FLAPPING)];
  const errors = dice.pick([[one], [one, other], ['ENOENT', 'EEXIST'], FLAPPING] as const);
  const draw = () => (dice.below(100) < percent ? errors[dice.below(errors.length)] : undefined);
  if (dice.below(2) === 0) return draw;
  const drawn = new Map<string, ErrnoName | undefined>();
  return ({ name, path }) => {
    const key = `${name} ${path}`;
    if (!drawn.has(key)) drawn.set(key, draw());
    return drawn.get(key);
  };
}

for (const [what, size] of [
  ['small', 1000],
  ['large', 400_000],
] as const)
  test(`F20: a file system whose answers flap ends each ${what} delivery within 120 calls: stored, or 451 4.3.0`, async (t) => {
    const seed = process.env.SEALDIR_FUZZ_SEED ?? `${Math.random()}`;
    t.diagnostic(`SEALDIR_FUZZ_SEED=${seed}`);
    const dice = new Dice(seed);
    const disk = new FakeDisk();
    const { root, store, mailbox } = await openStore(t, disk);
    const bytes = Buffer.alloc(size, 'x');
    const seen = new Map<string, number>();
    for (let round = 0; round < 300; round++) {
      disk.trouble = {};
      if (dice.below(2) === 0) await rm(join(root, 'a'), { recursive: true, force: true });
      const flap = flapping(dice);
      const moment = dice.pick(['before', 'after']);
      disk.calls.length = 0;
      disk.trouble = {
        [moment](call: DiskCall) {
          const error = disk.calls.length > MANY_CALLS ? 'EIO' : flap(call);
          if (error !== undefined) throw diskError(error);
        },
      };
      const file = store.stage(mailbox);
      const outcome = await complete(file, bytes).then(
        () => 'stored' as const,
        (failure: unknown) => whyOfDiskError(failure),
      );
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      const calls = disk.calls.length;
      assert.ok(calls <= 120, `round ${round}: ${calls} calls`);
      assert.ok(outcome === 'stored' || outcome === 'storeFailed', outcome);
      disk.trouble = {};
      await file.abort();
      const stored = (await filesBelow(root)).filter(({ path }) => path.includes('/new/'));
      for (const { bytes: found } of stored) assert.ok(found.equals(bytes), 'a file in new/ is whole');
      if (outcome === 'stored') assert.equal(stored.length > 0, true);
    }
    assert.ok((seen.get('stored') ?? 0) > 0 && (seen.get('storeFailed') ?? 0) > 0, 'both happen');
  });
