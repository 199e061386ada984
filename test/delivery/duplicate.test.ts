// A message that comes again: which one is the same, and that only a durable copy counts as delivered.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { identify } from '../../src/core/identity.ts';
import type { DeliveryMemory } from '../../src/delivery/duplicate.ts';
import { codesOf, deliver, openSite, repliesOf } from '../support/delivery.ts';
import { diskError, FakeDisk, gate } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';
import { memory } from '../support/memory.ts';
import { until } from '../support/until.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const MESSAGE = Buffer.from('Subject: once\r\n\r\nonce\r\n');
const SECRET = randomBytes(32);

const inNew = (paths: readonly { path: string }[]) =>
  paths.filter(({ path }) => path.includes('/new/')).length;

test('copies that differ in anything have different identities, wherever a byte moves to', () => {
  const short = fc.stringMatching(/^[ab\0]{0,2}$/);
  const delivery = fc.tuple(short, short, short, short, short);
  const identity = ([
    store = '',
    mailbox = '',
    account = '',
    sender = '',
    digest = '',
  ]: readonly string[]) => {
    const bytes = { sender: Buffer.from(sender), digest: Buffer.from(digest) };
    return identify(SECRET, { store, mailbox, account, ...bytes }, []).copy;
  };
  fc.assert(
    fc.property(delivery, delivery, (one, two) => {
      assert.equal(identity(one) === identity(two), JSON.stringify(one) === JSON.stringify(two));
    }),
    { numRuns: 2000 },
  );
});

test('under another secret, and for another copy, nothing of an identity is the same', () => {
  const delivery = {
    store: '1:2:3',
    mailbox: '/mail/alice',
    account: ALICE,
    sender: Buffer.from('s'),
    digest: Buffer.alloc(32),
  };
  const one = identify(SECRET, delivery, [ALICE]);
  const others = [
    identify(randomBytes(32), delivery, [ALICE]),
    identify(SECRET, { ...delivery, mailbox: '/mail/bob' }, [ALICE]),
  ];
  for (const other of others) {
    assert.notEqual(one.copy, other.copy);
    assert.notDeepEqual(one.paths, other.paths);
  }
  assert.deepEqual(one, identify(SECRET, delivery, [ALICE]));
  assert.equal(Buffer.from(one.copy, 'latin1').length, 11);
});

test('the same message again is acknowledged as sealed before, and leaves nothing', async (t) => {
  const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: memory() });
  const first = await deliver(site.transaction(), [ALICE], MESSAGE);
  const again = await deliver(site.transaction(), [ALICE], MESSAGE, 3); // in other pieces
  assert.match(first.replies[0]?.text ?? '', /^Sealed [0-9a-f]{16}$/);
  assert.deepEqual(codesOf(again.replies), ['250 2.0.0']);
  assert.match(again.replies[0]?.text ?? '', /^Sealed before [0-9a-f]{16}$/);
  assert.equal((await site.files()).length, 1);
  const line = site.outcomeLog.at(-1);
  assert.equal(`${line?.verdict} ${line?.why} ${line?.file}`, 'stored duplicate undefined');
});

test('another message, recipient, detail of a recipient or way to write it is no duplicate', async (t) => {
  const keys = [await freshKey(ALICE), await freshKey(BOB)];
  const site = await openSite(t, { keys, memory: memory() });
  await deliver(site.transaction(), [ALICE], MESSAGE);
  await deliver(site.transaction(), [ALICE], Buffer.concat([MESSAGE, Buffer.from('\r\n')]));
  await deliver(site.transaction(), [BOB], MESSAGE);
  await deliver(site.transaction(), ['alice+lists@example.com'], MESSAGE);
  assert.equal(inNew(await site.files()), 4);
});

test('a second try for those recipients that had no reply yet finds the copy they share', async (t) => {
  const keys = [await freshKey(ALICE), await freshKey(BOB)];
  const site = await openSite(t, { keys, memory: memory() });
  const detail = 'alice+lists@example.com';
  await deliver(site.transaction(), [ALICE, detail], MESSAGE);
  const again = await deliver(site.transaction(), [detail, BOB], MESSAGE);
  assert.deepEqual(
    again.replies.map(({ why }) => why),
    ['duplicate', 'stored'],
  );
  assert.equal(inNew(await site.files()), 2);
});

for (const step of ['create', 'sync', 'rename', 'syncDirectory'] as const) {
  test(`a first try deferred since ${step} failed is not remembered: the second is stored`, async (t) => {
    const disk = new FakeDisk();
    const known = memory();
    const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: known, disk });
    disk.trouble = {
      before(call) {
        if (call.name === step) throw diskError('EIO');
      },
    };
    const first = await deliver(site.transaction(), [ALICE], MESSAGE);
    assert.deepEqual(codesOf(first.replies), ['451 4.3.0']);
    assert.equal(known.stored.size, 0);
    disk.trouble = {};
    const again = await deliver(site.transaction(), [ALICE], MESSAGE);
    assert.deepEqual(
      again.replies.map(({ why }) => why),
      ['stored'],
    );
    assert.equal((await site.files()).length, 1);
  });
}

test("where a file is to be another user's, a store that is not known in time defers: it could arrive twice", async (t) => {
  const hang = gate();
  const disk = new FakeDisk({ before: ({ name }) => (name === 'stat' ? hang.opened : undefined) });
  const site = await openSite(t, {
    keys: [await freshKey(ALICE)],
    memory: memory(),
    disk,
    storeParts: { isOwned: true },
    limits: { stallMs: 100, answerMs: 5000 },
  });
  const first = await deliver(site.transaction(), [ALICE], MESSAGE);
  assert.deepEqual(codesOf(first.replies), ['451 4.3.0']);
  assert.deepEqual(await site.files(), []);
  hang.open();
  const again = await deliver(site.transaction(), [ALICE], MESSAGE);
  assert.deepEqual(codesOf(again.replies), ['250 2.0.0']);
  disk.trouble = {
    before(call) {
      if (call.name === 'stat') throw diskError('EIO');
    },
  };
  const third = await deliver(site.transaction(), [ALICE], Buffer.concat([MESSAGE, MESSAGE]));
  assert.deepEqual(codesOf(third.replies), ['451 4.3.0']);
  assert.equal((await site.files()).length, 1);
});

test('a client that left before its copy was durable is not taken for served', async (t) => {
  const disk = new FakeDisk();
  const hang = gate();
  const reached = gate();
  const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: memory(), disk });
  disk.trouble = {
    async before(call) {
      if (call.name !== 'rename') return;
      reached.open();
      await hang.opened;
    },
  };
  const transaction = site.transaction();
  const first = deliver(transaction, [ALICE], MESSAGE);
  await reached.opened;
  const aborting = transaction.abort();
  hang.open();
  await Promise.all([first, aborting]);
  disk.trouble = {};
  const again = await deliver(site.transaction(), [ALICE], MESSAGE);
  assert.equal(again.replies[0]?.why, 'stored');
  assert.equal((await site.files()).length, 1);
});

test('of two tries under way at once the later one waits for the copy of the other', async (t) => {
  const disk = new FakeDisk();
  const hang = gate();
  const reached = gate();
  const keys = [await freshKey(ALICE), await freshKey(BOB)];
  const site = await openSite(t, { keys, memory: memory(), disk });
  let isFirst = true;
  disk.trouble = {
    async before(call) {
      if (call.name !== 'sync' || !isFirst) return;
      isFirst = false;
      reached.open();
      await hang.opened;
    },
  };
  const slow = deliver(site.transaction(), [ALICE], MESSAGE);
  await reached.opened;
  const again = deliver(site.transaction(), [ALICE], MESSAGE);
  const bob = await deliver(site.transaction(), [BOB], MESSAGE); // who is not waited for
  assert.equal(bob.replies[0]?.why, 'stored');
  hang.open();
  assert.equal((await slow).replies[0]?.why, 'stored');
  assert.equal((await again).replies[0]?.why, 'duplicate');
  assert.equal((await site.files()).length, 2);
});

test('a try that waits for another which hangs gives up, and nobody is told what is not so', async (t) => {
  const disk = new FakeDisk();
  const hang = gate();
  const limits = { stallMs: 50 };
  const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: memory(), disk, limits });
  disk.trouble = { before: async ({ name }) => (name === 'sync' ? hang.opened : undefined) };
  const first = deliver(site.transaction(), [ALICE], MESSAGE);
  await until('it hangs', () => disk.named('sync').length === 1);
  const again = await deliver(site.transaction(), [ALICE], MESSAGE);
  assert.equal(again.replies[0]?.why, 'tooSlow');
  hang.open();
  assert.equal((await first).replies[0]?.why, 'stored');
  assert.equal((await site.files()).length, 1);
});

test('what memory fails to keep is stored and acknowledged all the same', async (t) => {
  const broken: DeliveryMemory = {
    ...memory(),
    begin: () => ({
      stored() {
        throw new Error('made up');
      },
      failed() {},
    }),
  };
  const site = await openSite(t, { keys: [await freshKey(ALICE)], memory: broken });
  const transaction = site.transaction();
  await transaction.recipient(Buffer.from(`<${ALICE}>`));
  transaction.start();
  await transaction.write([MESSAGE]);
  assert.deepEqual(codesOf(await repliesOf(transaction)), ['250 2.0.0']);
  assert.equal(inNew(await site.files()), 1);
});
