// Takes OpenPGP packets apart by RFC 9580 §4.2, without any code of src/openpgp.

import assert from 'node:assert/strict';

export interface Packet {
  tag: number;
  body: Buffer;
  /** Partial body lengths before the last length, which is definite. */
  partials: number[];
}

/** Reads packets in the new format to the end of `bytes`. Throws on anything else. */
export function readPackets(bytes: Buffer): Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < bytes.length; ) {
    const octet = byteAt(bytes, at++);
    assert.equal(octet & 0xc0, 0xc0, 'a packet header of the new format');
    const partials: number[] = [];
    const pieces: Buffer[] = [];
    for (let isLast = false; !isLast; ) {
      const length = readLength(bytes, at);
      at += length.octets;
      assert.ok(at + length.bytes <= bytes.length, 'a packet that ends');
      pieces.push(bytes.subarray(at, at + length.bytes));
      at += length.bytes;
      isLast = !length.isPartial;
      if (length.isPartial) partials.push(length.bytes);
    }
    packets.push({ tag: octet & 0x3f, body: Buffer.concat(pieces), partials });
  }
  return packets;
}

function readLength(bytes: Buffer, at: number): { octets: number; bytes: number; isPartial: boolean } {
  const first = byteAt(bytes, at);
  if (first < 192) return { octets: 1, bytes: first, isPartial: false };
  if (first < 224) {
    return { octets: 2, bytes: ((first - 192) << 8) + byteAt(bytes, at + 1) + 192, isPartial: false };
  }
  if (first === 255) return { octets: 5, bytes: bytes.readUInt32BE(at + 1), isPartial: false };
  return { octets: 1, bytes: 2 ** (first & 0x1f), isPartial: true };
}

function byteAt(bytes: Buffer, at: number): number {
  return bytes.readUInt8(at);
}

/** Returns the bytes that the armor in `sealed` holds. Text around it is left out. */
export function dearmor(sealed: Buffer): Buffer {
  const text = sealed.toString('latin1');
  const [, base64] =
    /^-----BEGIN PGP MESSAGE-----\n\n([A-Za-z0-9+/\n]+={0,2})\n(?:=.{4}\n)?-----END PGP MESSAGE-----\n/m.exec(
      text,
    ) ?? [];
  assert.ok(base64 !== undefined, 'an armored message');
  return Buffer.from(base64, 'base64');
}
