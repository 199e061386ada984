/**
 * The inner loop of armor: base64 in lines and back, and CRC24, in WebAssembly with SIMD (armor.wat). It is
 * several times faster than the cipher, whereas JavaScript is slower than the cipher.
 *
 * One instance serves the whole process: it is a function with scratch memory, which is used within one call
 * and keeps nothing between calls.
 */
import { ARMOR_WASM } from './armorwasm.ts';
import { crc24Tables, turned } from './crc24.ts';

/** Bytes that make a line of 64 characters. */
export const LINE_BYTES = 48;
/** Characters of a line, including its LF. */
export const LINE_CHARS = 65;
/** Most bytes in one call: a block of the framer, its length octet, and the rest of the last line. */
export const MAX_BYTES = 1367 * LINE_BYTES;
const SLACK = 16; // the last load reads beyond its line

const TABLES = crc24Tables();
const INPUT = 4 * 256 * TABLES.length;
const OUTPUT = INPUT + MAX_BYTES + SLACK;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  encode(input: number, output: number, lines: number): void;
  decode(input: number, output: number, lines: number, stride: number): number;
  crc24(crc: number, input: number, length: number): number;
}

// the types of Node 20 do not have it; this is all that is used here
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

const loop = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(ARMOR_WASM, 'base64')))
  .exports as Exports;
const memory = Buffer.from(loop.memory.buffer);
// the loop keeps the most significant byte of a sum in the lowest place
for (const [index, table] of TABLES.entries())
  new Int32Array(loop.memory.buffer, index * 1024, 256).set(table.map(turned));

const NOTHING = Buffer.alloc(0);

export interface EncodedLines {
  /** The whole lines, 64 characters and LF each. */
  readonly text: Buffer;
  /** A copy of the bytes after the last whole line. */
  readonly rest: Buffer;
  /** The given CRC24, continued over the bytes of the lines. */
  readonly crc: number | undefined;
}

/** Encodes `pieces`, one after the other; together they have at most MAX_BYTES. */
export function encodeLines(pieces: readonly Uint8Array[], crc: number | undefined): EncodedLines {
  let length = 0;
  for (const piece of pieces) {
    memory.set(piece, INPUT + length);
    length += piece.length;
  }
  const lines = Math.floor(length / LINE_BYTES);
  const bytes = lines * LINE_BYTES;
  const rest = Buffer.from(memory.subarray(INPUT + bytes, INPUT + length));
  if (lines === 0) return { text: NOTHING, rest, crc };
  loop.encode(INPUT, OUTPUT, lines);
  const text = Buffer.allocUnsafe(lines * LINE_CHARS);
  memory.copy(text, 0, OUTPUT, OUTPUT + text.length);
  return { text, rest, crc: crc === undefined ? undefined : turned(loop.crc24(turned(crc), INPUT, bytes)) };
}

/** Most lines that are decoded in one call; they are decoded in their place. */
const MOST_LINES = 2048;
const CR = 0x0d;

/**
 * Decodes lines at the beginning of a text, as many as there are with 64 characters of base64 each and LF or
 * CR LF. `start` is what stands before `text`, less than a line. Returns the bytes, and how much of both
 * together they were.
 */
export function decodeLines(
  start: Uint8Array,
  text: Uint8Array,
): { readonly bytes: Buffer; readonly taken: number } {
  const stride = text[LINE_CHARS - 1 - start.length] === CR ? LINE_CHARS + 1 : LINE_CHARS;
  const most = Math.min(MOST_LINES, Math.floor((start.length + text.length) / stride));
  if (most === 0 || start.length >= LINE_CHARS) return { bytes: NOTHING, taken: 0 };
  memory.set(start, INPUT);
  memory.set(text.subarray(0, most * stride - start.length), INPUT + start.length);
  const lines = loop.decode(INPUT, INPUT, most, stride);
  const bytes = Buffer.allocUnsafe(lines * LINE_BYTES);
  memory.copy(bytes, 0, INPUT, INPUT + bytes.length);
  return { bytes, taken: lines * stride };
}

/** The table for a single byte at a time. */
export const CRC24_TABLE = TABLES[0] ?? new Int32Array(256);
