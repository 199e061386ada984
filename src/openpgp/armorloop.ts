/**
 * The inner loop of armor: base64 in lines and CRC24, in WebAssembly with SIMD (armor.wat). It is several
 * times faster than the cipher, whereas JavaScript is slower than the cipher.
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

/** The table for a single byte at a time. */
export const CRC24_TABLE = TABLES[0] ?? new Int32Array(256);
