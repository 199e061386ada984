// Messages that are made to do harm: that become very large, that have very many session keys, and that are
// sent to learn something of an RSA key from the answers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import * as openpgp from 'openpgp';
import { MOST_TRIES, NotOpenedError } from '../../src/keys/opening.ts';
import { readSecretKeys } from '../../src/keys/secretfile.ts';
import { openPackets } from '../../src/opening/open.ts';
import { SecretOpener } from '../../src/opening/secretopener.ts';
import { packetHeader } from '../../src/openpgp/framer.ts';
import { readPacket } from '../../src/openpgp/packets.ts';
import { sessionKeyEncryptor } from '../../src/openpgp/pkesk.ts';
import { isLong, testLong } from '../support/long.ts';
import { holderOf, joined, literalOf, sealPackets, sourceOf } from '../support/opening.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { makeKey } from '../support/testkeys.ts';

const MIB = 1024 * 1024;
const V1 = { version: 1, keyBytes: 32 } as const;
const CONTENT = Buffer.from('Subject: x\r\n\r\nhi\r\n');
const { opener, recipients } = await holderOf((await makeKey('alice@example.com')).secretKey);
const own = recipients.slice(0, 1);

function compressed(algorithm: number, deflated: Buffer): Buffer {
  return Buffer.concat([packetHeader(8, deflated.length + 1), Buffer.of(algorithm), deflated]);
}

/** Literal data of zeros. */
function bomb(bytes: number): Buffer {
  const head = Buffer.concat([packetHeader(11, bytes + 6), Buffer.from('b\0\0\0\0\0', 'latin1')]);
  const literal = Buffer.alloc(head.length + bytes);
  literal.set(head);
  return compressed(1, deflateRawSync(literal, { level: 1 }));
}

const LARGE = bomb((isLong ? 400 : 130) * MIB);

test('content that becomes far larger than its message is refused, with bounded memory', async () => {
  const packets = sealPackets(LARGE, own, V1);
  assert.ok(packets.length < 4 * MIB);
  const before = process.memoryUsage().rss;
  let highest = before;
  const source = async function* () {
    for await (const piece of sourceOf(packets, [16_384])()) {
      highest = Math.max(highest, process.memoryUsage().rss);
      yield piece;
    }
  };
  await assert.rejects(openPackets(source, opener), (error) => {
    assert.ok(error instanceof NotOpenedError);
    assert.match(error.message, /far larger than the message/);
    return true;
  });
  if (isLong) assert.ok(highest - before < 200 * MIB, `${(highest - before) / MIB} MiB more`);
});

testLong(
  'one that was changed as well is refused for that: nothing is said of what is not verified',
  async () => {
    const packets = sealPackets(LARGE, own, V1);
    packets[packets.length - 1] = (packets.at(-1) ?? 0) ^ 1;
    await assert.rejects(openPackets(sourceOf(packets, [16_384]), opener), /it was changed on its way/);
  },
);

testLong(
  'what is a hundred times as large is opened, and a large message that is compressed well',
  async () => {
    for (const bytes of [20 * MIB, 120 * MIB]) {
      const opened = await openPackets(sourceOf(sealPackets(bomb(bytes), own, V1)), opener, {
        mostHeld: MIB,
      });
      assert.equal(opened.bytes, bytes);
    }
  },
);

testLong('openpgp.js is given the same limit', needs('bzip2'), async () => {
  const literal = "printf '\\313\\377\\031\\000\\000\\006b\\0\\0\\0\\0\\0'; head -c 419430400 /dev/zero";
  const { stdout } = await run('sh', ['-c', `(${literal}) | bzip2 -9`]);
  const packets = sealPackets(compressed(3, stdout), own, V1);
  await assert.rejects(openPackets(sourceOf(packets), opener), /far larger than the message/);
});

test('of very many session keys that name nobody some are tried, and those that name a key before', async () => {
  const [key] = own;
  assert.ok(key);
  const packets = sealPackets(literalOf(CONTENT), own, V1);
  const first = readPacket(packets, 0) ?? assert.fail();
  const rest = packets.subarray(first.end);
  const encrypt = sessionKeyEncryptor(key);
  const other = encrypt({ packetVersion: 3, cipher: 9, key: Buffer.alloc(32) });
  const nobodys = Buffer.from(other);
  nobodys.fill(
    0,
    nobodys.length - first.packet.body.length + 1,
    nobodys.length - first.packet.body.length + 9,
  );
  nobodys[nobodys.length - 1] = (nobodys.at(-1) ?? 0) ^ 1; // opens nothing
  const many = Buffer.concat(Array.from({ length: 2 * MOST_TRIES }, () => nobodys));
  const opened = await openPackets(sourceOf(Buffer.concat([many, packets])), opener);
  assert.ok((await joined(opened.pieces())).equals(CONTENT));
  await assert.rejects(openPackets(sourceOf(Buffer.concat([many, rest])), opener), /none of its first 256/);
  const tooMany = Buffer.concat(Array.from({ length: 50_000 }, () => nobodys));
  await assert.rejects(openPackets(sourceOf(Buffer.concat([tooMany, packets])), opener), /more session keys/);
});

test('where answers are seen, a wrong RSA padding is answered as a message that was changed', async () => {
  const { privateKey } = await openpgp.generateKey({
    type: 'rsa',
    rsaBits: 2048,
    userIDs: [{ email: 'alice@example.com' }],
    format: 'armored',
  });
  const keys = await readSecretKeys(Buffer.from(privateKey));
  const { recipients: rsa } = await holderOf(privateKey);
  const [key] = rsa;
  assert.ok(key);
  const told = new SecretOpener(keys, async () => undefined);
  const hidden = new SecretOpener(keys, async () => undefined, 'hidden');
  const versions = [V1, { version: 2, keyBytes: 32, aead: 'ocb' }] as const;
  for (const encryption of versions) {
    const packets = sealPackets(literalOf(CONTENT), [key], encryption);
    const opened = await openPackets(sourceOf(packets), hidden);
    assert.ok((await joined(opened.pieces())).equals(CONTENT));
    const { end, packet } = readPacket(packets, 0) ?? assert.fail();
    const wrong = Buffer.from(packets);
    wrong[end - 1] = (wrong[end - 1] ?? 0) ^ 1;
    const packetVersion = encryption.version === 1 ? 3 : 6;
    const session = { packetVersion, cipher: 9, key: Buffer.alloc(32, 1) } as const;
    const another = Buffer.concat([sessionKeyEncryptor(key)(session), packets.subarray(end)]);
    const answerOf = async (message: Buffer, by: SecretOpener) =>
      openPackets(sourceOf(message), by).then(
        () => 'opened',
        (error: Error) => `${error.constructor.name}: ${error.message}`,
      );
    assert.match(await answerOf(wrong, told), /the key does not open it/);
    assert.match(await answerOf(wrong, hidden), /it was changed on its way/);
    assert.equal(await answerOf(another, hidden), await answerOf(wrong, hidden));
    const body = readPacket(wrong, 0)?.packet.body ?? packet.body;
    const decoys = [await hidden.sessionKeyOf([body]), await hidden.sessionKeyOf([body])];
    assert.deepEqual(decoys[0], decoys[1], 'the same for the same packet');
    assert.notDeepEqual((await hidden.sessionKeyOf([packet.body])).key, decoys[0]?.key);
  }
});
