// A delivery to two in which one disk call fails: every call, every errno. Whoever's call it was gets the
// documented reply and nothing of his copy stays; the other never hears of it. Nothing ever shows the message
// in clear. F1 and so on, here and in other tests, are rows of the table of faults in src/README.md.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseCertificates } from '../../src/keys/certificates.ts';
import type { KeyEntry } from '../../src/keys/source.ts';
import { holds } from '../support/canary.ts';
import { codesOf, deliver, opened, openSite, type Site } from '../support/delivery.ts';
import { type DiskCall, diskError, type ErrnoName, FakeDisk } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';
import { shortOf } from '../support/long.ts';

const keys = await Promise.all([freshKey('alice@example.com'), freshKey('bob@example.com')]);
// parsed once: these tests make hundreds of deliveries
const entries = new Map<string, KeyEntry>();
for (const { address, certificate } of keys) {
  entries.set(address, { certificates: await parseCertificates(certificate), problems: [] });
}
const keyDirectory = { lookup: async (address: string) => entries.get(address) };
const PATHS = keys.map(({ address }) => address);
const SUBJECT_CANARY = 'subject-canary-7fbd21';
const BODY_CANARY = 'body-canary-d94c06-which-must-never-be-readable';
const messageWith = (lines: number) =>
  Buffer.from(
    `Subject: ${SUBJECT_CANARY}\r\n\r\n${BODY_CANARY}\r\n${'filler \r\n'.repeat(lines)}${BODY_CANARY}\r\n`,
  );
const MESSAGE = messageWith(9_000);
// by the steps in which they differ: a large one is written block by block
const MESSAGES = {
  small: { message: MESSAGE, differs: /./ },
  large: { message: messageWith(40_000), differs: /(FILE|\/new) \d+$/ },
};
const STORED = '250 2.0.0';
const CALLS_OF_FILES = ['create', 'writev', 'sync', 'close', 'rename', 'syncDirectory'];
// so that the disk is asked for room, at RCPT: where it cannot say mail goes on
const limits = { minFreeBytes: 1 };

const REPLIES: Record<Exclude<ErrnoName, 'ENOENT' | 'EEXIST'>, string> = {
  ENOSPC: '452 4.3.1',
  EDQUOT: '452 4.2.2',
  EIO: '451 4.3.0',
  EROFS: '451 4.3.0',
  EACCES: '451 4.3.0',
  EMFILE: '451 4.3.0',
  ENOTDIR: '451 4.3.0',
  ELOOP: '451 4.3.0',
  ESTALE: '451 4.3.0',
};

async function assertNothingReadable(site: Site, replies: readonly unknown[], label: string): Promise<void> {
  for (const { path, bytes } of await site.files()) {
    assert.equal(holds(bytes, BODY_CANARY), false, `${label}: ${path} shows the body`);
  }
  const said = JSON.stringify([replies, site.outcomeLog]);
  assert.equal(said.includes(SUBJECT_CANARY) || said.includes(BODY_CANARY), false, `${label}: ${said}`);
}

interface Expected {
  readonly code: string;
  readonly failures: number;
  readonly message: Buffer;
}

async function assertFailed(site: Site, codes: string[], expected: Expected, label: string): Promise<void> {
  assert.equal(codes.length, 2, label);
  for (const [n, key] of keys.entries()) {
    const files = await opened(site, key);
    const isStored = codes[n] === STORED;
    assert.ok(isStored || codes[n] === expected.code, `${label}: ${codes[n]}`);
    assert.ok(
      isStored ? files.length === 1 && files[0]?.equals(expected.message) : files.length === 0,
      label,
    );
  }
  const failures = codes.filter((code) => code === expected.code).length;
  assert.equal(failures, expected.failures, `${label}: ${codes}`);
}

async function assertNoLitter(site: Site, disk: FakeDisk, label: string): Promise<void> {
  assert.deepEqual(
    (await site.files()).map(({ path }) => path).filter((path) => !path.includes('/new/')),
    [],
    label,
  );
  assert.deepEqual(disk.misuse, [], label);
}

/**
 * Which call it is, the same in every delivery: the how manieth of its name on what, by whomever it is made.
 */
function stepsOf(calls: readonly DiskCall[], site: Site): string[] {
  const seen = new Map<string, number>();
  return calls.map(({ name, path }) => {
    const what = `${name} ${path.slice(site.store.length).replace(/(tmp|new)\/.*/, '$1/FILE')}`;
    seen.set(what, (seen.get(what) ?? 0) + 1);
    return `${what} ${seen.get(what)}`;
  });
}

const openedSite = (t: TestContext, disk: FakeDisk) => openSite(t, { keyDirectory, disk, limits });

/** The steps of a delivery in which nothing fails. */
async function allSteps(t: TestContext, message: Buffer): Promise<string[]> {
  const disk = new FakeDisk();
  await using site = await openedSite(t, disk);
  assert.deepEqual(codesOf((await deliver(site.transaction(), PATHS, message)).replies), [STORED, STORED]);
  return stepsOf(disk.calls, site);
}

/** Does `work` before one step. */
function troubleAt(step: string, site: Site, disk: FakeDisk, work: () => void | Promise<void>): void {
  disk.trouble = {
    async before({ number }) {
      if (stepsOf(disk.calls.slice(0, number), site).at(-1) === step) await work();
    },
  };
}

for (const [errno, code] of shortOf(Object.entries(REPLIES) as [ErrnoName, string][], 3)) {
  for (const [size, { message, differs }] of shortOf(Object.entries(MESSAGES), errno === 'EIO' ? 2 : 1)) {
    test(`F1: ${errno} at any one disk call of a ${size} message fails one recipient with ${code}, and stores the other`, async (t) => {
      const steps = (await allSteps(t, message)).filter((step) => differs.test(step));
      const names = new Set(steps.map((step) => step.split(' ')[0]));
      assert.ok(CALLS_OF_FILES.every((name) => names.has(name)));
      for (const step of steps) {
        const disk = new FakeDisk();
        await using site = await openedSite(t, disk);
        let isReached = false;
        troubleAt(step, site, disk, () => {
          isReached = true;
          throw diskError(errno);
        });
        const { replies } = await deliver(site.transaction(), PATHS, message);
        // how many writes a large message takes depends on the disk, and who makes a domain's directory on
        // who is first
        assert.ok(isReached || /^(writev|mkdir) .* [^1]$/.test(step), step);
        const failures = isReached && !/^(readlink|statfs) /.test(step) ? 1 : 0;
        await assertFailed(site, codesOf(replies), { code, failures, message }, step);
        await assertNoLitter(site, disk, step);
        await assertNothingReadable(site, replies, step);
      }
    });
  }
}

test('F2: a disk that fails every call from the k-th on stores what it acknowledged and nothing else', async (t) => {
  for (let k = 1, isReached = true; isReached; k++) {
    const disk = new FakeDisk();
    await using site = await openSite(t, { keyDirectory, disk });
    isReached = false;
    disk.trouble = {
      before({ number }) {
        if (number < k) return;
        isReached = true;
        throw diskError('EIO');
      },
    };
    const { replies } = await deliver(site.transaction(), PATHS, MESSAGE);
    for (const [n, key] of keys.entries()) {
      const files = await opened(site, key);
      // unlinking fails as well: a whole file may stay, but none may be missing
      if (replies[n]?.code === 250)
        assert.ok(files.length === 1 && files[0]?.equals(MESSAGE), `from call ${k}`);
      for (const file of files) assert.ok(file.equals(MESSAGE), `from call ${k}: not whole`);
    }
    await assertNothingReadable(site, replies, `from call ${k}`);
  }
});

test('F3: a disk call that takes effect and then fails never costs an acknowledged message', async (t) => {
  for (let k = 1, calls = k; k <= calls; k++) {
    const disk = new FakeDisk();
    await using site = await openSite(t, { keyDirectory, disk });
    disk.trouble = {
      after({ number }) {
        if (number === k) throw diskError('EIO');
      },
    };
    const { replies } = await deliver(site.transaction(), PATHS, MESSAGE);
    for (const [n, key] of keys.entries()) {
      const files = await opened(site, key);
      if (replies[n]?.code === 250)
        assert.ok(files.length === 1 && files[0]?.equals(MESSAGE), `after call ${k}`);
    }
    await assertNothingReadable(site, replies, `after call ${k}`);
    calls = disk.calls.length;
  }
});

for (const [size, { message }] of Object.entries(MESSAGES)) {
  for (const [maxWriteBytes, code] of [
    [1000, STORED],
    [0, '451 4.3.0'],
  ] as const) {
    test(`F4: writes of a ${size} message that take ${maxWriteBytes} bytes at the most: ${code}`, async (t) => {
      const disk = new FakeDisk({ maxWriteBytes });
      await using site = await openedSite(t, disk);
      const codes = codesOf((await deliver(site.transaction(), PATHS, message)).replies);
      const failures = code === STORED ? 0 : 2;
      await assertFailed(site, codes, { code: '451 4.3.0', failures, message }, size);
      await assertNoLitter(site, disk, size);
    });
  }
}

test('F7: where the root of the store is missing all are deferred, and it is not made', async (t) => {
  const disk = new FakeDisk();
  await using site = await openedSite(t, disk);
  await rm(site.store, { recursive: true });
  const { replies } = await deliver(site.transaction(), PATHS, MESSAGE);
  assert.deepEqual(codesOf(replies), ['451 4.3.0', '451 4.3.0']);
  await assert.rejects(site.files(), { code: 'ENOENT' });
});

test('F6: a Maildir that vanishes before any one disk call is made anew, or its recipient deferred, and the other stored', async (t) => {
  const answers = new Set<string>();
  for (const step of (await allSteps(t, MESSAGE)).filter((each) => each.includes('/alice'))) {
    const disk = new FakeDisk();
    await using site = await openedSite(t, disk);
    troubleAt(step, site, disk, () =>
      rm(join(site.store, 'example.com/alice'), { recursive: true, force: true }),
    );
    const codes = codesOf((await deliver(site.transaction(), PATHS, MESSAGE)).replies);
    answers.add(codes[0] ?? '');
    if (/^(mkdir|create) /.test(step))
      assert.equal(codes[0], STORED, `${step}: nothing of the copy was in it`);
    const failures = codes[0] === STORED ? 0 : 1;
    assert.equal(codes[1], STORED, step);
    await assertFailed(site, codes, { code: '451 4.3.0', failures, message: MESSAGE }, step);
    await assertNoLitter(site, disk, step);
  }
  assert.deepEqual([...answers].sort(), [STORED, '451 4.3.0']);
});
