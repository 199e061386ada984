/** What /metrics and the log of each day say about all keys together. */
import { type KeyState, stateUntil } from '../keys/state.ts';
import type { SeenFile, SeenKey } from './seen.ts';

export interface KeyFigures {
  readonly states: Readonly<Record<KeyState, number>>;
  /** The first end of a key that can be used now, and whose it is. Milliseconds since the epoch. */
  readonly earliest: { readonly at: number; readonly address: string } | undefined;
}

/** `files`: those that count for a recipient. One whose keys cannot be read counts as one unusable key. */
export function figuresOf(files: Iterable<SeenFile>, now: number): KeyFigures {
  const states: Record<KeyState, number> = { valid: 0, expiring: 0, expired: 0, revoked: 0, unusable: 0 };
  let earliest: KeyFigures['earliest'];
  for (const { address, fingerprints, keys = [] } of files) {
    if (fingerprints.length === 0) states.unusable++;
    for (const key of keys) {
      states[stateAt(key, now)]++;
      const at = key.expiresAt;
      if (
        key.state === 'valid' &&
        at !== undefined &&
        at > now &&
        (earliest === undefined || at < earliest.at)
      )
        earliest = { at, address };
    }
  }
  return { states, earliest };
}

function stateAt({ state, expiresAt }: SeenKey, now: number): KeyState {
  if (state !== 'valid') return state;
  if (expiresAt !== undefined && expiresAt <= now) return 'expired';
  return stateUntil(expiresAt === undefined ? undefined : new Date(expiresAt), new Date(now));
}
