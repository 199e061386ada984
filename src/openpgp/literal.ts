/**
 * The Literal Data packet around a message (RFC 9580 §5.9): format 'b', no name, date 0, so that it holds
 * nothing but the message. It is the same for every recipient, so a message with several copies is framed
 * once.
 */
import { LITERAL_DATA, PacketFramer } from './framer.ts';

const FORMAT_NAME_DATE = Buffer.from([0x62, 0, 0, 0, 0, 0]);

export class LiteralData {
  readonly #framer = new PacketFramer(LITERAL_DATA);
  #started = false;

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
    this.#framer.update(FORMAT_NAME_DATE, emit);
  }
}
