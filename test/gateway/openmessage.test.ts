// Messages are opened while they come, as if they had been collected before, and read to their end whatever
// happens.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { type Account, accountOf } from '../../src/gateway/account.ts';
import { openComing, openMessage } from '../../src/gateway/openmessage.ts';
import { LARGE_BYTES } from '../../src/gateway/openmessages.ts';
import { OnceMoreError, openStored } from '../../src/gateway/openstored.ts';
import { metadataOf } from '../../src/gateway/shown.ts';
import { EndedError } from '../../src/imap/input.ts';
import { NotOpenedError, type Opener } from '../../src/keys/opening.ts';
import { readTransferableKey } from '../../src/keys/transferable.ts';
import { openView } from '../../src/view/view.ts';
import { messageOfSize } from '../support/fixtures.ts';
import { sealedAs, world } from '../support/gateway.ts';
import { makeKey } from '../support/testkeys.ts';

const PIECE_BYTES = 64 * 1024;
const RULES = { rules: { subkeys: 'all', unusable: 'defer' }, world } as const;

async function account(pair = makeKey('alice@example.com')): Promise<Account> {
  const { secretKey } = await pair;
  const key = await readTransferableKey(Buffer.from(secretKey), async () => undefined);
  return accountOf(key.secretKey, key.certificate, RULES);
}

async function* pieces(message: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < message.length; at += PIECE_BYTES)
    yield Buffer.from(message.subarray(at, at + PIECE_BYTES));
}

describe('large messages', { timeout: 120_000 }, () => {
  let alice: Account;
  let opener: Opener;
  let stored: Buffer;
  let certificate: string;
  const message = messageOfSize(2 * LARGE_BYTES);
  before(async () => {
    const pair = await makeKey('alice@example.com');
    certificate = pair.certificate.toString();
    alice = await account(Promise.resolve(pair));
    assert.ok(alice.opener !== undefined);
    opener = alice.opener;
    stored = await sealedAs(alice, message);
  });
  after(() => {
    alice.close();
  });

  const open = (coming: AsyncIterable<Buffer>, by = opener) =>
    openComing({ pieces: coming, bytes: stored.length }, by);

  const opens = async () => {
    const { view, metadata } = await open(pieces(stored));
    const expected = openView(await openStored(stored, opener));
    assert.ok(view.bytes.equals(expected.bytes));
    assert.deepEqual(view.parts, expected.parts);
    assert.deepEqual(metadata, metadataOf(expected));
    assert.equal(view.bodyStructure, expected.bodyStructure);
  };

  test('one is shown as if it had been collected before', async () => {
    await opens();
    await Promise.all([opens(), opens()]);
  });

  test('one with line feeds alone has CRLF', async () => {
    const lf = Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
    const { view } = await open(pieces(await sealedAs(alice, lf)));
    assert.ok(view.bytes.equals(message));
  });

  test('one that is compressed, and large inside only, is opened; cut off it is not', async () => {
    const text = 'Subject: s\r\n\r\n'.concat('the same line\r\n'.repeat(LARGE_BYTES / 5));
    const compressed = async (algorithm: number) => {
      const armor = await openpgp.encrypt({
        message: await openpgp.createMessage({ binary: Buffer.from(text) }),
        encryptionKeys: await openpgp.readKey({ armoredKey: certificate }),
        config: { preferredCompressionAlgorithm: algorithm },
      });
      const sealed = (await sealedAs(alice, 'x')).toString('latin1');
      return Buffer.from(sealed.replace(/-----BEGIN[\s\S]*-----END PGP MESSAGE-----\n/, () => armor));
    };
    const { zip, zlib } = openpgp.enums.compression;
    for (const algorithm of [zip, zlib]) {
      const stored = await compressed(algorithm);
      assert.ok(stored.length < LARGE_BYTES / 10);
      assert.equal((await openMessage(stored, opener)).view.bytes.toString(), text);
    }
    const cutOff = (await compressed(zlib)).subarray(0, -700);
    await assert.rejects(openMessage(cutOff, opener), NotOpenedError);
  });

  test('one that only the library knows is wanted once more, and opens when it is collected', async () => {
    const armor = await openpgp.encrypt({
      message: await openpgp.createMessage({ binary: message }),
      encryptionKeys: await openpgp.readKey({ armoredKey: certificate }),
      sessionKey: { data: randomBytes(16), algorithm: 'cast5' },
      config: { rejectPublicKeyAlgorithms: new Set() },
    });
    const sealed = (await sealedAs(alice, 'x')).toString('latin1');
    const old = Buffer.from(sealed.replace(/-----BEGIN[\s\S]*-----END PGP MESSAGE-----\n/, () => armor));
    await assert.rejects(open(pieces(old)), OnceMoreError);
    assert.ok((await openMessage(old, opener)).view.bytes.equals(message));
  });

  test('others have their turns meanwhile', async () => {
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    await opens();
    clearInterval(counting);
    assert.ok(turns > 3, `${turns}`);
  });

  test('cut off, changed, for another key, or no message at all, it does not open; the next one does', async () => {
    const other = await account();
    const changed = Buffer.from(stored);
    const at = stored.length - 10_000;
    changed[at] = changed[at] === 0x41 ? 0x42 : 0x41;
    const wrong: Record<string, Buffer> = {
      'cut off': stored.subarray(0, -5000),
      changed,
      'for another key': await sealedAs(other, message),
      'no message': randomBytes(LARGE_BYTES),
    };
    for (const [name, bytes] of Object.entries(wrong)) {
      let read = 0;
      const counted = async function* () {
        for await (const piece of pieces(bytes)) {
          read += piece.length;
          yield piece;
        }
      };
      await assert.rejects(open(counted()), NotOpenedError, name);
      assert.equal(read, bytes.length, 'all of it is read: what follows is another answer');
    }
    other.close();
    await opens();
  });

  test('what the opener or the connection says is told as it is', async () => {
    const gone = new Error('the agent has gone');
    const agent: Opener = { sessionKeyOf: () => Promise.reject(gone) };
    await assert.rejects(open(pieces(stored), agent), (error) => error === gone);
    const ended = async function* () {
      yield* pieces(stored.subarray(0, LARGE_BYTES));
      throw new EndedError('the connection has ended');
    };
    await assert.rejects(open(ended()), EndedError);
    await opens();
  });
});
