// Plans where a campaign kills its servers. A seed decides.

import { Dice } from '../support/dice.ts';
import type { KillPoint } from './server.ts';

export interface CampaignOptions {
  readonly seed: string;
  /**
   * Kills before and after each of the disk calls 1 to `numbered` of a short load, and at calls of each kind.
   */
  readonly numbered: number;
  /** Number of kills at random moments of an endless load. */
  readonly moments: number;
  /** Kinds of calls before and after which servers are killed; all by default. */
  readonly kinds?: readonly (typeof KINDS)[number][];
  /** At which calls of each kind; by default the first, and one when several deliveries are under way. */
  readonly calls?: readonly number[];
}

export interface Kill {
  /** Decides what is sent, and the random moment. */
  readonly seed: string;
  /** Undefined for a random moment. */
  readonly point: KillPoint | undefined;
}

/** The calls of a delivery in which nothing goes wrong. */
export const KINDS = ['mkdir', 'syncDirectory', 'create', 'writev', 'sync', 'close', 'rename'] as const;

export function planOf({ seed, numbered, moments, kinds = KINDS, calls = [1, 4] }: CampaignOptions): Kill[] {
  // The first call of each kind, and a later one, when some mailboxes exist and several deliveries are under
  // way.
  const ofKinds = kinds.flatMap((name) => calls.map((call) => ({ name, call })));
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

/** Has every other writev cut short by the kill. */
function torn(point: KillPoint, dice: Dice): KillPoint {
  return point.when === 'before' || dice.below(2) === 0
    ? point
    : { ...point, maxWriteBytes: 1 + dice.below(2000) };
}
