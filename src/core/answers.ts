/**
 * Keeps the answers of those who are asked for something, for a while, and limits how long anybody waits for
 * one. An error is never kept. While a server cannot be asked, what it answered before still counts for some
 * time, and at once; "there is none" is never made up.
 */
import { within } from './deadline.ts';
import type { World } from './world.ts';

export interface AnswerOptions<V> {
  readonly world: Pick<World, 'micros'>;
  /** How long an answer counts: a value, and "there is none". */
  readonly foundMs: number;
  readonly noneMs: number;
  /** How long a value counts while the server fails. */
  readonly staleMs: number;
  /** How long to wait for an answer. */
  readonly waitMs: number;
  /** Bytes that a value may take, beside its place in a table. */
  sizeOf(value: V): number;
  /** Names the server that is asked for a key: it fails for all of its keys. */
  serverOf(key: string): string;
  /** Tells whether an error is an answer about one key, and no failure of the server. */
  isAnswer(error: unknown): boolean;
}

/** Whoever has a former answer waits no longer for a new one, and asks a failing server only so often. */
const FORMER_WAIT_MS = 500;
const RETRY_MS = 5000;
const MOST_FOUND = 100_000;
const MOST_FOUND_BYTES = 32 * 1024 * 1024;
const MOST_NONE = 10_000;

export interface Found<V> {
  readonly value: V;
  /** The server could not be asked just now: this is what it said before. */
  readonly isFormer: boolean;
}

interface Kept<V> {
  readonly value: V;
  readonly atMs: number;
  readonly bytes: number;
}

export class Answers<V> {
  readonly #options: AnswerOptions<V>;
  readonly #found = new Map<string, Kept<V>>();
  #foundBytes = 0;
  readonly #none = new Map<string, number>(); // key -> when that was answered
  readonly #asking = new Map<string, Promise<V | undefined>>();
  readonly #failedAtMs = new Map<string, number>(); // by server

  constructor(options: AnswerOptions<V>) {
    this.#options = options;
  }

  /** Returns what `ask` answers, now or lately. Throws what it throws, unless there is a former answer. */
  async find(key: string, ask: () => Promise<V | undefined>): Promise<Found<V> | undefined> {
    const { foundMs, noneMs, staleMs, waitMs, serverOf, isAnswer } = this.#options;
    const now = this.#nowMs();
    const found = this.#found.get(key);
    if (found !== undefined && now - found.atMs < foundMs) return { value: found.value, isFormer: false };
    if (now - (this.#none.get(key) ?? Number.NEGATIVE_INFINITY) < noneMs) return undefined;
    const isRecent = found !== undefined && now - found.atMs < staleMs;
    const former = isRecent ? { value: found.value, isFormer: true } : undefined;
    const failedAtMs = this.#failedAtMs.get(serverOf(key)) ?? Number.NEGATIVE_INFINITY;
    if (former !== undefined && now - failedAtMs < RETRY_MS) return former;
    const answer = this.#askOnce(key, ask).then((value) =>
      value === undefined ? undefined : { value, isFormer: false },
    );
    if (former === undefined) return answer;
    const inTime = await within(answer, Math.min(FORMER_WAIT_MS, waitMs)).catch((error: unknown) => {
      if (isAnswer(error)) throw error;
      return former;
    });
    return inTime === 'late' ? former : inTime;
  }

  /** Lets those who ask for one key at the same time share the answer. */
  #askOnce(key: string, ask: () => Promise<V | undefined>): Promise<V | undefined> {
    const running = this.#asking.get(key);
    if (running !== undefined) return running;
    const asking = this.#ask(key, ask).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(key: string, ask: () => Promise<V | undefined>): Promise<V | undefined> {
    const { waitMs, serverOf, isAnswer } = this.#options;
    try {
      const value = await within(ask(), waitMs);
      if (value === 'late') throw new Error(`no answer within ${waitMs} ms`);
      this.#failedAtMs.delete(serverOf(key));
      this.#keep(key, value);
      return value;
    } catch (error) {
      // one answer that makes no sense says nothing of the others
      if (!isAnswer(error)) this.#failedAtMs.set(serverOf(key), this.#nowMs());
      throw error;
    }
  }

  #keep(key: string, value: V | undefined): void {
    this.#drop(key);
    this.#none.delete(key);
    const atMs = this.#nowMs();
    if (value === undefined) {
      this.#none.set(key, atMs);
      const [oldest] = this.#none.keys();
      if (this.#none.size > MOST_NONE && oldest !== undefined) this.#none.delete(oldest);
      return;
    }
    const bytes = this.#options.sizeOf(value);
    this.#found.set(key, { value, atMs, bytes });
    this.#foundBytes += bytes;
    for (const oldest of this.#found.keys()) {
      if (this.#found.size <= MOST_FOUND && this.#foundBytes <= MOST_FOUND_BYTES) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#foundBytes -= this.#found.get(key)?.bytes ?? 0;
    this.#found.delete(key);
  }

  #nowMs(): number {
    return this.#options.world.micros() / 1000;
  }
}
