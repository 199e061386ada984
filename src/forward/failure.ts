/** What went wrong with a copy: what its client is told, and as what it is counted. */
import { CopyFailure } from '../core/errors.ts';
import type { Forwarded } from '../core/meter.ts';
import type { Why } from '../core/outcome.ts';
import { BusyError, UnreachableError } from './pool.ts';
import { LostError } from './replies.ts';

const RESULTS: Partial<Record<Why, Forwarded>> = {
  nextHopBusy: 'busy',
  nextHopUnreachable: 'unreachable',
  nextHopLost: 'lost',
  nextHopUnknown: 'refused',
  nextHopRefuses: 'refused',
  nextHopSender: 'refused',
  nextHopNeedsAscii: 'refused',
  overQuotaForGood: 'refused',
  tooBig: 'refused',
  aborted: 'aborted',
};

/** As what a copy that failed is counted. */
export function resultOf({ why }: CopyFailure): Forwarded {
  return RESULTS[why] ?? 'deferred';
}

export function failureOf(error: unknown): CopyFailure {
  if (error instanceof CopyFailure) return error;
  if (error instanceof BusyError) return new CopyFailure('nextHopBusy', error);
  if (error instanceof UnreachableError) return new CopyFailure('nextHopUnreachable', error);
  if (error instanceof LostError) return new CopyFailure('nextHopLost', error);
  return new CopyFailure('internal', error);
}
