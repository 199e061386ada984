// CRC24 as RFC 9580 §6.1.1 writes it, one bit at a time. The fast ones are compared with it.

/** Returns three bytes, the most significant first. */
export function plainCrc24(bytes: Uint8Array): Buffer {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if (crc & 0x1000000) crc ^= 0x1864cfb;
    }
  }
  const sum = Buffer.alloc(3);
  sum.writeUIntBE(crc, 0, 3);
  return sum;
}
