// How many deliveries one mailbox takes at one time, and that a place is given back on every way out, once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCertificates } from '../../src/keys/certificates.ts';
import type { KeyEntry } from '../../src/keys/source.ts';
import { codesOf, deliver, openSite, repliesOf } from '../support/delivery.ts';
import { diskError, FakeDisk, gate } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';
import { until } from '../support/until.ts';

const keys = await Promise.all([freshKey('alice@example.com'), freshKey('bob@example.com')]);
const entries = new Map<string, KeyEntry>();
for (const { address, certificate } of keys)
  entries.set(address, { certificates: await parseCertificates(certificate), problems: [] });
const keyDirectory = { lookup: async (address: string) => entries.get(address) };
const [ALICE, BOB] = ['<alice@example.com>', '<bob@example.com>'].map((path) => Buffer.from(path)) as [
  Buffer,
  Buffer,
];
const MESSAGE = Buffer.from(`Subject: hi\r\n\r\n${'line of text\r\n'.repeat(30_000)}`);

test('a mailbox with as many deliveries as it may have defers RCPT with 450 4.2.1, others do not, and then takes more', async (t) => {
  const site = await openSite(t, { keyDirectory, limits: { maxMailboxDeliveries: 2 } });
  const [first, second, third] = [site.transaction(), site.transaction(), site.transaction()];
  for (const transaction of [first, second]) {
    assert.deepEqual(codesOf([await transaction.recipient(ALICE)]), ['250 2.1.5']);
    transaction.start();
  }
  assert.deepEqual(codesOf([await third.recipient(ALICE)]), ['450 4.2.1']);
  assert.equal(site.outcomeLog.at(-1)?.why, 'mailboxBusy');
  assert.deepEqual(codesOf([await third.recipient(BOB)]), ['250 2.1.5']);
  await second.abort();
  assert.deepEqual(codesOf([await third.recipient(ALICE)]), ['250 2.1.5']);
  await first.write([MESSAGE]);
  assert.deepEqual(codesOf(await repliesOf(first)), ['250 2.0.0']);
  assert.deepEqual(codesOf([await site.transaction().recipient(ALICE)]), ['250 2.1.5']);
});

test('a client that says RCPT and then nothing more keeps no place from others', async (t) => {
  const site = await openSite(t, { keyDirectory, limits: { maxMailboxDeliveries: 1 } });
  for (let n = 0; n < 20; n++)
    assert.deepEqual(codesOf([await site.transaction().recipient(ALICE)]), ['250 2.1.5']);
  assert.equal(site.parts.mailboxes.total, 0);
  const { replies } = await deliver(site.transaction(), ['alice@example.com'], MESSAGE);
  assert.deepEqual(codesOf(replies), ['250 2.0.0']);
});

test('F30: a mailbox that has filled up between RCPT and DATA defers that copy with 450 4.2.1, and the others are stored', async (t) => {
  const site = await openSite(t, { keyDirectory, limits: { maxMailboxDeliveries: 1 } });
  const [first, second] = [site.transaction(), site.transaction()];
  for (const transaction of [first, second])
    assert.deepEqual(codesOf([await transaction.recipient(ALICE), await transaction.recipient(BOB)]), [
      '250 2.1.5',
      '250 2.1.5',
    ]);
  const third = site.transaction();
  await third.recipient(ALICE);
  third.start();
  first.start();
  await first.write([MESSAGE]);
  assert.deepEqual(codesOf(await repliesOf(first)), ['450 4.2.1', '250 2.0.0']);
  await third.write([MESSAGE]);
  assert.deepEqual(codesOf(await repliesOf(third)), ['250 2.0.0']);
  second.start();
  await second.write([MESSAGE]);
  assert.deepEqual(codesOf(await repliesOf(second)), ['250 2.0.0', '250 2.0.0']);
  assert.equal(site.parts.mailboxes.total, 0);
});

test('a recipient given twice takes one place', async (t) => {
  const site = await openSite(t, { keyDirectory, limits: { maxMailboxDeliveries: 1 } });
  const paths = ['alice@example.com', 'Alice+again@example.com'];
  const { accepted, replies } = await deliver(site.transaction(), paths, MESSAGE);
  assert.deepEqual(codesOf([...accepted, ...replies]), ['250 2.1.5', '250 2.1.5', '250 2.0.0', '250 2.0.0']);
});

test('a copy whose disk hangs keeps its place until the disk lets go', async (t) => {
  const hanging = gate();
  const disk = new FakeDisk({
    async before({ name }) {
      if (name === 'writev') await hanging.opened;
    },
  });
  const site = await openSite(t, { keyDirectory, disk, limits: { maxMailboxDeliveries: 1 } });
  const transaction = site.transaction();
  await transaction.recipient(ALICE);
  transaction.start();
  const written = transaction.write([MESSAGE]);
  await until('the disk hangs', () => disk.named('writev').length > 0);
  const aborted = transaction.abort();
  assert.deepEqual(codesOf([await site.transaction().recipient(ALICE)]), ['450 4.2.1']);
  hanging.open();
  await Promise.all([written, aborted]);
  assert.deepEqual(codesOf([await site.transaction().recipient(ALICE)]), ['250 2.1.5']);
});

// what becomes of one transaction: where its client leaves, and which call of the disk or the random source
// fails
const way = fc.record({
  recipients: fc.array(fc.constantFrom(ALICE, BOB), { minLength: 1, maxLength: 4 }),
  leaves: fc.constantFrom(
    'never',
    'in a look-up',
    'behind RCPT',
    'in DATA',
    'in a disk call',
    'among replies',
  ),
  call: fc.integer({ min: 1, max: 40 }),
  trouble: fc.constantFrom('none', 'fails', 'fails from then on', 'hangs'),
  randomFails: fc.boolean(),
});

// so that none of the outcomes is left to chance
const FINE = {
  recipients: [ALICE, BOB],
  leaves: 'never',
  call: 1,
  trouble: 'none',
  randomFails: false,
} as const;
const EACH_OUTCOME = [
  FINE,
  ...[3, 5, 7].map((call) => ({ ...FINE, leaves: 'in a disk call' as const, call })),
  ...[2, 4, 6, 8].flatMap((call) =>
    (['fails', 'fails from then on'] as const).map((trouble) => ({ ...FINE, call, trouble })),
  ),
  ...[7, 8, 9].map((call) => ({ ...FINE, call, randomFails: true })),
].map((one): [typeof one & { recipients: Buffer[] }] => [{ ...one, recipients: [...one.recipients] }]);

test('whatever becomes of a transaction, every place it took is given back', async (t) => {
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(way, async ({ recipients, leaves, call, trouble, randomFails }) => {
      const hanging = gate();
      const aborts: Promise<void>[] = [];
      const leave = () => {
        if (aborts.length === 0) aborts.push(transaction.abort());
      };
      const disk = new FakeDisk({
        async before({ number }) {
          await null; // a client leaves between two things, never within one
          if (number === call && leaves === 'in a disk call') leave();
          if (number === call && trouble === 'hangs') await hanging.opened;
          if (number === call && trouble === 'fails') throw diskError('EIO');
          if (number >= call && trouble === 'fails from then on') throw diskError('ENOSPC');
        },
      });
      let draws = 0;
      await using site = await openSite(t, {
        disk,
        limits: { stallMs: 20, answerMs: 60 },
        keyDirectory: {
          lookup(address) {
            if (leaves === 'in a look-up') leave();
            return keyDirectory.lookup(address);
          },
        },
        ...(randomFails ? { world: { random: (n) => random(n, ++draws === (call % 8) + 2) } } : {}),
      });
      const transaction = site.transaction();
      const isHere = () => aborts.length === 0;
      for (const path of recipients) if (isHere()) outcomes.add((await transaction.recipient(path)).why);
      if (leaves === 'behind RCPT' || transaction.recipientCount === 0) leave();
      if (isHere()) {
        transaction.start();
        await transaction.write([MESSAGE]);
      }
      if (leaves === 'in DATA') leave();
      // the final dot may have come before the client left in a disk call
      if (isHere() || leaves === 'in a disk call') {
        for await (const { why } of transaction.finish()) {
          outcomes.add(why);
          if (leaves === 'among replies') leave();
        }
      }
      hanging.open();
      await Promise.all(aborts);
      await until('all places are free', () => site.parts.mailboxes.total === 0);
      await until('the disk is quiet', () => disk.calls.every(({ endedAt }) => endedAt !== undefined));
    }),
    { numRuns: 100, examples: EACH_OUTCOME },
  );
  for (const why of ['recipientOk', 'stored', 'aborted', 'storeFailed', 'diskFull', 'recipientsUnavailable'])
    assert.ok(outcomes.has(why), `${why} was met`);
});

function random(length: number, fails: boolean): Buffer {
  if (fails) throw new Error('no randomness');
  return Buffer.from(crypto.getRandomValues(new Uint8Array(length)));
}

test('a recipient whose mailbox no file system can have is refused at RCPT with 553 5.1.3', async (t) => {
  const lookup = async () => entries.get('alice@example.com');
  const site = await openSite(t, { keyDirectory: { lookup } });
  const long = Buffer.from(`<${'/'.repeat(100)}@example.com>`);
  const readable = Buffer.from(`<${'!'.repeat(100)}@example.com>`);
  const transaction = site.transaction();
  assert.deepEqual(codesOf([await transaction.recipient(long)]), ['553 5.1.3']);
  assert.deepEqual(codesOf([await transaction.recipient(readable)]), ['250 2.1.5']);
  transaction.start();
  await transaction.write([MESSAGE]);
  assert.deepEqual(codesOf(await repliesOf(transaction)), ['250 2.0.0']);
});
