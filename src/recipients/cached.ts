/**
 * Keeps the answers of a source for a while (core/answers.ts). While the source cannot be asked, recipients
 * that were found in the last hour are still found; nobody is taken for unknown.
 */
import { Answers } from '../core/answers.ts';
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

export class CachedSource implements RecipientSource {
  readonly #source: RecipientSource;
  readonly #answers: Answers<Recipient>;

  constructor(source: RecipientSource, options: CacheOptions) {
    this.#source = source;
    this.#answers = new Answers({
      ...options,
      staleMs: STALE_MS,
      sizeOf: ({ keys = [] }) => keys.reduce((sum, key) => sum + key.length, 0),
      serverOf: () => '',
      isAnswer: (error) => error instanceof AnswerError,
    });
  }

  async find(address: string): Promise<Recipient | undefined> {
    const found = await this.#answers.find(address, () => this.#source.find(address)).catch(rethrown);
    return found?.isFormer ? { ...found.value, isFormer: true } : found?.value;
  }

  async close(): Promise<void> {
    await this.#source.close?.();
  }
}

function rethrown(error: unknown): never {
  if (error instanceof AnswerError) throw error;
  throw new SourceError(`recipients.source: ${messageOf(error)}`, { cause: error });
}

/** An error of several connections that failed has no message of its own. */
function messageOf(error: unknown): string {
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  return first instanceof Error ? first.message : String(first);
}
