/**
 * Literal Data packet around the message: format 'b', no name, date 0 (RFC 9580 §5.9), so
 * that nothing but the message itself is inside. The same for every recipient, so a message
 * of N copies is framed once.
 */
import { LITERAL_DATA, PacketFramer } from './framer.ts';

const FORMAT_NAME_DATE = Buffer.from([0x62, 0, 0, 0, 0, 0]);

export class LiteralData {
  readonly #framer = new PacketFramer(LITERAL_DATA);
  #started = false;

  /** Takes message bytes; `emit` gets packet bytes it must not keep. */
  update(bytes: Uint8Array, emit: (piece: Buffer) => void): void {
    if (!this.#started) this.#start(emit);
    this.#framer.update(bytes, emit);
  }

  final(emit: (piece: Buffer) => void): void {
    if (!this.#started) this.#start(emit);
    this.#framer.final(emit);
  }

  #start(emit: (piece: Buffer) => void): void {
    this.#started = true;
    this.#framer.update(FORMAT_NAME_DATE, emit);
  }
}
