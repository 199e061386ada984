// Lets contestants take turns (A B C, A B C, ...) and takes the median of the ratios within a round: noise
// that lasts longer than a round slows all contestants alike.

import { median } from './rate.ts';

/** A larger speed is better. The others are compared with the first contestant. */
export interface Contestant {
  readonly name: string;
  speed(round: number): Promise<number>;
}

export interface Standing {
  readonly name: string;
  /** Median of its own rounds. */
  readonly speed: number;
  /** How many times as fast as this one the first contestant is, in the median round. */
  readonly ratio: number;
  /** Lowest and highest ratio of the rounds. */
  readonly spread: readonly [number, number];
}

export async function contest(contestants: readonly Contestant[], rounds: number): Promise<Standing[]> {
  const speeds = contestants.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, contestant] of contestants.entries()) speeds[at]?.push(await contestant.speed(round));
  const [first = []] = speeds;
  return contestants.map(({ name }, at) => {
    const own = speeds[at] ?? [];
    const ratios = own.map((speed, round) => (first[round] ?? Number.NaN) / speed);
    return {
      name,
      speed: median(own),
      ratio: median(ratios),
      spread: [Math.min(...ratios), Math.max(...ratios)],
    };
  });
}
