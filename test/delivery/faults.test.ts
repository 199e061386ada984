// A delivery to two in which one disk call fails: every call, every errno. Whoever's call it was gets the documented
// reply and nothing of his copy stays; the other never hears of it. Nothing ever shows the message in clear.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyEntry } from '../../src/edge/keyring.ts';
import { parseCertificates } from '../../src/edge/keys.ts';
import { holds } from '../support/canary.ts';
import { codesOf, deliver, opened, openSite, type Site } from '../support/delivery.ts';
import { type DiskCall, diskError, type ErrnoName, FakeDisk } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';

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
const MESSAGE = Buffer.from(
  `Subject: ${SUBJECT_CANARY}\r\n\r\n${BODY_CANARY}\r\n${'filler \r\n'.repeat(9_000)}${BODY_CANARY}\r\n`,
);

const REPLIES: Record<Exclude<ErrnoName, 'ENOENT'>, string> = {
  ENOSPC: '452 4.3.1',
  EDQUOT: '452 4.2.2',
  EIO: '451 4.3.0',
  EROFS: '451 4.3.0',
  EACCES: '451 4.3.0',
};

async function assertNothingReadable(site: Site, replies: readonly unknown[], label: string): Promise<void> {
  for (const { path, bytes } of await site.files()) {
    assert.equal(holds(bytes, BODY_CANARY), false, `${label}: ${path} shows the body`);
  }
  const said = JSON.stringify([replies, site.journal]);
  assert.equal(said.includes(SUBJECT_CANARY) || said.includes(BODY_CANARY), false, `${label}: ${said}`);
}

async function assertOneFailed(site: Site, codes: string[], expected: string, label: string): Promise<void> {
  assert.equal(codes.length, 2, label);
  for (const [n, key] of keys.entries()) {
    const files = await opened(site, key);
    const isStored = codes[n] === '250 2.0.0';
    assert.ok(isStored || codes[n] === expected, `${label}: ${codes[n]}`);
    assert.ok(isStored ? files.length === 1 && files[0]?.equals(MESSAGE) : files.length === 0, label);
  }
  assert.equal(codes.filter((code) => code === expected).length, 1, `${label}: ${codes}`);
}

async function assertNoLitter(site: Site, disk: FakeDisk, label: string): Promise<void> {
  assert.deepEqual(
    (await site.files()).map(({ path }) => path).filter((path) => !path.includes('/new/')),
    [],
    label,
  );
  assert.deepEqual(disk.misuse, [], label);
}

for (const [errno, expected] of Object.entries(REPLIES) as [ErrnoName, string][]) {
  test(`${errno} at any one disk call fails one recipient with ${expected} and stores the other`, async (t) => {
    for (let k = 1, isReached = true; isReached; k++) {
      const disk = new FakeDisk();
      await using site = await openSite(t, { keyDirectory, disk });
      let label = '';
      disk.trouble = {
        before({ number, name, path }: DiskCall) {
          if (number !== k) return;
          label = `call ${k}, ${name} ${path}`;
          throw diskError(errno);
        },
      };
      const { replies } = await deliver(site.transaction(), PATHS, MESSAGE);
      isReached = label !== '';
      if (!isReached) break;
      await assertOneFailed(site, codesOf(replies), expected, label);
      await assertNoLitter(site, disk, label);
      await assertNothingReadable(site, replies, label);
    }
  });
}

test('a disk that fails every call from the k-th on stores what it acknowledged and nothing else', async (t) => {
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

test('a disk call that takes effect and then fails never costs an acknowledged message', async (t) => {
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
