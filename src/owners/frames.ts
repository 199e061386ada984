/**
 * What goes over the socket between a server and a writer: frames of a JSON head and bytes. Four bytes have
 * the length of the rest, four more that of the head. Both ends treat what they read as a stranger's.
 */

export interface Frame {
  readonly head: unknown;
  readonly bytes: Buffer;
}

const PREFIX_BYTES = 8;

/** Returns a frame in pieces; those of `bytes` are not copied. */
export function frame(head: unknown, bytes: readonly Buffer[] = []): Buffer[] {
  const text = Buffer.from(JSON.stringify(head));
  const length = bytes.reduce((sum, piece) => sum + piece.length, text.length);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(length, 0);
  prefix.writeUInt32BE(text.length, 4);
  return [prefix, text, ...bytes];
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  readonly #mostBytes: number;
  #pieces: Buffer[] = [];
  #length = 0;

  /** Frames of more than `mostBytes` are an error. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Returns those that are whole by now. Throws on anything that is none: then the stream is of no use. */
  update(bytes: Buffer): Frame[] {
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    const frames: Frame[] = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) frames.push(next);
    return frames;
  }

  #next(): Frame | undefined {
    if (this.#length < PREFIX_BYTES) return undefined;
    if ((this.#pieces[0]?.length ?? 0) < PREFIX_BYTES) this.#join();
    const [first = Buffer.alloc(PREFIX_BYTES)] = this.#pieces;
    const [length, headLength] = [first.readUInt32BE(0), first.readUInt32BE(4)];
    if (length > this.#mostBytes || headLength > length) throw new Error(`a frame of ${length} bytes`);
    const end = PREFIX_BYTES + length;
    if (this.#length < end) return undefined;
    const whole = this.#join();
    this.#pieces = whole.length > end ? [whole.subarray(end)] : [];
    this.#length -= end;
    const bytes = PREFIX_BYTES + headLength;
    return {
      head: JSON.parse(whole.toString('utf8', PREFIX_BYTES, bytes)),
      bytes: whole.subarray(bytes, end),
    };
  }

  #join(): Buffer {
    const whole =
      this.#pieces.length === 1 && this.#pieces[0] ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#pieces = [whole];
    return whole;
  }
}
