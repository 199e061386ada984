// What gpg, sq and rnp encrypt to the keys of the collection is stored as it came, and `open` opens it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { asStored, inline, pgpMime } from '../support/encrypted.ts';
import { isLongForm } from '../support/fuzz.ts';
import { type CollectedKey, needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { SENDERS } from '../support/senders.ts';

/** gpg uses Camellia for it, and bzip2: node:crypto alone knows the one, and openpgp.js alone the other. */
const UNOPENED = 'gpg-pref-camellia';
const ENTITY = 'Content-Type: text/plain\r\n\r\nfor your eyes only\r\n';

describe('encrypted mail', { ...needs('gpg', 'sq', 'rnp', 'rnpkeys'), ...needsKeyCollection() }, () => {
  for (const [sender, encrypt] of Object.entries(SENDERS))
    test(`what ${sender} encrypts is stored as it came`, { timeout: 900_000 }, async (t) => {
      const collection = await openKeyCollection();
      assert.ok(collection);
      const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
      const all = collection.keys.filter(
        ({ name, expectation, secretKeyFile, passphrase }) =>
          name !== UNOPENED && expectation === 'encrypt' && secretKeyFile !== undefined && passphrase === '',
      );
      const keys = all.filter((_, place) => isLongForm() || place % (isLong ? 4 : 12) === 0);
      const server = await startSealdir({
        keys: Object.fromEntries(keys.map((key) => [addressOf(key), key.certificate])),
      });
      t.after(() => server.stop());
      t.after(() => collection.close());
      let kept = 0;
      for (const key of keys) {
        const armor = await encrypt(key, Buffer.from(ENTITY), directory);
        if (armor === undefined) continue;
        await storedAsItCame(server, key, inline(armor));
        const stored = await storedAsItCame(server, key, pgpMime(armor));
        const args = [CLI, 'open', '-k', key.secretKeyFile ?? ''];
        const opened = await run(process.execPath, args, { stdin: stored });
        assert.equal(opened.stdout.toString(), ENTITY, `${key.name}: ${opened.stderr}`);
        kept++;
      }
      t.diagnostic(`${kept} of ${keys.length} keys`);
      assert.ok(kept >= keys.length / 3, `${kept} kept`);
      await rm(directory, { recursive: true });
    });

  testLong('20 MB of gpg are stored as they came', { timeout: 240_000 }, async (t) => {
    const collection = await openKeyCollection();
    assert.ok(collection);
    const armor = await SENDERS.gpg?.(collection.key('gpg-cv25519'), randomBytes(14_500_000), '');
    assert.ok(armor !== undefined && armor.length > 19_000_000);
    const key = collection.key('gpg-cv25519');
    const server = await startSealdir({ keys: { [addressOf(key)]: key.certificate } });
    t.after(() => server.stop());
    await storedAsItCame(server, key, pgpMime(armor));
    await collection.close();
  });
});

const addressOf = ({ name }: CollectedKey) => `${name}@example.com`;

/** Delivers a message, and resolves to its file once it is known to be the message below the trace fields. */
async function storedAsItCame(server: TestServer, key: CollectedKey, message: Buffer): Promise<Buffer> {
  const session = await openSession(server.socketPath);
  const { final, rcpt } = await deliver(session, { to: [addressOf(key)], message });
  assert.match(final[0] ?? rcpt[0] ?? '', /^250 2\.0\.0 Encrypted to the recipient already/, key.name);
  const outcome = server.outcomes().at(-1);
  assert.equal(outcome?.why, 'storedAsCame');
  const stored = await server.stored(addressOf(key), outcome?.file);
  assert.ok(stored.subarray(-asStored(message).length).equals(asStored(message)), key.name);
  await session.vanish();
  return stored;
}
