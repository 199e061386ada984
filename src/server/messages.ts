/**
 * What a primary process and its workers tell each other over the channel of node:cluster, as JSON:
 * orders go to a worker, reports come back. Other messages on the same channel are none of these.
 */
import type { Settings } from '../config/settings.ts';

export type Order =
  | {
      readonly order: 'start';
      /** This worker's share of the limits. */
      readonly settings: Settings;
      /** Listening descriptors passed by systemd. */
      readonly inherited: readonly number[];
      /** The state directory, if it is the server's own. */
      readonly state: string | undefined;
    }
  | { readonly order: 'reload'; readonly settings: Settings }
  /** Deliveries that are not finished after `graceMs` are cut off. */
  | { readonly order: 'stop'; readonly graceMs?: number | undefined };

export type Report =
  /** It listens to orders now; one that is sent earlier is lost. */
  | { readonly report: 'ready' }
  /** It delivers. `lmtp`: what it listens on, as one would write it in the configuration. */
  | { readonly report: 'serving'; readonly lmtp: readonly string[] }
  /** It cannot start, for a reason that the operator has to mend. */
  | { readonly report: 'failed'; readonly reason: string };

export function isOrder(message: unknown): message is Order {
  return typeof message === 'object' && message !== null && 'order' in message;
}

export function isReport(message: unknown): message is Report {
  return typeof message === 'object' && message !== null && 'report' in message;
}
