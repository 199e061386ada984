// Large messages are opened in a thread: as others are, and whatever goes wrong there, something comes back.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import * as openpgp from 'openpgp';
import { type Account, accountOf } from '../../src/gateway/account.ts';
import { LARGE_BYTES, LargeMessages } from '../../src/gateway/largemessages.ts';
import { openSmall } from '../../src/gateway/opensmall.ts';
import { openStored } from '../../src/gateway/openstored.ts';
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
  const large = new LargeMessages();
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
    large.close();
    alice.close();
  });

  const opens = async () => {
    const { view, metadata } = await large.open(pieces(stored), opener);
    const expected = openView(await openStored(stored, opener));
    assert.ok(view.bytes.equals(expected.bytes));
    assert.deepEqual(view.parts, expected.parts);
    assert.deepEqual(metadata, metadataOf(expected));
    assert.equal(view.bodyStructure, expected.bodyStructure);
  };

  test('one is shown as it is without a thread, and two at once take turns', async () => {
    await opens();
    await Promise.all([opens(), opens()]);
  });

  test('one with line feeds alone has CRLF', async () => {
    const lf = Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
    const { view } = await large.open(pieces(await sealedAs(alice, lf)), opener);
    assert.ok(view.bytes.equals(message));
  });

  test('one that is small as it is stored, since it is compressed, is handed over; others are not', async () => {
    let handed = 0;
    const counting = {
      open: (...given: Parameters<LargeMessages['open']>) => {
        handed++;
        return large.open(...given);
      },
    };
    const text = (bytes: number) => `Subject: s\r\n\r\n${'the same line\r\n'.repeat(bytes / 15)}`;
    const compressed = async (written: string, algorithm: number) => {
      const armor = await openpgp.encrypt({
        message: await openpgp.createMessage({ binary: Buffer.from(written) }),
        encryptionKeys: await openpgp.readKey({ armoredKey: certificate }),
        config: { preferredCompressionAlgorithm: algorithm },
      });
      const sealed = (await sealedAs(alice, 'x')).toString('latin1');
      return Buffer.from(sealed.replace(/-----BEGIN[\s\S]*-----END PGP MESSAGE-----\n/, () => armor));
    };
    const { zip, zlib } = openpgp.enums.compression;
    for (const algorithm of [zip, zlib])
      for (const [bytes, expected] of [
        [LARGE_BYTES / 2, 0],
        [LARGE_BYTES * 3, 1],
      ] as const) {
        handed = 0;
        const written = text(bytes);
        const stored = await compressed(written, algorithm);
        assert.ok(stored.length < LARGE_BYTES / 10);
        const { view } = await openSmall(stored, opener, counting);
        assert.equal(view.bytes.toString(), written);
        assert.equal(handed, expected);
      }
    const plain = await openSmall(await sealedAs(alice, text(LARGE_BYTES / 2)), opener, counting);
    assert.equal(plain.view.bytes.toString(), text(LARGE_BYTES / 2));
    assert.equal(handed, 1);
    const cutOff = (await compressed(text(LARGE_BYTES * 3), zlib)).subarray(0, -700);
    await assert.rejects(openSmall(cutOff, opener, counting), NotOpenedError);
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
      await assert.rejects(large.open(counted(), opener), NotOpenedError, name);
      assert.equal(read, bytes.length, 'all of it is read: what follows is another answer');
    }
    other.close();
    await opens();
  });

  test('what the opener or the connection says is told as it is', async () => {
    const gone = new Error('the agent has gone');
    const agent: Opener = { sessionKeyOf: () => Promise.reject(gone) };
    await assert.rejects(large.open(pieces(stored), agent), (error) => error === gone);
    const ended = async function* () {
      yield* pieces(stored.subarray(0, LARGE_BYTES));
      throw new EndedError('the connection has ended');
    };
    await assert.rejects(large.open(ended(), opener), EndedError);
    await opens();
  });

  test('a thread that ends in the middle fails its message, and the next one has another', async () => {
    const ending = async function* () {
      yield* pieces(stored.subarray(0, LARGE_BYTES));
      large.close();
      yield* pieces(stored.subarray(LARGE_BYTES));
    };
    await assert.rejects(large.open(ending(), opener), /the thread that opens large messages has ended/);
    await opens();
  });
});
