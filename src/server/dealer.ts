/**
 * Deals out connections to the workers in turn. A worker is given the next one when it has taken the one
 * before; until then the connection is the dealer's too, so that one on its way to a worker that dies goes
 * to another, and its client notices nothing.
 */
import type { Socket } from 'node:net';
import { within } from '../core/deadline.ts';
import type { Opening } from '../core/listener.ts';
import type { HiredWorker } from './hiredworker.ts';

/** Workers may die by the dozen, but a connection that they die of must not be given to all that follow. */
const MOST_OFFERS = 10;
/** Until a worker that could not take a connection is given another. */
const PAUSE_MS = 200;
/** As many wait for a worker as the kernel would keep for us (edge/sockets.ts); more are closed. */
const MOST_WAITING = 4096;
/** For workers to take what has come before the end. */
const LAST_MS = 1000;

interface Waiting {
  readonly socket: Socket;
  readonly opening: Opening;
  offers: number;
}

export class Dealer {
  readonly #waiting: Waiting[] = [];
  /** Those that are not with a worker, or may not be. */
  readonly #own = new Set<Socket>();
  /** Those that wait for a connection, longest first. */
  readonly #free: HiredWorker[] = [];
  #isClosed = false;

  /** Takes a connection, from which nothing may have been read. */
  readonly deal = (socket: Socket, opening: Opening): void => {
    socket.on('error', () => socket.destroy());
    this.#own.add(socket);
    socket.once('close', () => this.#own.delete(socket));
    if (this.#isClosed || this.#waiting.length >= MOST_WAITING) socket.destroy();
    else this.#waiting.push({ socket, opening, offers: 0 });
    this.#next();
  };

  /** From now on this worker is given connections, until it is gone. */
  join(worker: HiredWorker): void {
    this.#free.push(worker);
    this.#next();
  }

  /** Deals out what has come, and nothing more. Those that no worker takes soon are closed. */
  async close(): Promise<void> {
    const gone = [...this.#own].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    await within(Promise.all(gone), LAST_MS);
    this.#isClosed = true;
    for (const { socket } of this.#waiting.splice(0)) socket.destroy();
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const worker = this.#free.shift();
      if (worker === undefined) return;
      if (!worker.isReachable) continue;
      const next = this.#waiting.shift();
      if (next !== undefined) void this.#offer(next, worker);
    }
  }

  async #offer(connection: Waiting, worker: HiredWorker): Promise<void> {
    connection.offers += 1;
    const isTaken = await worker.take(connection.socket, connection.opening);
    if (isTaken) this.#free.push(worker);
    // it has no descriptor left, or is gone
    else setTimeout(() => this.join(worker), PAUSE_MS).unref();
    if (isTaken || this.#isClosed || connection.offers >= MOST_OFFERS) connection.socket.destroy();
    else this.#waiting.unshift(connection);
    this.#next();
  }
}
