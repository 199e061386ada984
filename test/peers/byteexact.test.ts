// Checks the promise with real messages: what gpg decrypts is what went over LMTP, byte for byte.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openCorpus } from '../support/corpus.ts';
import { FIXTURES } from '../support/fixtures.ts';
import { makeGpgKey } from '../support/gpgkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { shortOf } from '../support/long.ts';
import { armorOf, type GpgReader, openGpgReader } from '../support/openpgp-programs.ts';
import { needs } from '../support/peers.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';

const ADDRESS = 'alice@example.com';

describe('gpg --decrypt gives back the bytes that went over LMTP', needs('gpg'), () => {
  let directory = '';
  let server: TestServer;
  let gpg: GpgReader;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    const key = await makeGpgKey({ kind: 'cv25519', address: ADDRESS, directory });
    server = await startSealdir({ keys: { [ADDRESS]: key.certificate } });
    gpg = await openGpgReader(key.secretKeyFile);
  });
  after(async () => {
    await gpg.close();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Delivers all in one session and decrypts each. Resolves to the names of those that came back changed. */
  async function changed(messages: readonly { name: string; bytes(): Buffer }[]): Promise<string[]> {
    const session = await openSession(server.socketPath);
    const wrong: string[] = [];
    for (const { name, bytes } of messages) {
      const sent = bytes();
      const { final } = await deliver(session, { to: [ADDRESS], message: sent });
      assert.match(final[0] ?? '', /^250 2\.0\.0 /, name);
      const file = server.outcomes().at(-1)?.file;
      const opened = await gpg.decrypt(armorOf(await server.stored(ADDRESS, file)));
      if (!opened.equals(sent)) wrong.push(name);
    }
    await session.vanish();
    return wrong;
  }

  test('for every fixture', { timeout: 480_000 }, async () => {
    assert.deepEqual(await changed(FIXTURES.map(({ name, bytes }) => ({ name, bytes: () => bytes }))), []);
  });

  const corpus = openCorpus();
  test('for every message of the corpus', { skip: corpus.skip, timeout: 900_000 }, async () => {
    assert.ok(corpus.messages.length > 1000);
    const messages = shortOf(corpus.messages, 150);
    assert.deepEqual(await changed(messages.map(({ name, wire }) => ({ name, bytes: wire }))), []);
  });
});
