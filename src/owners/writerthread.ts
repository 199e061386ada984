/** Makes the batches of an owner: a writer in the place of a thread of this process (disk/thread.ts). */
import type { World } from '../core/world.ts';
import type { Answer, Done, Order } from '../disk/batch.ts';
import type { BatchThread, ThreadState } from '../disk/thread.ts';
import { type LinkOptions, WriterLink } from './link.ts';

/** A writer that is not needed takes memory. */
const IDLE_MS = 3000;

export class WriterThread implements BatchThread {
  readonly #link: WriterLink;
  readonly #world: Pick<World, 'micros'>;
  readonly #changed: () => void;
  #state: ThreadState = 'beginning';
  #since: number;
  #failure: Error | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions, world: Pick<World, 'micros'>, changed: () => void) {
    this.#world = world;
    this.#changed = changed;
    this.#since = this.#now();
    this.#link = new WriterLink(options, () => this.#become('gone'));
    this.#link.begun.then(
      () => this.#become('idle'),
      (error: Error) => {
        this.#failure = error;
      },
    );
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
    const done = this.#link.request({ call: 'perform', order }, pieces);
    const result = await done.finally(() => {
      if (this.#state === 'busy') this.#become('idle');
    });
    return doneOf(result, order.jobs.length);
  }

  end(): void {
    this.#link.end();
  }

  #become(state: ThreadState): void {
    this.#state = state;
    this.#since = this.#now();
    clearTimeout(this.#idle);
    if (state === 'idle') this.#idle = setTimeout(() => this.end(), IDLE_MS).unref();
    this.#changed();
  }

  #now(): number {
    return this.#world.micros() / 1000;
  }
}

/** Throws if that is no answer to so many jobs: then nobody knows what became of them. */
function doneOf(result: unknown, count: number): Done {
  const { answers, fsyncMs } = (result ?? {}) as Partial<Done>;
  if (!Array.isArray(answers) || answers.length !== count || !answers.every(isAnswer))
    throw new Error('the writer answers something else');
  return { answers, fsyncMs: typeof fsyncMs === 'number' ? fsyncMs : undefined };
}

function isAnswer(answer: unknown): answer is Answer {
  return typeof answer === 'number' || typeof (answer as Partial<Error> | null)?.message === 'string';
}
