// One row of the table of events (events.ts).

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface EventRow {
  /** More than one where it depends on what happened. */
  readonly levels: readonly Level[];
  readonly fields: readonly string[];
  readonly means: string;
  /** What an operator does about it; '' for nothing. */
  readonly todo: string;
}

/** What the outcome of each recipient has. */
export const OUTCOME = [
  ...['id', 'recipient', 'sender', 'verdict', 'why', 'code', 'bytes', 'ms', 'queueId'],
  ...['folder', 'file', 'nextHop', 'reasons'],
] as const;

/** What every fault has. */
export const FAULT = ['code', 'error'] as const;
