/**
 * Replies wait until all that has come in with them was looked at, and then go out together: one
 * write for the replies to pipelined commands (RFC 2920), and clients that are woken up behind the
 * work, where each write on the way would let one of them take the processor in the middle of it.
 */
export class Outbox {
  #senders: (() => void)[] = [];

  /** `send` is called once, at the end of this turn of the event loop. */
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
