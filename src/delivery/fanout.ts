/**
 * One stream to N copies: each block goes to all of them before the next is taken, so memory
 * is bounded by the slowest, and the slowest is given up once it holds up the rest too long.
 */

import { within } from '../core/deadline.ts';
import { CopyFailure } from '../core/errors.ts';

/** One receiver of the stream. */
export interface Lane {
  readonly failed: boolean;
  /** Takes a block (not kept). A promise means: wait. May throw CopyFailure. */
  push(block: Buffer): Promise<void> | undefined;
  fail(error: unknown): void;
}

/** Gives `block` to every lane that has not failed. Never throws: a lane's trouble is its own. */
export function fanOut(lanes: readonly Lane[], block: Buffer, stallMs: number): Promise<void> | undefined {
  const waiting: Promise<void>[] = [];
  for (const lane of lanes) {
    if (lane.failed) continue;
    const wait = attempt(lane, block);
    if (wait !== undefined) waiting.push(settleLane(lane, wait, stallMs));
  }
  return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => {});
}

function attempt(lane: Lane, block: Buffer): Promise<void> | undefined {
  try {
    return lane.push(block);
  } catch (error) {
    lane.fail(error);
    return undefined;
  }
}

/** Waits for a lane no longer than `ms`; failing or late, it is failed, and the rest go on. */
export async function settleLane(lane: Lane, work: Promise<void>, ms: number): Promise<void> {
  try {
    if ((await within(work, ms)) === 'late') lane.fail(new CopyFailure('tooSlow'));
  } catch (error) {
    lane.fail(error);
  }
}
