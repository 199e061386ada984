import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LITERAL_DATA } from '../../src/openpgp/framer.ts';
import { LiteralData } from '../../src/openpgp/literal.ts';
import { BYTE_BY_BYTE, type Cut, lend, noise, someCut, WHOLE } from '../support/chunks.ts';
import { readPackets } from '../support/packets.ts';

// around the boundaries of the lengths with the six bytes in front of the message, and without them
const SIZES = [191, 192, 8383, 8384, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073]
  .flatMap((size) => [size - 6, size])
  .concat(0, 1);

function literal(message: Buffer, lengths: Cut): Buffer {
  const packet = new LiteralData();
  const out: Buffer[] = [];
  const emit = (piece: Buffer) => out.push(Buffer.from(piece));
  lend(message, lengths, (piece) => packet.update(piece, emit));
  packet.final(emit);
  return Buffer.concat(out);
}

test('a literal packet holds format b, no name, date 0 and the message, at every size', () => {
  for (const size of SIZES) {
    const [packet, ...others] = readPackets(literal(noise(size), WHOLE));
    assert.deepEqual(others, []);
    assert.equal(packet?.tag, LITERAL_DATA);
    // RFC 9580 §5.9
    assert.equal(packet.body.subarray(0, 6).toString('hex'), '620000000000');
    assert.ok(packet.body.subarray(6).equals(noise(size)), `${size} bytes`);
  }
});

test('a name stands before the date, up to 255 bytes of it', () => {
  for (const name of ['x', 'sealdir-added:0+5', 'n'.repeat(255)]) {
    const packet = new LiteralData(name);
    const out: Buffer[] = [];
    const emit = (piece: Buffer) => out.push(Buffer.from(piece));
    packet.update(Buffer.from('message'), emit);
    packet.final(emit);
    const [literal] = readPackets(Buffer.concat(out));
    const expected = Buffer.concat([Buffer.from([0x62, name.length]), Buffer.from(`${name}\0\0\0\0message`)]);
    assert.ok(literal?.body.equals(expected), name);
  }
});

test('a message of no bytes gives a literal packet with no bytes', () => {
  assert.equal(literal(Buffer.alloc(0), WHOLE).toString('hex'), 'cb06620000000000');
});

test('a literal packet is the same whole and byte by byte, at every size', () => {
  for (const size of SIZES) assert.ok(literal(noise(size), BYTE_BY_BYTE).equals(literal(noise(size), WHOLE)));
});

test('a literal packet is the same however the message is cut', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SIZES), someCut, (size, lengths) => {
      assert.ok(literal(noise(size), lengths).equals(literal(noise(size), WHOLE)));
    }),
    { numRuns: 60 },
  );
});
