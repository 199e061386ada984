/** What became of the messages of a mailbox, and of all: counted, told, and put into words. */
import { visible, visibleJson, visiblePath } from '../../core/visible.ts';
import { DiskFull, type Left } from '../../inplace/staging.ts';
import type { Unsealable } from '../../stored/mailboxes.ts';
import { CommandError } from '../errors.ts';

export interface Failure {
  /** The path of a message or folder, one character for each byte. */
  readonly path: string;
  readonly why: string;
}

export class Tally {
  readonly address: string;
  sealed = 0;
  readonly left = new Map<Left, number>();
  readonly failures: Failure[] = [];
  /** A folder was given up. */
  isCut = false;

  constructor(address: string) {
    this.address = address;
  }

  get messages(): number {
    return this.sealed + [...this.left.values()].reduce((sum, count) => sum + count, 0);
  }

  leave(why: Left): void {
    this.left.set(why, (this.left.get(why) ?? 0) + 1);
  }

  /** Returns what to say. `name` is undefined if a folder was given up. */
  fail(folder: string, name: string | undefined, why: string): string {
    const path = name === undefined ? folder : `${folder}/${name}`;
    this.isCut ||= name === undefined;
    this.failures.push({ path, why });
    return `${visiblePath(path)}: ${visible(why)}`;
  }

  /** `done`: the word for what became of the others. */
  counts(done: string): string {
    const left = [...this.left].sort().map(([why, count]) => `, left ${count} (${why})`);
    return `${done} ${this.sealed}${left.join('')}, failed ${this.failures.length}`;
  }

  /** What of it is the same in every report in JSON. */
  get told() {
    return {
      left: Object.fromEntries(this.left),
      failed: this.failures.map(({ path, why }) => ({ path: visiblePath(path), why })),
    };
  }
}

/** Counts the messages that a run did not come to: it ended early, or gave up a folder. */
export function notReached(tallies: readonly Tally[], there: number, isEnded: boolean): number {
  const done = tallies.reduce((sum, { messages, failures }) => sum + messages + failures.length, 0);
  return isEnded || tallies.some(({ isCut }) => isCut) ? Math.max(0, there - done) : 0;
}

/** Returns what to throw for whatever ended a run. */
export function endingOf(error: unknown): unknown {
  if (!(error instanceof DiskFull)) return error;
  const why = 'the disk is nearly full: nothing more is sealed';
  return new CommandError('tempFail', why).because(error.message);
}

export interface Outcome {
  readonly tallies: readonly Tally[];
  readonly unsealable: readonly Unsealable[];
  /** Messages that the run did not come to. */
  readonly notReached: number;
  readonly isTrial: boolean;
}

/** Returns one line about a mailbox. */
export function lineOf(tally: Tally, isTrial: boolean): string {
  return `${visible(tally.address)}: ${tally.counts(isTrial ? 'to be sealed' : 'sealed')}`;
}

export function textOf({ tallies, unsealable, notReached, isTrial }: Outcome): string {
  const sealed = tallies.reduce((sum, each) => sum + each.sealed, 0);
  const failed = tallies.reduce((sum, each) => sum + each.failures.length, 0);
  const left = tallies.reduce((sum, each) => sum + each.messages - each.sealed, 0);
  const done = isTrial ? 'to be sealed' : 'sealed';
  return `${tallies.length} mailboxes: ${done} ${sealed}, left ${left}, failed ${failed}, not reached ${notReached}; ${unsealable.length} mailboxes left alone\n`;
}

/** README "migrate" has the meaning of each field. */
export function jsonOf({ tallies, unsealable, notReached, isTrial }: Outcome): string {
  const mailboxes = tallies.map((each) => ({ address: each.address, sealed: each.sealed, ...each.told }));
  const leftAlone = unsealable.map(({ of, why }) => ({ mailbox: of, why }));
  return `${visibleJson(JSON.stringify({ dryRun: isTrial, mailboxes, leftAlone, notReached }, null, 2))}\n`;
}

export function isClean({ tallies, unsealable, notReached }: Outcome): boolean {
  return (
    notReached === 0 && unsealable.length === 0 && tallies.every(({ failures }) => failures.length === 0)
  );
}
