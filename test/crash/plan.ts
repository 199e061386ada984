// Where a campaign kills its servers; a seed decides it.

import { Dice } from '../support/dice.ts';
import type { KillPoint } from './server.ts';

export interface CampaignOptions {
  readonly seed: string;
  /** Disk calls 1 to `numbered` of a short load, each once before and once after; calls of each kind come on top. */
  readonly numbered: number;
  /** Kills at random moments of a load without end. */
  readonly moments: number;
}

export interface Kill {
  /** What is sent, and the random moment. */
  readonly seed: string;
  /** Undefined: at a random moment. */
  readonly point: KillPoint | undefined;
}

/** All that a delivery makes when nothing goes wrong. */
export const KINDS = ['mkdir', 'syncDirectory', 'create', 'writev', 'sync', 'close', 'rename'] as const;

export function planOf({ seed, numbered, moments }: CampaignOptions): Kill[] {
  // the first of its kind, and one later on, when some mailboxes are there and several deliveries under way
  const ofKinds = KINDS.flatMap((name) => [1, 4].map((call) => ({ name, call })));
  const byNumber = Array.from({ length: numbered }, (_, n) => ({ call: n + 1 }));
  const points = [...ofKinds, ...byNumber].flatMap((each): KillPoint[] => [
    { ...each, when: 'before' },
    { ...each, when: 'after' },
  ]);
  const all: (KillPoint | undefined)[] = [...points, ...Array.from({ length: moments }, () => undefined)];
  return all.map((point, n) => ({
    seed: `${seed}/${n}`,
    point: point && torn(point, new Dice(`${seed}/${n}`)),
  }));
}

/** Every other writev is cut short by the kill. */
function torn(point: KillPoint, dice: Dice): KillPoint {
  return point.when === 'before' || dice.below(2) === 0
    ? point
    : { ...point, maxWriteBytes: 1 + dice.below(2000) };
}
