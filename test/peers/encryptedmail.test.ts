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
import { openGnupgHome } from '../support/gnupghome.ts';
import { type CollectedKey, needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';

/** gpg uses Camellia for it, which openpgp.js cannot open. */
const UNOPENED = 'gpg-pref-camellia';
const ENTITY = 'Content-Type: text/plain\r\n\r\nfor your eyes only\r\n';

type Encrypt = (key: CollectedKey, text: Buffer, directory: string) => Promise<string | undefined>;

/** Each returns armor with LF line ends, or undefined if the program does not encrypt to this key. */
const SENDERS: Readonly<Record<string, Encrypt>> = {
  async gpg(key, text) {
    const home = await openGnupgHome();
    try {
      const args = ['--armor', '--encrypt', '--recipient-file', key.certificateFile];
      return (await home.gpg(args, text)).toString();
    } catch {
      return undefined;
    } finally {
      await home.close();
    }
  },
  sq: (key, text) => program('sq', ['encrypt', '--recipient-cert', key.certificateFile], text),
  async rnp(key, text, directory) {
    const home = await mkdtemp(join(directory, 'rnp-'));
    const imported = await run('rnpkeys', ['--homedir', home, '--notty', '--import', key.certificateFile]);
    if (imported.code !== 0) return undefined;
    const listed = await run('rnpkeys', ['--homedir', home, '--list-keys']);
    const [, id] = /^pub .* ([0-9a-f]{16})\b/m.exec(listed.stdout.toString()) ?? [];
    if (id === undefined) return undefined;
    const args = ['--homedir', home, '--notty', '--armor', '--encrypt', '-r', id, '--output', '-'];
    return program('rnp', args, text);
  },
};

async function program(name: string, args: readonly string[], stdin: Buffer): Promise<string | undefined> {
  const { code, stdout } = await run(name, args, { stdin });
  return code === 0 ? stdout.toString().replaceAll('\r\n', '\n') : undefined;
}

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
