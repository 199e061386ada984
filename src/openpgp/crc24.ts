/** CRC24 of OpenPGP armor (RFC 9580 §6.1.1): its tables, and the sum over the bytes that fill no line. */

export const CRC24_INIT = 0xb704ce;
const POLYNOMIAL = 0x864cfb;

/** Returns 16 tables: `tables[n][byte]` is the remainder of `byte` followed by n zero bytes. */
export function crc24Tables(): readonly Int32Array[] {
  const first = new Int32Array(256).map((_, byte) => {
    let crc = byte << 16;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x800000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
    return crc & 0xffffff;
  });
  const tables = [first];
  while (tables.length < 16) {
    const last = tables.at(-1) ?? first;
    tables.push(last.map((crc) => ((crc << 8) & 0xffffff) ^ (first[crc >> 16] ?? 0)));
  }
  return tables;
}

/** Continues the sum `crc` over `bytes`. `table` is the first of the tables. */
export function crc24(crc: number, bytes: Uint8Array, table: Int32Array): number {
  return bytes.reduce((sum, byte) => ((sum << 8) & 0xffffff) ^ (table[(sum >> 16) ^ byte] ?? 0), crc);
}

/** Returns a sum with its three bytes in the opposite order. */
export function turned(crc: number): number {
  return (crc >> 16) | (crc & 0xff00) | ((crc & 0xff) << 16);
}
