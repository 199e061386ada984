/** Questions to a file system that may hang: each is put once, and nobody waits long for its answer. */
import { within } from '../core/deadline.ts';

/** How long the first to ask waits. */
const WAIT_MS = 1000;

export interface Question<V> {
  /** Milliseconds of the World. */
  readonly askedAt: number;
  readonly answer: Promise<V>;
  isOpen: boolean;
}

/** Returns the question whose answer is `answer`, which was asked for at `askedAt`. */
export function questionOf<V>(answer: Promise<V>, askedAt: number): Question<V> {
  const question: Question<V> = { askedAt, answer, isOpen: true };
  const close = () => {
    question.isOpen = false;
  };
  answer.then(close, close);
  return question;
}

/** Waits for the answer. Undefined: it has not come in time; whoever asks after that does not wait at all. */
export async function answerWithinLimit<V>(question: Question<V>, now: number): Promise<V | undefined> {
  if (!question.isOpen) return question.answer;
  if (now - question.askedAt > WAIT_MS) return undefined;
  const answer = await within(question.answer, WAIT_MS);
  return answer === 'late' ? undefined : answer;
}
