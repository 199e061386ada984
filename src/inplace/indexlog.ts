/**
 * Records of Dovecot's transaction log, `dovecot.index.log`, and the header of its cache, in the form that
 * 2.3.19 and 2.4.4 have on machines whose lowest byte comes first. Bytes in, bytes out.
 */
const LOG_MAJOR = 1;
const CACHE_MAJOR = 1;
const LEAST_LOG_HEADER = 24;
export const CACHE_HEADER_BYTES = 32;

// enum mail_transaction_type
const EXT_INTRO = 0x40;
const EXT_RESET = 0x80;
const BOUNDARY = 0x80000;
/** What is told has happened already. */
const EXTERNAL = 0x10000000;
const NO_SHRINK = 1;
const BY_NAME = 0xffffffff;

/** An extension of the index: what it keeps for the folder, and for each message. */
export interface Extension {
  readonly name: string;
  readonly headerBytes: number;
  readonly recordBytes: number;
  readonly align: number;
}

export const CACHE: Extension = { name: 'cache', headerBytes: 0, recordBytes: 4, align: 4 };
/** The sizes of messages, and their sum, for quotas. */
export const SIZES: readonly Extension[] = [
  { name: 'hdr-vsize', headerBytes: 16, recordBytes: 0, align: 8 },
  { name: 'vsize', headerBytes: 0, recordBytes: 4, align: 4 },
];

export interface Reset {
  readonly extension: Extension;
  readonly from: number;
  readonly to: number;
}

/** Tells whether an index or a log mentions an extension. */
export function mentions(bytes: Buffer, { name }: Extension): boolean {
  const size = Buffer.alloc(2);
  size.writeUInt16LE(name.length);
  return bytes.includes(Buffer.concat([size, Buffer.from(name)]));
}

/** Tells whether a log is of a known form, and ends with a whole record. */
export function isWholeLog(log: Buffer): boolean {
  if (log.length < LEAST_LOG_HEADER || log[0] !== LOG_MAJOR || log.readUInt32LE(4) === 0) return false;
  const headerBytes = log.readUInt16LE(2);
  if (headerBytes < LEAST_LOG_HEADER) return false;
  let at = headerBytes;
  while (at + 8 <= log.length) {
    const size = sizeOf(log.readUInt32BE(at));
    if (size < 8) return false;
    at += size;
  }
  return at === log.length;
}

/** Returns the number that the index has for a cache; undefined if the cache is of no known form. */
export function cacheNumberOf(header: Buffer): number | undefined {
  const isKnown = header.length >= CACHE_HEADER_BYTES && header[0] === CACHE_MAJOR && header[1] === 8;
  const number = isKnown ? header.readUInt32LE(8) : 0;
  return number === 0 ? undefined : number;
}

/**
 * Returns the header of the cache with its next number, and with all its records given up, so that Dovecot
 * soon writes it anew without them.
 */
export function emptiedCache(header: Buffer, number: number): Buffer {
  const next = Buffer.from(header.subarray(0, CACHE_HEADER_BYTES));
  next.writeUInt32LE(number, 8);
  next.writeUInt32LE(0, 12); // continued records
  next.writeUInt32LE(Math.min(0xffffffff, header.readUInt32LE(24) + header.readUInt32LE(16)), 24); // deleted
  next.writeUInt32LE(0, 16); // records
  return next;
}

/** Returns a transaction by which extensions lose all that they have. */
export function resets(wanted: readonly Reset[]): Buffer {
  const records = wanted.flatMap(({ extension, from, to }) => [intro(extension, from), reset(to)]);
  const size = records.reduce((sum, { length }) => sum + length, 12);
  const boundary = Buffer.alloc(4);
  boundary.writeUInt32LE(size);
  return Buffer.concat([record(BOUNDARY, boundary), ...records]);
}

function intro({ name, headerBytes, recordBytes, align }: Extension, from: number): Buffer {
  const fixed = Buffer.alloc(20);
  fixed.writeUInt32LE(BY_NAME, 0);
  fixed.writeUInt32LE(from, 4);
  fixed.writeUInt32LE(headerBytes, 8);
  fixed.writeUInt16LE(recordBytes, 12);
  fixed.writeUInt16LE(align, 14);
  fixed.writeUInt16LE(NO_SHRINK, 16);
  fixed.writeUInt16LE(name.length, 18);
  const padding = Buffer.alloc((4 - (name.length % 4)) % 4);
  return record(EXT_INTRO, Buffer.concat([fixed, Buffer.from(name), padding]));
}

function reset(to: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32LE(to);
  return record(EXT_RESET, body);
}

function record(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(offsetOf(8 + body.length));
  head.writeUInt32LE((type | EXTERNAL) >>> 0, 4);
  return Buffer.concat([head, body]);
}

/** mail_index_uint32_to_offset: seven bits in each byte, so that a half-written one is noticed. */
function offsetOf(bytes: number): number {
  const n = bytes >>> 2;
  const spread = (n & 0x7f) | ((n & 0x3f80) << 1) | ((n & 0x1fc000) << 2) | ((n & 0xfe00000) << 3);
  return (spread | 0x80808080) >>> 0;
}

function sizeOf(offset: number): number {
  if ((offset & 0x80808080) >>> 0 !== 0x80808080) return 0;
  const n =
    (offset & 0x7f) | ((offset & 0x7f00) >> 1) | ((offset & 0x7f0000) >> 2) | ((offset & 0x7f000000) >> 3);
  return n << 2;
}
