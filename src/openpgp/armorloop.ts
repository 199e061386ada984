/**
 * The inner loop of armor, as WebAssembly with SIMD (armor.wat): base64 in lines and CRC24
 * at several times the speed of the cipher beside it, where JavaScript is slower than the
 * cipher. One instance for the process: it is a function with scratch memory, used and left
 * within one call, and keeps nothing in between.
 */
import { ARMOR_WASM } from './armorwasm.ts';
import { crc24Tables, turned } from './crc24.ts';

/** Binary bytes of a line: 64 characters. */
export const LINE_BYTES = 48;
/** Characters of a line with its LF. */
export const LINE_CHARS = 65;
/** Most bytes in one call: a block of the framer, its length octet, and what was left of a line. */
export const MAX_BYTES = 1367 * LINE_BYTES;
const SLACK = 16; // the last load reads past its line

const TABLES = crc24Tables();
const INPUT = 4 * 256 * TABLES.length;
const OUTPUT = INPUT + MAX_BYTES + SLACK;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  encode(input: number, output: number, lines: number): void;
  crc24(crc: number, input: number, length: number): number;
}

// not among Node's types; all of it that is used here
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

const loop = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(ARMOR_WASM, 'base64')))
  .exports as Exports;
const memory = Buffer.from(loop.memory.buffer);
// in the loop the most significant byte of a sum is the lowest
for (const [index, table] of TABLES.entries())
  new Int32Array(loop.memory.buffer, index * 1024, 256).set(table.map(turned));

const NOTHING = Buffer.alloc(0);

export interface EncodedLines {
  /** 64 characters and LF for each line. */
  readonly text: Buffer;
  /** What is less than a line, a copy. */
  readonly rest: Buffer;
  /** The CRC24 gone on with over the lines, where one was given. */
  readonly crc: number | undefined;
}

/** Encodes `pieces` one behind the other, MAX_BYTES at the most. */
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

/** The table for the bytes that are left over. */
export const CRC24_TABLE = TABLES[0] ?? new Int32Array(256);
