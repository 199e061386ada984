// What gpg, sq, rnp, openpgp.js and we seal to the keys of the collection is opened natively, with the exact
// bytes; and the messages of the corpus are.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import * as openpgp from 'openpgp';
import { openPackets } from '../../src/opening/open.ts';
import { packetsIn } from '../../src/opening/source.ts';
import { noise } from '../support/chunks.ts';
import { openCorpus } from '../support/corpus.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { type CollectedKey, needsKeyCollection, openKeyCollection } from '../support/keys.ts';
import { isLong, shortOf } from '../support/long.ts';
import { type Holder, holderOf, joined, literalOf, openedNatively, sealPackets } from '../support/opening.ts';
import { dearmor } from '../support/packets.ts';
import { needs } from '../support/peers.ts';
import { ENCRYPTIONS, nameOf } from '../support/sealing.ts';
import { SENDERS } from '../support/senders.ts';
import { makeKey } from '../support/testkeys.ts';

/** Text that programs compress, and bytes that they cannot; longer than their first partial length. */
const MESSAGES = [Buffer.from('short\r\n'), messageOfSize(300_000), noise(100_000)];
/** gpg uses Camellia for it, and bzip2: node:crypto alone knows the one, and openpgp.js alone the other. */
const UNOPENED = 'gpg-pref-camellia';

async function directoryOf(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

/** Opens a message, and natively if that is asked for. */
async function opens(armor: string, { opener }: Holder, message: Buffer, what: string): Promise<void> {
  const opened = await openPackets(packetsIn(Buffer.from(armor)), opener);
  assert.equal(opened.bytes, message.length, what);
  assert.ok((await joined(opened.pieces())).equals(message), what);
}

const collection = await openKeyCollection();
const isOpenable = ({ name, secretKeyFile, expectation }: CollectedKey) =>
  name !== UNOPENED && secretKeyFile !== undefined && ['encrypt', 'v6', 'policy'].includes(expectation);
const keys = collection?.keys.filter(isOpenable) ?? [];

for (const [sender, encrypt] of Object.entries(SENDERS))
  test(`what ${sender} encrypts is opened natively`, {
    ...needs('gpg', 'sq', 'rnp', 'rnpkeys'),
    ...needsKeyCollection(),
    timeout: 240_000,
  }, async (t) => {
    const directory = await directoryOf(t);
    let opened = 0;
    for (const key of shortOf(keys, 1)) {
      const holder = await holderOf(await readFile(key.secretKeyFile ?? ''), key.passphrase);
      for (const message of shortOf(MESSAGES, 1)) {
        const armor = await encrypt(key, message, directory);
        if (armor === undefined) continue;
        await opens(armor, holder, message, key.name);
        const packets = dearmor(Buffer.from(withoutHeaders(armor)));
        assert.ok((await openedNatively(packets, holder.opener)).equals(message), `${key.name}, natively`);
        opened += 1;
      }
    }
    t.diagnostic(`${opened} messages`);
    assert.ok(opened >= (isLong ? 40 : 1));
  });

function withoutHeaders(armor: string): string {
  return armor.replace(/^(-----BEGIN PGP MESSAGE-----\n)(?:[A-Z].*\n)+\n/, '$1\n');
}

test('what openpgp.js encrypts is opened natively, compressed and signed too', async () => {
  const { zip, zlib, uncompressed } = openpgp.enums.compression;
  for (const version of [4, 6] as const) {
    const key = await makeKey('alice@example.com', { version });
    const holder = await holderOf(key.secretKey);
    const encryptionKeys = await openpgp.readKey({ armoredKey: key.certificate });
    const signingKeys = await openpgp.readPrivateKey({ armoredKey: key.secretKey });
    for (const preferredCompressionAlgorithm of shortOf([zlib, uncompressed, zip], 2))
      for (const signed of [{}, { signingKeys }])
        for (const bytes of shortOf(MESSAGES, 1)) {
          const armor = await openpgp.encrypt({
            message: await openpgp.createMessage({ binary: bytes, filename: 'a name' }),
            encryptionKeys,
            ...signed,
            config: { preferredCompressionAlgorithm },
          });
          await opens(armor, holder, bytes, `v${version}`);
          const packets = dearmor(Buffer.from(armor.replaceAll('\r\n', '\n')));
          assert.ok((await openedNatively(packets, holder.opener)).equals(bytes), `v${version}, natively`);
          const { literalName } = await openPackets(packetsIn(Buffer.from(armor)), holder.opener);
          assert.equal(literalName, 'a name');
        }
  }
});

const corpus = openCorpus();

for (const encryption of shortOf(ENCRYPTIONS, 2))
  test(`${nameOf(encryption)}: messages of the corpus come out byte by byte`, {
    skip: corpus.skip,
  }, async () => {
    const { opener, recipients } = await holderOf((await makeKey('alice@example.com')).secretKey);
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    for (const { name, wire } of shortOf(corpus.messages, 40)) {
      const message = wire();
      const packets = sealPackets(literalOf(message), recipients.slice(0, 1), encryption);
      assert.equal(hash(await openedNatively(packets, opener, [65_536])), hash(message), name);
    }
  });
