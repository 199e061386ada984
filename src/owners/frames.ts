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

/** Cuts a stream of bytes into frames. Keeps no more than one frame, however small the pieces are. */
export class FrameReader {
  readonly #mostBytes: number;
  /** The frame that is coming: its prefix, and once that is known all of it. */
  #coming = Buffer.alloc(PREFIX_BYTES);
  #filled = 0;

  /** Frames of more than `mostBytes` are an error. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Returns those that are whole by now. Throws on anything that is none: then the stream is of no use. */
  update(bytes: Buffer): Frame[] {
    const frames: Frame[] = [];
    for (let rest = bytes; rest.length > 0; ) {
      const end = this.#filled === 0 && rest.length >= PREFIX_BYTES ? this.#endOf(rest) : rest.length + 1;
      if (end <= rest.length) {
        frames.push(frameOf(rest.subarray(0, end))); // nothing is copied
        rest = rest.subarray(end);
      } else {
        rest = rest.subarray(this.#fill(rest));
        if (this.#isWhole()) frames.push(this.#take());
      }
    }
    return frames;
  }

  /** Takes what it can, and returns how much that was. */
  #fill(bytes: Buffer): number {
    const taken = bytes.copy(this.#coming, this.#filled);
    this.#filled += taken;
    if (this.#filled === PREFIX_BYTES && this.#coming.length === PREFIX_BYTES) {
      const whole = Buffer.allocUnsafeSlow(this.#endOf(this.#coming));
      this.#coming.copy(whole);
      this.#coming = whole;
    }
    return taken;
  }

  #isWhole(): boolean {
    return this.#filled >= PREFIX_BYTES && this.#filled === this.#coming.length;
  }

  #take(): Frame {
    const whole = this.#coming;
    this.#coming = Buffer.alloc(PREFIX_BYTES);
    this.#filled = 0;
    return frameOf(whole);
  }

  /** Returns the length of a frame with its prefix. */
  #endOf(prefix: Buffer): number {
    const [length, headLength] = [prefix.readUInt32BE(0), prefix.readUInt32BE(4)];
    if (length > this.#mostBytes || headLength > length) throw new Error(`a frame of ${length} bytes`);
    return PREFIX_BYTES + length;
  }
}

function frameOf(whole: Buffer): Frame {
  const bytes = PREFIX_BYTES + whole.readUInt32BE(4);
  return { head: JSON.parse(whole.toString('utf8', PREFIX_BYTES, bytes)), bytes: whole.subarray(bytes) };
}
