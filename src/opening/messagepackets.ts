/**
 * The packets in an encrypted message as they come -> the content of its one data packet (RFC 9580 §10.3):
 * literal data, or compressed packets, with or without signatures around it. Signatures are left out, as are
 * padding and markers. Lengths of all kinds are read. Throws UnsupportedError for everything else, damaged
 * packets too, which the library then judges.
 */
import { UnsupportedError } from '../openpgp/faults.ts';
import { LITERAL_DATA } from '../openpgp/framer.ts';
import { type Length, newLength, oldLength, TAG } from '../openpgp/packets.ts';

const ONE_PASS_SIGNATURE = 4;
const COMPRESSED_DATA = 8;
/** They are taken whole. One of version 6 has some 100 bytes, with notations some more. */
const MOST_SIGNATURE_BYTES = 64 * 1024;
/** Format, length of the name; and the date after the name (§5.9). */
const LITERAL_HEAD_BYTES = 2;
const DATE_BYTES = 4;

export class MessagePackets {
  readonly #allowsCompressed: boolean;
  #pending: Buffer = Buffer.alloc(0);
  #phase: 'before' | 'data' | 'after' = 'before';
  /** First octet of the data packet, or of a packet that is skipped. */
  #head = 0;
  /** Bytes of its current part that have not come; undefined: between two packets. */
  #left: number | undefined;
  #kind: Length['kind'] = 'whole';
  #isSkipped = false;
  /** What stands before the content in the data packet, while it is not all there. */
  #before: Buffer | undefined = Buffer.alloc(0);
  #signatures = 0;
  #literalName = '';
  #compression: number | undefined;

  /** Compressed packets hold no others that are compressed. */
  constructor(place: 'encrypted' | 'compressed') {
    this.#allowsCompressed = place === 'encrypted';
  }

  /** Known once there is content. */
  get literalName(): string {
    return this.#literalName;
  }

  /** The algorithm by which the content is compressed (§9.4). Undefined: it is literal data. */
  get compression(): number | undefined {
    return this.#compression;
  }

  /** Takes the next bytes, which have to stay as they are. Returns what there is of the content in them. */
  update(bytes: Buffer): Buffer[] {
    let rest = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const out: Buffer[] = [];
    while (rest.length > 0) {
      const taken = this.#take(rest, out);
      if (taken === 0) break;
      rest = rest.subarray(taken);
    }
    this.#pending = rest;
    return out;
  }

  /** Throws if the end has not come. */
  final(): void {
    if (this.#left !== undefined && this.#kind === 'rest') this.#end();
    const isWhole = this.#left === undefined && this.#pending.length === 0;
    if (!isWhole || this.#phase !== 'after' || this.#signatures > 0) throw new UnsupportedError('not whole');
  }

  /** Returns how many bytes it has taken; 0: more are needed. */
  #take(bytes: Buffer, out: Buffer[]): number {
    if (this.#left === undefined) return this.#takeHead(bytes);
    if (this.#left === 0) return this.#takeLength(bytes, 0);
    const part = bytes.subarray(0, this.#left);
    if (!this.#isSkipped) this.#takeData(part, out);
    this.#left -= part.length;
    if (this.#left === 0 && this.#kind === 'whole') this.#end();
    return part.length;
  }

  #takeHead(bytes: Buffer): number {
    const head = bytes[0] ?? 0;
    const tag = head < 0xc0 ? (head >> 2) & 0x0f : head & 0x3f;
    if (head < 0x80) throw new UnsupportedError('no packet');
    if (tag === ONE_PASS_SIGNATURE || tag === TAG.signature) return this.#takeSignature(bytes, tag);
    const isData = tag === LITERAL_DATA || (tag === COMPRESSED_DATA && this.#allowsCompressed);
    const isSkipped = tag === TAG.padding || tag === TAG.marker || tag === TAG.trust;
    if (!isSkipped && !(isData && this.#phase === 'before'))
      throw new UnsupportedError('a packet of another kind');
    this.#head = head;
    this.#isSkipped = isSkipped;
    const taken = this.#takeLength(bytes, 1);
    if (taken === 0) return 0;
    if (isData) this.#phase = 'data';
    if (isSkipped && this.#kind !== 'whole') throw new UnsupportedError('a packet without a length');
    return taken;
  }

  /** Takes the length at `at`: of a packet, or of its next part. */
  #takeLength(bytes: Buffer, at: number): number {
    const length = lengthIn(bytes, at, this.#head);
    if (length === undefined) return 0;
    this.#kind = length.kind;
    this.#left = length.kind === 'rest' ? Number.POSITIVE_INFINITY : length.bytes;
    if (this.#left === 0 && this.#kind === 'whole') this.#end();
    return at + length.octets;
  }

  #takeData(part: Buffer, out: Buffer[]): void {
    if (this.#before === undefined) {
      out.push(part);
      return;
    }
    const bytes = Buffer.concat([this.#before, part]);
    const end = this.#contentStart(bytes);
    this.#before = end === undefined ? bytes : undefined;
    if (end !== undefined) out.push(bytes.subarray(end));
  }

  /** Returns where the content begins, once all that stands before it is there. */
  #contentStart(bytes: Buffer): number | undefined {
    const [first, nameBytes] = bytes;
    const tag = this.#head < 0xc0 ? (this.#head >> 2) & 0x0f : this.#head & 0x3f;
    if (tag === COMPRESSED_DATA) {
      this.#compression = first;
      return 1;
    }
    if (nameBytes === undefined) return undefined;
    const end = LITERAL_HEAD_BYTES + nameBytes + DATE_BYTES;
    if (bytes.length < end) return undefined;
    this.#literalName = bytes.toString('utf8', LITERAL_HEAD_BYTES, end - DATE_BYTES);
    return end;
  }

  /** Ends the packet. */
  #end(): void {
    this.#left = undefined;
    if (this.#isSkipped) return;
    if (this.#before !== undefined) throw new UnsupportedError('a packet that is too short');
    this.#phase = 'after';
  }

  /** Each signature after the data has had its one-pass packet before it; old ones stand before it alone. */
  #takeSignature(bytes: Buffer, tag: number): number {
    const length = lengthIn(bytes, 1, bytes[0] ?? 0);
    if (length === undefined) return 0;
    const at = 1 + length.octets;
    if (length.kind !== 'whole' || length.bytes === 0 || length.bytes > MOST_SIGNATURE_BYTES)
      throw new UnsupportedError('a signature of another form');
    if (bytes.length < at + length.bytes) return 0;
    const version = bytes[at] ?? 0;
    if (tag === ONE_PASS_SIGNATURE) {
      const isKnown = version === 6 || (version === 3 && length.bytes === 13);
      if (!isKnown || this.#phase !== 'before') throw new UnsupportedError('a signature of another form');
      this.#signatures += 1;
    } else {
      if (this.#phase === 'after') this.#signatures -= 1;
      if ((version !== 4 && version !== 6) || this.#signatures < 0)
        throw new UnsupportedError('a signature of another form');
    }
    return at + length.bytes;
  }
}

function lengthIn(bytes: Buffer, at: number, head: number): Length | undefined {
  return head < 0xc0 ? oldLength(bytes, at, head & 0x03) : newLength(bytes, at);
}
