/**
 * Collects the replies of all sessions until the end of a turn of the event loop and sends them together.
 * Replies to pipelined commands so become one write (RFC 2920). A write to a socket wakes the client at its
 * other end, which would otherwise take the processor in the middle of our work (D24).
 */
export class ReplyBatch {
  #senders: (() => void)[] = [];

  /** Calls `send` once, at the end of this turn of the event loop. */
  add(send: () => void): void {
    if (this.#senders.length === 0) setImmediate(() => this.#sendAll());
    this.#senders.push(send);
  }

  #sendAll(): void {
    const senders = this.#senders;
    this.#senders = [];
    for (const send of senders) send();
  }
}
