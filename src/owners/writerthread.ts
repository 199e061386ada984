/** Makes the batches of an owner: a writer in the place of a thread of this process (disk/thread.ts). */
import type { World } from '../core/world.ts';
import type { Answer, Done, Order } from '../disk/batch.ts';
import type { BatchThread, ThreadState } from '../disk/thread.ts';
import type { WriterLink } from './link.ts';
import { troubleOf } from './protocol.ts';

/** More than any fsync takes, in milliseconds: who claims that would upset the pace of the batches. */
const MOST_MS = 1e7;

export class WriterThread implements BatchThread {
  readonly #link: WriterLink;
  readonly #world: Pick<World, 'micros'>;
  readonly #changed: () => void;
  #state: ThreadState = 'beginning';
  #since: number;
  #hasAnswered = false;
  #failure: Error | undefined;

  constructor(link: WriterLink, world: Pick<World, 'micros'>, changed: () => void) {
    this.#link = link;
    this.#world = world;
    this.#changed = changed;
    this.#since = this.#now();
    link.begun.then(
      () => this.#become('idle'),
      () => {}, // it has ended
    );
    void link.ended.then((reason) => this.#gone(reason));
  }

  get state(): ThreadState {
    return this.#state;
  }

  get since(): number {
    return this.#since;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  async perform(order: Order, pieces: readonly Buffer[]): Promise<Done> {
    this.#become('busy');
    try {
      const done = doneOf(await this.#link.request({ call: 'perform', order }, pieces), order.jobs.length);
      this.#hasAnswered = true;
      return done;
    } finally {
      this.#become('idle');
    }
  }

  /** Others may use the link: it ends when nobody does. */
  end(): void {
    this.#become('gone');
  }

  #gone(reason: Error): void {
    // otherwise a writer that begins and ends, again and again, would be begun for ever
    if (!this.#hasAnswered) this.#failure = reason;
    this.#become('gone');
  }

  #become(state: ThreadState): void {
    if (this.#state === 'gone') return;
    this.#state = state;
    this.#since = this.#now();
    this.#changed();
  }

  #now(): number {
    return this.#world.micros() / 1000;
  }
}

/** Throws if that is no answer to so many jobs: then nobody knows what became of them. */
function doneOf(result: unknown, count: number): Done {
  const { answers, fsyncMs } = (result ?? {}) as { readonly answers?: unknown; readonly fsyncMs?: unknown };
  const known = Array.isArray(answers) ? answers.map(answerOf) : [];
  if (known.length !== count || !known.every((answer) => answer !== undefined))
    throw new Error('the writer answers something else');
  return { answers: known, fsyncMs: isTime(fsyncMs) ? fsyncMs : undefined };
}

function answerOf(answer: unknown): Answer | undefined {
  return isTime(answer) ? answer : troubleOf(answer);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < MOST_MS;
}
