// A whole armored message, read back by openpgp.js: the layers in their order, at every size.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { sessionKeyPackets } from '../../src/keys/sessionkeys.ts';
import { LiteralData } from '../../src/openpgp/literal.ts';
import { EncryptedMessage, type Encryption } from '../../src/openpgp/message.ts';
import { BYTE_BY_BYTE, type Cut, lend, noise, someCut, WHOLE } from '../support/chunks.ts';
import { isLong } from '../support/long.ts';
import { dearmor, readPackets } from '../support/packets.ts';
import { ENCRYPTIONS, nameOf, newReader, type Reader, seededRandom } from '../support/sealing.ts';

// around each length form, partial block and AEAD chunk: of the message, of its literal packet
// (6 bytes more in the body), and of the SEIPD body (41 more for v1, 68 for v2 in one chunk)
const LITERAL_SIZES = [
  ...[0, 1, 191, 192, 8383, 8384, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073],
  ...[186, 8378, 65_530, 65_531],
];
const SEIPD_SIZES = {
  1: [142, 143, 8333, 8334, 65_482, 65_483, 65_484],
  2: [115, 116, 8306, 8307, 65_455, 65_456, 65_457, 262_129, 262_130, 524_269, 524_270],
};

/**
 * openpgp.js reads OCB at 3 MB/s: the sizes of the SEIPD body, the same for both modes, are tried with GCM,
 * three chunks with both.
 */
function sizesFor(encryption: Encryption): number[] {
  const isSlow = encryption.version === 2 && encryption.aead === 'ocb';
  return isSlow ? [...LITERAL_SIZES, 600_000] : [...LITERAL_SIZES, ...SEIPD_SIZES[encryption.version]];
}

let reader: Reader;

before(async () => {
  reader = await newReader();
});

/**
 * The same for the same packets: all randomness is from a seed. Armor is kept as given, as the store does.
 */
function sealed(message: Buffer, lengths: Cut, encryption: Encryption, packets: Uint8Array) {
  const random = seededRandom('message');
  const keys = { encryption, sessionKey: random(encryption.keyBytes), sessionKeyPackets: packets };
  const encrypted = new EncryptedMessage(keys, random);
  const literal = new LiteralData();
  const out: Buffer[] = [];
  const emit = (piece: Buffer) => out.push(...encrypted.update(piece));
  lend(message, lengths, (piece) => literal.update(piece, emit));
  literal.final(emit);
  out.push(...encrypted.final());
  return { armor: Buffer.concat(out), lines: encrypted.lines };
}

function packetsFor(encryption: Encryption): Promise<Uint8Array> {
  const sessionKey = seededRandom('message')(encryption.keyBytes);
  return sessionKeyPackets(reader.sealingKeys(encryption), sessionKey, new Date());
}

for (const encryption of ENCRYPTIONS) {
  const sizes = sizesFor(encryption);

  test(`${nameOf(encryption)}: openpgp.js reads back the exact bytes at every size`, async () => {
    const packets = await packetsFor(encryption);
    for (const size of sizes) {
      const { armor } = sealed(noise(size), WHOLE, encryption, packets);
      assert.ok((await reader.decrypt(dearmor(armor))).equals(noise(size)), `${size} bytes`);
    }
  });

  test(`${nameOf(encryption)}: the armor is the same whole, byte by byte and however it is cut`, async () => {
    const packets = await packetsFor(encryption);
    const whole = (size: number) => sealed(noise(size), WHOLE, encryption, packets).armor;
    for (const size of [0, 1, 192, 8384])
      assert.ok(sealed(noise(size), BYTE_BY_BYTE, encryption, packets).armor.equals(whole(size)), `${size}`);
    fc.assert(
      fc.property(fc.constantFrom(...sizes), someCut, (size, lengths) => {
        assert.ok(sealed(noise(size), lengths, encryption, packets).armor.equals(whole(size)));
      }),
      { numRuns: isLong ? 10 : 4 },
    );
  });

  test(`${nameOf(encryption)}: session keys of the right version come first, then one SEIPD to the end`, async () => {
    const { armor, lines } = sealed(noise(70_000), WHOLE, encryption, await packetsFor(encryption));
    const [pkesk, seipd, ...others] = readPackets(dearmor(armor));
    assert.deepEqual(others, []);
    // RFC 9580 §10.3.2.1: PKESK v3 before SEIPD v1, v6 before v2
    assert.equal(pkesk?.tag, 1);
    assert.equal(pkesk.body[0], encryption.version === 1 ? 3 : 6);
    assert.equal(seipd?.tag, 18);
    assert.equal(seipd.body[0], encryption.version);
    assert.equal(lines, armor.toString('latin1').split('\n').length - 1);
    // RFC 9580 §6.1: no CRC24 after v2
    assert.equal(/^=.{4}$/m.test(armor.toString('latin1')), encryption.version === 1);
  });

  test(`${nameOf(encryption)}: openpgp.js rejects a message with one bit turned`, async () => {
    const { armor } = sealed(noise(300), WHOLE, encryption, await packetsFor(encryption));
    const packets = dearmor(armor);
    assert.ok((await reader.decrypt(packets)).equals(noise(300)));
    const bodyAt = packets.length - (readPackets(packets)[1]?.body.length ?? 0);
    const bit = fc.integer({ min: 8 * bodyAt, max: 8 * packets.length - 1 });
    await fc.assert(
      fc.asyncProperty(bit, async (at) => {
        const turned = Buffer.from(packets);
        turned[at >> 3] = (turned[at >> 3] ?? 0) ^ (1 << (at & 7));
        await assert.rejects(reader.decrypt(turned));
      }),
      { numRuns: isLong ? 25 : 8 },
    );
  });

  test(`${nameOf(encryption)}: openpgp.js rejects a message without its tail`, async () => {
    const { armor } = sealed(noise(140_000), WHOLE, encryption, await packetsFor(encryption));
    const packets = dearmor(armor);
    assert.ok((await reader.decrypt(packets)).equals(noise(140_000)));
    for (const missing of [1, 16, 20, 22, 32, 1000, 65_536, 65_552, 70_000, 131_072])
      await assert.rejects(reader.decrypt(packets.subarray(0, -missing)), `${missing} bytes missing`);
  });
}

test('a session key of another length than agreed is refused before anything is given out', () => {
  const keys = { encryption: { version: 1, keyBytes: 32 }, sessionKey: noise(16) } as const;
  const make = () => new EncryptedMessage({ ...keys, sessionKeyPackets: noise(10) }, seededRandom('x'));
  assert.throws(make, RangeError);
});
