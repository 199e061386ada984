// RFC 9580 §4.2.1: packet lengths, parsed back by a reader of our own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BLOCK_BYTES, KeepingFramer, PacketFramer, packetHeader, SEIPD } from '../../src/openpgp/framer.ts';
import { BYTE_BY_BYTE, type Cut, cut, lend, noise, someCut, WHOLE } from '../support/chunks.ts';
import { readPackets } from '../support/packets.ts';

const SIZES = [0, 1, 191, 192, 8383, 8384, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 200_000];

/** Each emitted piece is copied and then overwritten: the framer may reuse it, its reader may not keep it. */
function framed(body: Buffer, lengths: Cut): Buffer {
  const framer = new PacketFramer(SEIPD);
  const out: Buffer[] = [];
  const emit = (piece: Buffer) => out.push(Buffer.from(piece));
  lend(body, lengths, (piece) => framer.update(piece, emit));
  framer.final(emit);
  return Buffer.concat(out);
}

/** The pieces are the framer's, what it emits is not its reader's. */
function framedAsGiven(body: Buffer, lengths: Cut): Buffer {
  const framer = new KeepingFramer(SEIPD);
  const out: Buffer[] = [];
  const emit = (pieces: readonly Uint8Array[]) => out.push(Buffer.concat(pieces));
  for (const piece of cut(body, lengths)) framer.update(new Uint8Array(piece), emit);
  framer.final(emit);
  return Buffer.concat(out);
}

for (const size of SIZES) {
  test(`a body of ${size} bytes comes back as one packet with legal lengths`, () => {
    const body = noise(size);
    const [packet, ...others] = readPackets(framed(body, WHOLE));
    assert.deepEqual(others, []);
    assert.equal(packet?.tag, SEIPD);
    assert.ok(packet.body.equals(body));
    // §4.2.1.4: powers of two, the first at least 512; the last length is never partial
    for (const partial of packet.partials) assert.ok(partial >= 512 && Number.isInteger(Math.log2(partial)));
  });

  test(`a body of ${size} bytes is framed alike whole and byte by byte`, () => {
    const body = noise(size);
    assert.ok(framed(body, BYTE_BY_BYTE).equals(framed(body, WHOLE)));
  });
}

test('a body is framed alike however it is cut', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SIZES), someCut, (size, lengths) => {
      assert.ok(framed(noise(size), lengths).equals(framed(noise(size), WHOLE)));
    }),
    { numRuns: 60 },
  );
});

test('a body of one block or less has a definite length and no partial one', () => {
  for (const size of SIZES.filter((bytes) => bytes <= BLOCK_BYTES)) {
    const packet = framed(noise(size), WHOLE);
    assert.ok(packet.equals(Buffer.concat([packetHeader(SEIPD, size), noise(size)])), String(size));
  }
});

test('definite lengths are the examples of RFC 9580 §4.2.1 and the shortest form at each boundary', () => {
  const lengthOf = (bytes: number) => packetHeader(SEIPD, bytes).subarray(1).toString('hex');
  const expected = {
    0: '00',
    100: '64',
    191: 'bf',
    192: 'c000',
    1723: 'c5fb',
    8383: 'dfff',
    8384: 'ff000020c0',
    100000: 'ff000186a0',
    4294967295: 'ffffffffff',
  };
  for (const [bytes, hex] of Object.entries(expected)) assert.equal(lengthOf(Number(bytes)), hex);
});

test('what the framer holds never exceeds one block', () => {
  const framer = new PacketFramer(SEIPD);
  let taken = 0;
  let given = 0;
  for (let turn = 0; turn < 500; turn++) {
    taken += 1000;
    framer.update(noise(1000), (piece) => {
      given += piece.length;
    });
    assert.ok(taken - given <= BLOCK_BYTES, `${taken - given} bytes held`);
  }
});

test('a framer that keeps its pieces gives what the other one gives, however they are cut', () => {
  for (const size of SIZES) assert.ok(framedAsGiven(noise(size), WHOLE).equals(framed(noise(size), WHOLE)));
  fc.assert(
    fc.property(fc.constantFrom(...SIZES), someCut, (size, lengths) => {
      assert.ok(framedAsGiven(noise(size), lengths).equals(framed(noise(size), WHOLE)));
    }),
    { numRuns: 60 },
  );
});

test('a framer that owns its pieces emits full blocks without a copy, and frees a piece only after its last byte', () => {
  const framer = new KeepingFramer(SEIPD);
  const pieces = cut(noise(3 * BLOCK_BYTES), [50_000]).map((piece) => new Uint8Array(piece));
  const buffers = pieces.map((piece) => piece.buffer);
  const blocks: number[] = [];
  for (const piece of pieces)
    framer.update(piece, ([head, ...body]) => {
      blocks.push(body.reduce((sum, { length }) => sum + length, 0));
      assert.ok(head !== undefined && head.length <= 2);
      for (const part of body) assert.ok(buffers.includes(part.buffer as ArrayBuffer));
    });
  assert.deepEqual(blocks, [BLOCK_BYTES, BLOCK_BYTES]);
  // 131,072 bytes emitted: the third piece has its last byte in the rest
  assert.deepEqual(
    buffers.map((buffer) => buffer.byteLength),
    [0, 0, 50_000, 46_608],
  );
  framer.final(() => {});
  assert.deepEqual(
    buffers.map((buffer) => buffer.byteLength),
    [0, 0, 0, 0],
  );
});

test('a framer gives its memory back when it has ended, and emits a small packet as one piece', () => {
  const framer = new PacketFramer(SEIPD);
  const pieces: Buffer[] = [];
  framer.update(noise(40_000), (piece) => pieces.push(piece));
  framer.final((piece) => {
    assert.equal(piece.length, 6 + 40_000);
    pieces.push(piece);
  });
  assert.deepEqual(
    pieces.map(({ length }) => length),
    [0],
  );
});
