/** CRC24 of OpenPGP armor (RFC 9580 §6.1.1), four bytes a step: as cheap as the base64 beside it. */

const INIT = 0xb704ce;
const POLYNOMIAL = 0x864cfb;

// TABLES[n][byte]: the remainder of `byte` followed by n zero bytes
const TABLES = makeTables();

export class Crc24 {
  #crc = INIT;

  update(bytes: Uint8Array): void {
    const [t0, t1, t2, t3] = TABLES;
    const end = bytes.length - (bytes.length % 4);
    let crc = this.#crc;
    let i = 0;
    for (; i < end; i += 4) {
      const a = (crc >> 16) ^ at(bytes, i);
      const b = ((crc >> 8) & 0xff) ^ at(bytes, i + 1);
      const c = (crc & 0xff) ^ at(bytes, i + 2);
      crc = at(t3, a) ^ at(t2, b) ^ at(t1, c) ^ at(t0, at(bytes, i + 3));
    }
    for (; i < bytes.length; i++) crc = ((crc << 8) & 0xffffff) ^ at(t0, (crc >> 16) ^ at(bytes, i));
    this.#crc = crc;
  }

  /** Three bytes, most significant first. */
  digest(): Buffer {
    const sum = Buffer.alloc(3);
    sum.writeUIntBE(this.#crc, 0, 3);
    return sum;
  }
}

/** Every index here is in range by construction. */
function at(table: Int32Array | Uint8Array, index: number): number {
  return table[index] as number;
}

function makeTables(): [Int32Array, Int32Array, Int32Array, Int32Array] {
  const t0 = new Int32Array(256).map((_, byte) => {
    let crc = byte << 16;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x800000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
    return crc & 0xffffff;
  });
  const oneMoreZero = (t: Int32Array) => t.map((crc) => ((crc << 8) & 0xffffff) ^ at(t0, crc >> 16));
  const t1 = oneMoreZero(t0);
  const t2 = oneMoreZero(t1);
  return [t0, t1, t2, oneMoreZero(t2)];
}
