// For any set of recipients, in any order, given any number of times, of messages that go through at one
// time, with disks that fail and clients that leave: each file opens with its owner's key and with no other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Reply } from '../../src/core/outcome.ts';
import { deliver, openSite, type Site, type StoredFile } from '../support/delivery.ts';
import { type DiskCall, diskError, FakeDisk } from '../support/fakedisk.ts';
import { addressees, freshKey, openSealed } from '../support/freshkey.ts';
import { fuzz } from '../support/fuzz.ts';

const keys = await Promise.all(
  (['v4', 'v4-aead', 'v6', 'v4', 'v4-aead', 'v6'] as const).map((kind, n) =>
    freshKey(`user${n}@example.com`, { kind, subkeys: 1 + (n % 3) }),
  ),
);
const owner = fc.nat(keys.length - 1);

interface Transaction {
  /** Numbers of keys, some more than once. */
  readonly to: readonly number[];
  readonly body: Uint8Array;
  /** The client leaves after so many bytes of the message. */
  readonly leavesAfter: number | undefined;
}

const transaction: fc.Arbitrary<Transaction> = fc.record({
  to: fc.array(owner, { minLength: 1, maxLength: 6 }),
  body: fc.uint8Array({ maxLength: 3000 }),
  leavesAfter: fc.option(fc.nat(2000), { nil: undefined, freq: 4 }),
});

/** Calls of this name in the mailbox of this owner fail. */
interface Trouble {
  readonly owner: number;
  readonly call: DiskCall['name'];
}

const trouble: fc.Arbitrary<Trouble> = fc.record({
  owner,
  call: fc.constantFrom('create', 'writev', 'sync', 'close', 'rename', 'syncDirectory', 'mkdir'),
});

/** The message and the reply for each recipient; none where the client left. */
async function send(site: Site, { to, body, leavesAfter }: Transaction, n: number) {
  const message = Buffer.concat([Buffer.from(`Subject: number ${n}\r\n\r\n`), body]);
  const paths = to.map((each, at) =>
    at % 2 === 0 ? `user${each}@example.com` : `User${each}+x@EXAMPLE.com`,
  );
  if (leavesAfter === undefined || leavesAfter >= message.length) {
    const { replies } = await deliver(site.transaction(), paths, message, 500);
    return { to, message, replies };
  }
  const left = site.transaction();
  for (const path of paths) await left.recipient(Buffer.from(`<${path}>`));
  left.start();
  await left.write([message.subarray(0, leavesAfter)]);
  await left.abort();
  return { to, message, replies: [] as Reply[] };
}

/** Opens with the one key and fails with the others; the plaintext and the session key. */
async function openAsOwner({ path, bytes }: StoredFile) {
  const mine = keys.findIndex(({ address }) => path.startsWith(`example.com/${address.split('@')[0]}/new/`));
  const [key] = keys.slice(mine, mine + 1);
  assert.ok(key !== undefined, `${path} is no message in a mailbox`);
  for (const other of keys.filter((each) => each !== key))
    await assert.rejects(openSealed(bytes, [other.secret]), `${path} opens with the key of ${other.address}`);
  const own = key.secret.getKeys().map((each) => each.getKeyID().toHex().toUpperCase());
  for (const id of await addressees(bytes)) assert.ok(own.includes(id), `${path} is addressed to ${id}`);
  return { mine, ...(await openSealed(bytes, [key.secret])) };
}

test('each file opens with the key of its recipient and with no other, and no two share a session key', async (t) => {
  const troubles = fc.array(trouble, { maxLength: 3 });
  await fuzz(t, {
    arbitrary: fc.tuple(fc.array(transaction, { minLength: 1, maxLength: 2 }), troubles),
    async check([transactions, fails]) {
      const disk = new FakeDisk({
        before(call) {
          if (fails.some((each) => each.call === call.name && call.path.includes(`/user${each.owner}`)))
            throw diskError('EIO');
        },
      });
      await using site = await openSite(t, { keys, disk, limits: { maxRecipients: 100 } });
      const sent = await Promise.all(transactions.map((each, n) => send(site, each, n)));

      const files = await Promise.all((await site.files()).map(openAsOwner));
      assert.equal(new Set(files.map(({ sessionKey }) => sessionKey.toString('hex'))).size, files.length);
      for (const { to, message, replies } of sent) {
        const has = (n: number) =>
          files.filter(({ mine, plaintext }) => mine === n && plaintext.equals(message)).length;
        for (const n of new Set(to))
          assert.equal(
            has(n),
            replies[to.indexOf(n)]?.code === 250 ? 1 : 0,
            `user${n} has what was acknowledged`,
          );
        for (const [at, n] of to.entries()) assert.equal(replies[at]?.code, replies[to.indexOf(n)]?.code);
      }
      const acknowledged = sent.flatMap(({ to, replies }) => [
        ...new Set(to.filter((_, at) => replies[at]?.code === 250)),
      ]);
      assert.equal(files.length, acknowledged.length, 'and nobody has anything else');
      for (const { to, replies } of sent) {
        for (const [at, { code }] of replies.entries())
          assert.ok(code === 250 || fails.some((each) => each.owner === to[at]), 'nobody else is harmed');
      }
    },
  });
});
