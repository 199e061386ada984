// For any set of recipients, in any order, given any number of times: each file opens with its owner's key and no other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deliver, openSite } from '../support/delivery.ts';
import { freshKey, openSealed } from '../support/freshkey.ts';

const keys = await Promise.all(
  (['v4', 'v4-aead', 'v6', 'v4', 'v4-aead', 'v6'] as const).map((kind, n) =>
    freshKey(`user${n}@example.com`, { kind }),
  ),
);

test('each file opens with the key of its recipient and with no other, and no two share a session key', async (t) => {
  const recipients = fc.uniqueArray(fc.nat(keys.length - 1), { minLength: 3, maxLength: 6 });
  const repeats = fc.array(fc.nat(5), { maxLength: 4 });
  const body = fc.uint8Array({ maxLength: 3000 });
  await fc.assert(
    fc.asyncProperty(recipients, repeats, body, async (chosen, again, bytes) => {
      await using site = await openSite(t, { keys, limits: { maxRecipients: 100 } });
      const order = [...chosen, ...again.map((n) => chosen[n % chosen.length] as number)];
      const message = Buffer.concat([Buffer.from('Subject: hi\r\n\r\n'), bytes]);
      const paths = order.map((n, at) => (at % 2 === 0 ? `user${n}@example.com` : `User${n}+x@EXAMPLE.com`));
      const { replies } = await deliver(site.transaction(), paths, message, 500);
      assert.ok(replies.length === order.length && replies.every(({ code }) => code === 250));

      const files = await site.files();
      assert.equal(files.length, chosen.length);
      const sessionKeys = new Set<string>();
      for (const { path, bytes: stored } of files) {
        for (const { address, secret } of keys) {
          const opening = openSealed(stored, [secret]);
          if (!path.startsWith(`example.com/${address.split('@')[0]}/new/`)) {
            await assert.rejects(opening, `${path} opens with the key of ${address}`);
            continue;
          }
          const { plaintext, sessionKey } = await opening;
          assert.ok(plaintext.equals(message), path);
          sessionKeys.add(sessionKey.toString('hex'));
        }
      }
      assert.equal(sessionKeys.size, chosen.length);
    }),
    { numRuns: 20 },
  );
});
