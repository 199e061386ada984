/**
 * One copy on its way to a next hop. A small one is held in memory and takes all its steps in the commit, so
 * that a message which never ends is not even begun there; a larger one is sent as it is made. What makes it
 * the next hop's is the final dot, which only the commit sends: 250 is said for nothing else than its 250.
 */
import { isAscii } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import type { Envelope, StagedCopy } from '../core/copystore.ts';
import { CopyFailure } from '../core/errors.ts';
import type { Forwarded, Meter } from '../core/meter.ts';
import { releaseMemory } from '../core/releasememory.ts';
import { type HopConnection, isGood, secondsSince } from './connection.ts';
import { failureOf, resultOf } from './failure.ts';
import type { Held } from './held.ts';
import type { Pace, Pool } from './pool.ts';
import { beginData, expectRoom } from './transaction.ts';
import { early, expectVerdict, HopRefusal } from './verdict.ts';
import { DataEncoder } from './wire.ts';

/** The size up to which a copy is held, as in a Maildir. */
const MAX_HELD_BYTES = 256 * 1024;
/** How long to wait for a connection: one that is sent as it is made holds up the others of its message. */
const PATIENCE_MS = { quick: 30_000, slow: 5000 };
/** How long the next hop may take over a message that is whole (RFC 5321 §4.5.3.2.6). */
const DONE_MS = 600_000;

export interface ForwardedParts {
  readonly pool: Pool;
  readonly held: Held;
  readonly envelope: Envelope;
  readonly meter: Pick<Meter, 'forwarded'>;
}

export class ForwardedCopy implements StagedCopy {
  readonly #parts: ForwardedParts;
  readonly #encoder = new DataEncoder();
  #queue: Buffer[] = []; // not encoded yet
  #queuedBytes = 0;
  #mostHeldBytes = MAX_HELD_BYTES;
  #heldBytes = 0; // of them, and of what is with the socket; none once it is sent as it is made
  readonly #owned = new Set<Buffer>();
  #encodedBytes = 0;
  #connection: HopConnection | undefined; // after its 354, until it is given back
  #sending: Promise<void> | undefined; // of a copy that is sent as it is made
  #isEnded = false; // the final dot is on its way
  #isAborted = false;
  #isSpare = false;
  #isCounted = false;
  #committing: Promise<void> | undefined;

  constructor(parts: ForwardedParts) {
    this.#parts = parts;
  }

  enter(): void {}

  /** Connections are few: held for longer, it lets the other one have the first that is free. */
  stayBehind(): void {
    this.#mostHeldBytes = 2 * MAX_HELD_BYTES;
    this.#isSpare = true;
  }

  writeOwned(pieces: readonly Buffer[]): Promise<void> | undefined {
    for (const piece of pieces) this.#owned.add(piece);
    return this.write(pieces);
  }

  write(pieces: readonly Buffer[]): Promise<void> | undefined {
    if (this.#isAborted) return undefined;
    if (this.#sending === undefined) this.#hold(sizeOf(pieces));
    for (const piece of pieces) {
      this.#queue.push(piece);
      this.#queuedBytes += piece.length;
    }
    if (this.#sending === undefined && this.#queuedBytes <= this.#mostHeldBytes) return undefined;
    const before = this.#sending ?? this.#begin('slow', undefined);
    this.#sending = before.then(() => this.#sendQueued());
    // whoever waits for it is told, and finish() says it again
    this.#sending.catch((error) => this.#countUnfinished(resultOf(failureOf(error))));
    return this.#sending;
  }

  /** Throws CopyFailure. */
  #hold(bytes: number): void {
    if (!this.#parts.held.take(bytes))
      throw new CopyFailure('nextHopBusy', new Error('too much is held for it already'));
    this.#heldBytes += bytes;
  }

  #letGo(): void {
    this.#parts.held.give(this.#heldBytes);
    this.#heldBytes = 0;
  }

  async finish(): Promise<void> {
    if (this.#isAborted || this.bytes === 0) throw new Error('nothing was written');
    await this.#sending;
  }

  /** Taken from the buffers' lengths, since a released buffer has none (Copy.finish checks the sum). */
  get bytes(): number {
    return this.#encodedBytes + sizeOf(this.#queue);
  }

  finalName(): undefined {
    return undefined;
  }

  commit(_size: number, wireSize: number): Promise<void> {
    this.#committing = this.#commit(wireSize);
    return this.#committing;
  }

  async #commit(wireSize: number): Promise<void> {
    const start = performance.now();
    const done = (result: Forwarded) => this.#count(result, secondsSince(start));
    try {
      await this.#finished(wireSize);
      done('accepted');
    } catch (error) {
      const failure = failureOf(error);
      done(resultOf(failure));
      throw failure;
    } finally {
      this.#letGo();
    }
  }

  /** Of two copies of one message only the first is counted, unless the other takes its place. */
  #countUnfinished(result: Forwarded): void {
    if (!this.#isSpare) this.#count(result, undefined);
  }

  #count(result: Forwarded, seconds: number | undefined): void {
    if (!this.#isCounted) this.#parts.meter.forwarded(result, seconds);
    this.#isCounted = true;
  }

  async #finished(wireSize: number): Promise<void> {
    if (this.#sending === undefined) await this.#begin('quick', wireSize);
    const connection = this.#waiting();
    try {
      const rest = this.#takeEncoded(connection);
      this.#isEnded = true;
      connection.send([...rest, this.#encoder.final()])?.catch(() => {}); // no reply will say so
      const reply = await connection.reply(DONE_MS);
      expectVerdict(reply);
      if (!(await connection.hasSentAll())) throw early(reply);
      this.#connection = undefined;
      this.#parts.pool.give(connection);
      if (!isGood(reply)) throw new HopRefusal('message', reply);
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** Gets a connection that waits for the message. One that had been left idle may be tried once more. */
  async #begin(pace: Pace, size: number | undefined): Promise<void> {
    const { pool, envelope } = this.#parts;
    const patienceMs = PATIENCE_MS[pace];
    const known = { size, isEightBit: !this.#queue.every((piece) => isAscii(piece)) };
    for (let wanted: 'any' | 'fresh' = 'any'; ; wanted = 'fresh') {
      const { connection, isReused } = await pool.take(patienceMs, pace, wanted).catch((error: unknown) => {
        throw failureOf(error);
      });
      if (this.#isAborted) return pool.give(connection);
      try {
        await beginData(connection, envelope, known);
      } catch (error) {
        if (error instanceof CopyFailure) {
          await pool.reset(connection);
          throw error;
        }
        pool.drop(connection);
        if (isReused) continue;
        throw failureOf(error);
      }
      this.#connection = connection;
      if (this.#isAborted) this.#leave();
      return;
    }
  }

  async #sendQueued(): Promise<void> {
    try {
      const connection = this.#waiting();
      await connection.send(this.#takeEncoded(connection));
      this.#letGo();
      expectNothing(connection); // it need not read what it has refused
    } catch (error) {
      this.#leave();
      throw failureOf(error);
    }
  }

  /** The connection that waits for more of the message. */
  #waiting(): HopConnection {
    if (this.#connection === undefined || this.#isAborted) throw new CopyFailure('aborted');
    return this.#connection;
  }

  /** Takes what is queued, unless the next hop has had enough. Throws HopRefusal or CopyFailure. */
  #takeEncoded(connection: HopConnection): Buffer[] {
    expectNothing(connection);
    const taken = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    const encoded = taken.map((piece) => {
      this.#encodedBytes += piece.length;
      const bytes = this.#encoder.update(piece);
      if (this.#owned.delete(piece)) releaseMemory(piece);
      return bytes;
    });
    expectRoom(connection, this.#encoder.size);
    return encoded;
  }

  /**
   * Gives the copy up. After the final dot nobody can take it back: then its reply is waited for, since what
   * the next hop has taken must not come again.
   */
  async abort(): Promise<void> {
    this.#isAborted = true;
    if (!this.#isEnded) {
      this.#queue = [];
      this.#owned.clear();
      this.#letGo();
      this.#leave();
      if (this.#sending !== undefined) this.#countUnfinished('aborted');
    }
    await this.#committing?.catch(() => {}); // whoever awaits it is told
  }

  #leave(): void {
    if (this.#connection !== undefined) this.#parts.pool.drop(this.#connection);
    this.#connection = undefined;
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/** While a message is sent, it may be refused (RFC 5321 §4.1.1.4 lets it say so after the end only). */
function expectNothing(connection: HopConnection): void {
  const reply = connection.early;
  if (reply !== undefined) throw early(reply);
}
