// The way back from an encrypted message to the packets in it: as they were put in, wherever the bytes are
// cut; and nothing is accepted that was changed.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { aesIdOf } from '../../src/openpgp/algorithms.ts';
import { Dearmor } from '../../src/openpgp/dearmor.ts';
import type { Encryption } from '../../src/openpgp/message.ts';
import { EncryptedMessage } from '../../src/openpgp/message.ts';
import { SealedParts } from '../../src/openpgp/sealedparts.ts';
import { openBody } from '../../src/openpgp/seipdbody.ts';
import { ENCRYPTIONS, nameOf, seededRandom } from '../support/sealing.ts';

// a packet that is read over: PKESK of version 3 for key 0102030405060708, X25519
const SESSION_KEYS = Buffer.concat([
  Buffer.from([0xc1, 10 + 32 + 2 + 40, 3, 1, 2, 3, 4, 5, 6, 7, 8, 25]),
  Buffer.alloc(32, 7),
  Buffer.from([41, 9]),
  Buffer.alloc(40, 8),
]);

function sealed(encryption: Encryption, plain: Buffer): { packets: Buffer; sessionKey: Buffer } {
  const random = seededRandom(nameOf(encryption));
  const sessionKey = random(encryption.keyBytes);
  const message = new EncryptedMessage({ encryption, sessionKey, sessionKeyPackets: SESSION_KEYS }, random);
  const armor = Buffer.concat([...message.update(plain), ...message.final()]);
  const dearmor = new Dearmor();
  return { packets: Buffer.concat([dearmor.update(armor), dearmor.final()]), sessionKey };
}

function opened(packets: Buffer, sessionKey: Buffer, pieceBytes: number): Buffer {
  const parts = new SealedParts();
  const out: Buffer[] = [];
  let body: ReturnType<typeof openBody> | undefined;
  for (let at = 0; at < packets.length; at += pieceBytes)
    for (const piece of parts.update(packets.subarray(at, at + pieceBytes))) {
      const rest = body === undefined ? piece.subarray(1) : piece;
      body ??= openBody(piece[0] ?? 0, { bytes: sessionKey, algorithm: aesIdOf(sessionKey.length) });
      out.push(...body.update(rest));
    }
  parts.final();
  assert.ok(parts.sessionKeys.equals(SESSION_KEYS));
  return Buffer.concat([...out, ...(body?.final() ?? [])]);
}

for (const encryption of ENCRYPTIONS)
  describe(nameOf(encryption), () => {
    test('the packets come out as they were put in, wherever the message is cut', () => {
      for (const bytes of [0, 1, 15, 16, 70_000, 262_144, 262_145, 700_000]) {
        const plain = seededRandom(`plain ${bytes}`)(bytes);
        const { packets, sessionKey } = sealed(encryption, plain);
        for (const pieceBytes of bytes < 100 ? [1, 7, 1000] : [997, 65_536, 1_000_000])
          assert.ok(opened(packets, sessionKey, pieceBytes).equals(plain), `${bytes} by ${pieceBytes}`);
      }
    });

    test('a changed bit, a missing end, and more after the end are noticed', () => {
      const { packets, sessionKey } = sealed(encryption, Buffer.alloc(300_000, 'abc'));
      const from = SESSION_KEYS.length + 2;
      for (const at of [from, from + 20, from + 60, from + 150_000, packets.length - 1]) {
        const changed = Buffer.from(packets);
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        assert.throws(() => opened(changed, sessionKey, 65_536), `byte ${at}`);
      }
      for (const end of [from + 30, 200_000, packets.length - 1])
        assert.throws(() => opened(packets.subarray(0, end), sessionKey, 65_536), `cut at ${end}`);
      assert.throws(() => opened(Buffer.concat([packets, Buffer.from([0xd4, 0])]), sessionKey, 65_536));
    });
  });

test('algorithms that are not known are named as such', () => {
  const body = openBody(2, { bytes: Buffer.alloc(32), algorithm: undefined });
  assert.throws(() => body.update(Buffer.concat([Buffer.from([9, 1, 12]), Buffer.alloc(32)])), /cannot use/);
  assert.throws(() => openBody(1, { bytes: Buffer.alloc(16), algorithm: 3 }), /cannot use/);
});
