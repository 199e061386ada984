/**
 * The Literal Data packet around a message (RFC 9580 §5.9): format 'b', date 0, and usually no name, so that
 * it holds nothing but the message. It is the same for all copies that hold the same, so that it is framed
 * once for them.
 */
import { LITERAL_DATA, PacketFramer } from './framer.ts';

const FORMAT = 0x62;
const DATE = [0, 0, 0, 0];
const NAMELESS = Buffer.from([FORMAT, 0, ...DATE]);

export class LiteralData {
  readonly #framer = new PacketFramer(LITERAL_DATA);
  readonly #head: Buffer;
  #started = false;

  /** `name`: at most 255 characters of ASCII. */
  constructor(name = '') {
    this.#head = name === '' ? NAMELESS : Buffer.from([FORMAT, name.length, ...Buffer.from(name), ...DATE]);
  }

  /** Takes bytes of the message. `emit` gets bytes of the packet, and must not keep them. */
  update(bytes: Uint8Array, emit: (piece: Buffer) => void): void {
    if (!this.#started) this.#start(emit);
    this.#framer.update(bytes, emit);
  }

  /** Ends the packet. `emit` gets the rest of it. */
  final(emit: (piece: Buffer) => void): void {
    if (!this.#started) this.#start(emit);
    this.#framer.final(emit);
  }

  #start(emit: (piece: Buffer) => void): void {
    this.#started = true;
    this.#framer.update(this.#head, emit);
  }
}
