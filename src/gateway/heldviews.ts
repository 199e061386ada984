/**
 * Opened messages that are being written to clients. A slow reader holds one, whatever the cache drops: where
 * many bytes are held already, the next message is opened when there is room again.
 */
import type { MessageView } from '../view/view.ts';

type Held = Pick<MessageView, 'bytes'>;

export class HeldViews {
  readonly #most: number;
  /** How often the memory of each message is held: sessions that were given the same one share it. */
  readonly #uses = new Map<ArrayBufferLike, number>();
  readonly #waiting: (() => void)[] = [];
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#most = mostBytes;
  }

  /** Resolves when another message may be opened. Whoever holds one must not wait here. */
  async room(): Promise<void> {
    while (this.#bytes >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Returns what has to be called once, when it is written. */
  hold({ bytes: { buffer } }: Held): () => void {
    const uses = this.#uses.get(buffer) ?? 0;
    this.#uses.set(buffer, uses + 1);
    if (uses === 0) this.#bytes += buffer.byteLength;
    return () => this.#release(buffer);
  }

  get bytes(): number {
    return this.#bytes;
  }

  #release(buffer: ArrayBufferLike): void {
    const uses = (this.#uses.get(buffer) ?? 1) - 1;
    if (uses > 0) return void this.#uses.set(buffer, uses);
    this.#uses.delete(buffer);
    this.#bytes -= buffer.byteLength;
    for (const each of this.#waiting.splice(0)) each();
  }
}
