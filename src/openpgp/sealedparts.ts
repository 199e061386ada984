/**
 * Takes the packets of an encrypted message apart as they come: the session-key packets, which stand first,
 * and the body of its SEIPD packet. Throws UnsupportedError for anything else, which may be a message all the
 * same, ChangedError for one that is cut off, and ExcessError.
 */
import { ChangedError, ExcessError, UnsupportedError } from './faults.ts';
import { newLength, readPacket } from './packets.ts';

/** New header (§4.2.1): no message of today has another one. */
const SEIPD_HEAD = 0xd2;
/** Larger than any session-key packet. */
const MOST_PACKET_BYTES = 4096;
/** Of all session-key packets: they are held, and 5000 recipients with RSA-4096 need as much. */
const MOST_SESSION_KEY_BYTES = 4 * 1024 * 1024;

export class SealedParts {
  readonly #sessionKeys: Buffer[] = [];
  #sessionKeyBytes = 0;
  #pending: Buffer = Buffer.alloc(0);
  #isBody = false;
  /** Bytes of the part of the body that have not come; undefined: its length comes next. */
  #left: number | undefined;
  #isLastPart = false;

  /** What stands before the SEIPD packet, once bytes of its body have come. */
  get sessionKeys(): Buffer {
    return Buffer.concat(this.#sessionKeys);
  }

  /** Takes the next bytes. Returns those of the body among them, in the same memory. */
  update(bytes: Buffer): Buffer[] {
    let rest = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const out: Buffer[] = [];
    while (rest.length > 0) {
      const taken = this.#take(rest, out);
      if (taken === 0) break;
      rest = rest.subarray(taken);
    }
    this.#pending = Buffer.from(rest);
    return out;
  }

  /** Throws if the end has not come. */
  final(): void {
    if (!this.#isBody) throw new UnsupportedError('it has no encrypted data of a kind known here');
    if (!this.#isLastPart || this.#left !== 0) throw new ChangedError();
  }

  /** Returns how many bytes it has taken; 0: more are needed. */
  #take(bytes: Buffer, out: Buffer[]): number {
    if (!this.#isBody) return bytes[0] === SEIPD_HEAD ? this.#begin() : this.#takeSessionKey(bytes);
    if (this.#left === undefined) return this.#takeLength(bytes);
    if (this.#left === 0) throw new UnsupportedError('it has something after its end');
    const part = bytes.subarray(0, this.#left);
    out.push(part);
    this.#left -= part.length;
    if (this.#left === 0 && !this.#isLastPart) this.#left = undefined;
    return part.length;
  }

  #begin(): number {
    this.#isBody = true;
    return 1;
  }

  #takeLength(bytes: Buffer): number {
    const length = newLength(bytes, 0);
    if (length === undefined) return 0;
    this.#isLastPart = length.kind === 'whole';
    this.#left = length.bytes;
    return length.octets;
  }

  #takeSessionKey(bytes: Buffer): number {
    const read = readPacket(bytes, 0);
    if (read === undefined && bytes.length <= MOST_PACKET_BYTES) return 0;
    if (read === undefined) throw new UnsupportedError('it is no encrypted message');
    this.#sessionKeyBytes += read.end;
    if (this.#sessionKeyBytes > MOST_SESSION_KEY_BYTES)
      throw new ExcessError('it has more session keys than a message may have');
    this.#sessionKeys.push(Buffer.from(bytes.subarray(0, read.end)));
    return read.end;
  }
}
