/**
 * A connection to a Unix socket whose bytes come into one piece of memory, again and again. A stream has new
 * memory for each 64 KiB, which costs the front more than to pass them on: its memory is overwritten when it
 * is freed, and touched for the first time when it is not.
 */
import { connect, type Socket } from 'node:net';

const FIRST_BYTES = 16 * 1024;
/** About what a Unix socket holds. */
const MOST_BYTES = 208 * 1024;

export class RoomySocket implements AsyncIterableIterator<Buffer> {
  readonly stream: Socket;
  #room = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #come: Buffer | undefined;
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(path: string) {
    this.stream = connect({
      path,
      onread: { buffer: () => this.#room, callback: (bytes) => this.#take(bytes) },
    });
    for (const event of ['end', 'close'] as const)
      this.stream.on(event, () => {
        this.#isOver = true;
        this.#wake();
      });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Resolves to the next piece, which is there until the one after it is asked for. */
  async next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#come === undefined && !this.#isOver) {
      this.stream.resume();
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    const value = this.#come;
    this.#come = undefined;
    return value === undefined ? { done: true, value } : { done: false, value };
  }

  /** Tells whether more may come at once: never, until it is asked for. */
  #take(bytes: number): false {
    this.#come = this.#room.subarray(0, bytes);
    if (bytes === this.#room.length && bytes < MOST_BYTES) this.#room = Buffer.allocUnsafeSlow(MOST_BYTES);
    this.#wake();
    return false;
  }
}
