/**
 * What was asked lately. A question is put once at a time for each key, its answer counts for a
 * while, and nobody waits for one that hangs: not to know is an answer too.
 */
import { within } from './deadline.ts';
import type { World } from './world.ts';

const MOST_KEYS = 10_000;

export interface LatelyOptions {
  readonly world: Pick<World, 'micros'>;
  /** How long an answer counts, from the question on. */
  readonly keepMs: number;
  /** How long anybody waits for one, from the question on. */
  readonly waitMs: number;
}

interface Question<V> {
  readonly askedAt: number;
  readonly answer: Promise<V | undefined>;
  isOpen: boolean;
}

export class Lately<K, V> {
  readonly #options: LatelyOptions;
  readonly #questions = new Map<K, Question<V>>();

  constructor(options: LatelyOptions) {
    this.#options = options;
  }

  /** The answer for `key`; undefined where `ask` failed or has not answered in time. */
  async get(key: K, ask: () => Promise<V>): Promise<V | undefined> {
    const { keepMs, waitMs } = this.#options;
    let question = this.#questions.get(key);
    const age = question === undefined ? 0 : this.#now() - question.askedAt;
    if (question === undefined || (!question.isOpen && age > keepMs)) question = this.#ask(key, ask);
    else if (question.isOpen && age > waitMs) return undefined;
    if (!question.isOpen) return question.answer;
    const answer = await within(question.answer, waitMs);
    return answer === 'late' ? undefined : answer;
  }

  #ask(key: K, ask: () => Promise<V>): Question<V> {
    const close = () => {
      question.isOpen = false;
    };
    const answer = ask().catch(() => undefined); // not to know is an answer
    const question: Question<V> = { askedAt: this.#now(), answer, isOpen: true };
    answer.then(close);
    this.#questions.delete(key);
    this.#questions.set(key, question);
    const [oldest] = this.#questions.keys();
    if (this.#questions.size > MOST_KEYS && oldest !== undefined) this.#questions.delete(oldest);
    return question;
  }

  #now(): number {
    return this.#options.world.micros() / 1000;
  }
}
