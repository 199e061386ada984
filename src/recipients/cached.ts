/**
 * Keeps the answers of a source for a while, and limits how long anybody waits for one. An error is never
 * kept. While the source cannot be asked, recipients that were found in the last hour are still found, and at
 * once; nobody is taken for unknown.
 */
import { within } from '../core/deadline.ts';
import type { World } from '../core/world.ts';
import { AnswerError, type Recipient, type RecipientSource, SourceError } from './source.ts';

export interface CacheOptions {
  readonly world: Pick<World, 'micros'>;
  /** How long an answer counts: a recipient, and "there is none". */
  readonly foundMs: number;
  readonly noneMs: number;
  /** How long to wait for the source. */
  readonly waitMs: number;
}

/** While the source fails. */
const STALE_MS = 60 * 60_000;
/** Whoever has a former answer waits no longer for a new one, and asks a failing source only so often. */
const STALE_WAIT_MS = 500;
const RETRY_MS = 5000;
const MOST_FOUND = 100_000;
/** Of keys, which may be large. */
const MOST_FOUND_BYTES = 32 * 1024 * 1024;
const MOST_NONE = 10_000;

interface Found {
  readonly recipient: Recipient;
  readonly atMs: number;
  readonly bytes: number;
}

export class CachedSource implements RecipientSource {
  readonly #source: RecipientSource;
  readonly #options: CacheOptions;
  readonly #found = new Map<string, Found>();
  #foundBytes = 0;
  readonly #none = new Map<string, number>(); // address -> when that was answered
  readonly #asking = new Map<string, Promise<Recipient | undefined>>();
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(source: RecipientSource, options: CacheOptions) {
    this.#source = source;
    this.#options = options;
  }

  async find(address: string): Promise<Recipient | undefined> {
    const { foundMs, noneMs } = this.#options;
    const now = this.#nowMs();
    const found = this.#found.get(address);
    if (found !== undefined && now - found.atMs < foundMs) return found.recipient;
    if (now - (this.#none.get(address) ?? Number.NEGATIVE_INFINITY) < noneMs) return undefined;
    const isRecent = found !== undefined && now - found.atMs < STALE_MS;
    const former = isRecent ? { ...found.recipient, isFormer: true } : undefined;
    if (former !== undefined && now - this.#failedAtMs < RETRY_MS) return former;
    const answer = this.#askOnce(address);
    if (former === undefined) return answer;
    const waitMs = Math.min(STALE_WAIT_MS, this.#options.waitMs);
    const inTime = await within(answer, waitMs).catch((error: unknown) => {
      if (error instanceof AnswerError) throw error;
      return former;
    });
    return inTime === 'late' ? former : inTime;
  }

  async close(): Promise<void> {
    await this.#source.close?.();
  }

  /** Lets those who ask for one address at the same time share the answer. */
  #askOnce(address: string): Promise<Recipient | undefined> {
    const running = this.#asking.get(address);
    if (running !== undefined) return running;
    const asking = this.#ask(address).finally(() => this.#asking.delete(address));
    this.#asking.set(address, asking);
    return asking;
  }

  async #ask(address: string): Promise<Recipient | undefined> {
    const { waitMs } = this.#options;
    try {
      const recipient = await within(this.#source.find(address), waitMs);
      if (recipient === 'late') throw new Error(`no answer within ${waitMs} ms`);
      this.#failedAtMs = Number.NEGATIVE_INFINITY;
      this.#keep(address, recipient);
      return recipient;
    } catch (error) {
      // one answer that makes no sense says nothing of the others
      if (error instanceof AnswerError) throw error;
      this.#failedAtMs = this.#nowMs();
      throw new SourceError(`recipients.source: ${messageOf(error)}`, { cause: error });
    }
  }

  #keep(address: string, recipient: Recipient | undefined): void {
    this.#drop(address);
    this.#none.delete(address);
    const atMs = this.#nowMs();
    if (recipient === undefined) {
      this.#none.set(address, atMs);
      const [oldest] = this.#none.keys();
      if (this.#none.size > MOST_NONE && oldest !== undefined) this.#none.delete(oldest);
      return;
    }
    const bytes = (recipient.keys ?? []).reduce((sum, key) => sum + key.length, 0);
    this.#found.set(address, { recipient, atMs, bytes });
    this.#foundBytes += bytes;
    for (const oldest of this.#found.keys()) {
      if (this.#found.size <= MOST_FOUND && this.#foundBytes <= MOST_FOUND_BYTES) return;
      this.#drop(oldest);
    }
  }

  #drop(address: string): void {
    this.#foundBytes -= this.#found.get(address)?.bytes ?? 0;
    this.#found.delete(address);
  }

  #nowMs(): number {
    return this.#options.world.micros() / 1000;
  }
}

/** An error of several connections that failed has no message of its own. */
function messageOf(error: unknown): string {
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  return first instanceof Error ? first.message : String(first);
}
