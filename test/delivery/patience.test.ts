// A transaction whose disk hangs, whose look-ups are late, whose client leaves at the end: nobody waits for
// ever, every RCPT still has its one reply, and no late result changes what was said.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCertificates } from '../../src/keys/certificates.ts';
import type { KeyEntry } from '../../src/keys/source.ts';
import { codesOf, deliver, opened, openSite, repliesOf } from '../support/delivery.ts';
import { type DiskCall, FakeDisk, gate } from '../support/fakedisk.ts';
import { freshKey } from '../support/freshkey.ts';
import { until } from '../support/until.ts';

const [alice, bob] = await Promise.all([freshKey('alice@example.com'), freshKey('bob@example.com')]);
const PATHS = ['alice@example.com', 'bob@example.com'];
const MESSAGE = Buffer.concat([Buffer.from('Subject: hi\r\n\r\n'), Buffer.alloc(700_000, 'body line\r\n')]);
// enough for the one that does not hang, even on a busy machine
const PATIENCE = { stallMs: 500, answerMs: 1500 };
const HANGABLE = ['mkdir', 'syncDirectory', 'create', 'writev', 'sync', 'close', 'rename'] as const;

describe('a disk that hangs', { concurrency: true }, () => {
  for (const name of HANGABLE) {
    test(`F11: in ${name} for one recipient defers him alone, and nothing of his stays`, async (t) => {
      const hanging = gate();
      const disk = new FakeDisk({
        async before(call: DiskCall) {
          if (call.name === name && call.path.includes('/alice')) await hanging.opened;
        },
      });
      const site = await openSite(t, { keys: [alice, bob], disk, limits: PATIENCE });
      const { replies } = await deliver(site.transaction(), PATHS, MESSAGE);
      assert.deepEqual(codesOf(replies), ['451 4.3.0', '250 2.0.0']);
      hanging.open();
      await until('all calls have ended', () => disk.calls.every(({ endedAt }) => endedAt !== undefined));
      assert.deepEqual(disk.misuse, []);
      assert.equal(disk.named('close').length, disk.named('create').length);
      const paths = (await site.files()).map(({ path }) => path);
      assert.ok(paths.length === 1 && paths[0]?.includes('/bob/new/'), paths.join(' '));
      assert.ok((await opened(site, bob))[0]?.equals(MESSAGE));
    });
  }
});

test('F11: a rename that took effect while nobody waited for it any more is taken back', async (t) => {
  const hanging = gate();
  const disk = new FakeDisk({
    async after({ name, path }: DiskCall) {
      if (name === 'rename' && path.includes('/alice/')) await hanging.opened;
    },
  });
  const site = await openSite(t, { keys: [alice, bob], disk, limits: PATIENCE });
  const { replies } = await deliver(site.transaction(), PATHS, MESSAGE);
  assert.deepEqual(codesOf(replies), ['451 4.3.0', '250 2.0.0']);
  hanging.open();
  await until('the file is gone', async () => (await site.files()).length === 1);
  assert.equal((await opened(site, bob)).length, 1);
});

test('the waits for what cannot be removed do not add up', async (t) => {
  const keys = await Promise.all(Array.from({ length: 6 }, (_, n) => freshKey(`user${n}@example.com`)));
  const hanging = gate();
  const disk = new FakeDisk({
    async before({ name }: DiskCall) {
      if (name === 'writev' || name === 'sync') await hanging.opened;
    },
  });
  const site = await openSite(t, { keys, disk, limits: { stallMs: 1000, answerMs: 0 } });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const delivery = deliver(
    site.transaction(),
    keys.map(({ address }) => address),
    Buffer.from('\r\nbody\r\n'),
  );
  let isOver = false;
  const over = delivery.finally(() => {
    isOver = true;
  });
  // virtual time: one second is enough for all of them together
  let elapsedMs = 0;
  while (!isOver) {
    await new Promise(setImmediate);
    if (disk.named('writev').length < keys.length) continue;
    t.mock.timers.tick(10);
    elapsedMs += 10;
    if (elapsedMs > 2000) break;
  }
  t.mock.timers.reset();
  hanging.open();
  assert.ok(isOver, 'not answered within two seconds of virtual time');
  assert.deepEqual(new Set(codesOf((await over).replies)), new Set(['451 4.3.0']));
});

test('F12: a look-up that answers too late adds no recipient', async (t) => {
  const entry: KeyEntry = { certificates: await parseCertificates(alice.certificate), problems: [] };
  const late = gate();
  const lookup = async (address: string) => {
    if (address === 'alice@example.com') await late.opened;
    return entry;
  };
  const site = await openSite(t, { keyDirectory: { lookup }, limits: { answerMs: 500 } });
  const transaction = site.transaction();
  const [first] = codesOf([await transaction.recipient(Buffer.from('<alice@example.com>'))]);
  assert.equal(first, '451 4.3.0');
  await transaction.recipient(Buffer.from('<bob@example.com>'));
  late.open();
  await new Promise(setImmediate);
  assert.equal(transaction.recipientCount, 1);
  transaction.start();
  await transaction.write([MESSAGE]);
  assert.equal((await repliesOf(transaction)).length, 1);
  assert.ok((await site.files()).every(({ path }) => path.includes('/bob/')));
});

test('F12: a look-up that fails defers its recipient', async (t) => {
  const lookup = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
  const site = await openSite(t, { keyDirectory: { lookup } });
  const transaction = site.transaction();
  assert.deepEqual(codesOf([await transaction.recipient(Buffer.from('<alice@example.com>'))]), ['451 4.3.0']);
  assert.equal(transaction.recipientCount, 0);
});

for (const name of ['writev', 'sync', 'close', 'rename', 'syncDirectory'] as const) {
  test(`F17: a client that goes away while ${name} is under way leaves nothing, and all RCPTs are written down`, async (t) => {
    const hanging = gate();
    let transaction: ReturnType<typeof site.transaction> | undefined;
    let aborting: Promise<void> | undefined;
    const disk = new FakeDisk({
      async before(call: DiskCall) {
        const isLast = call.name !== 'syncDirectory' || call.path.endsWith('/new');
        if (call.name !== name || !isLast) return;
        aborting ??= transaction?.abort();
        await hanging.opened;
      },
    });
    const site = await openSite(t, { keys: [alice, bob], disk });
    transaction = site.transaction();
    for (const path of PATHS) await transaction.recipient(Buffer.from(`<${path}>`));
    transaction.start();
    const written = transaction.write([MESSAGE.subarray(0, 100)]);
    await written;
    const replies = repliesOf(transaction);
    await until('the client has gone', () => aborting !== undefined);
    hanging.open();
    assert.deepEqual(codesOf(await replies), ['451 4.3.0', '451 4.3.0']);
    await aborting;
    assert.deepEqual(await site.files(), []);
    assert.deepEqual(disk.misuse, []);
    assert.equal(site.outcomeLog.length, 2);
  });
}

test('F17: a client that goes away after a copy was stored does not make it unstored, in the store or in the log', async (t) => {
  const site = await openSite(t, { keys: [alice] });
  const transaction = site.transaction();
  for (const path of ['alice@example.com', 'alice+again@example.com']) {
    await transaction.recipient(Buffer.from(`<${path}>`));
  }
  transaction.start();
  await transaction.write([MESSAGE]);
  for await (const { code } of transaction.finish()) {
    assert.equal(code, 250);
    await transaction.abort();
  }
  assert.deepEqual(
    site.outcomeLog.map(({ verdict }) => verdict),
    ['stored', 'stored'],
  );
  assert.equal((await opened(site, alice)).length, 1);
});
