/**
 * One stream to N copies. Each block goes to all of them before the next is taken. A copy asks to
 * wait once it holds up to 256 KiB (MAX_WHOLE_BYTES, HIGH_WATER_BYTES), so no copy piles up more in memory.
 * A copy that holds up the others for too long is failed.
 */
import { within } from '../core/deadline.ts';
import { CopyFailure } from '../core/errors.ts';

/** One receiver of the stream; `copy.ts` is one. */
export interface Lane {
  readonly failed: boolean;
  /** Takes a block, without keeping it. A promise means: wait for it before the next. May throw. */
  push(block: Buffer): Promise<void> | undefined;
  fail(error: unknown): void;
}

/** Gives `block` to every lane that has not failed. Never throws: an error fails the lane it came from. */
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

/** Waits for a lane's work for at most `ms`. If it fails or is late, the lane is failed. Never throws. */
export async function settleLane(lane: Lane, work: Promise<void>, ms: number): Promise<void> {
  try {
    if ((await within(work, ms)) === 'late') lane.fail(new CopyFailure('tooSlow'));
  } catch (error) {
    lane.fail(error);
  }
}
