/**
 * What a primary process and its workers tell each other over the channel of node:cluster, as JSON and
 * sockets: orders go to a worker, reports come back. Other messages on the same channel are none of these.
 */
import type { Settings } from '../config/settings.ts';
import type { Opening } from '../core/listener.ts';
import type { TlsMaterial } from '../core/tls.ts';
import type { LogSetup } from '../edge/log.ts';
import type { Figures } from '../edge/metrics.ts';
import type { Row } from '../tlsreport/counts.ts';

/**
 * The primary's standard error, as a descriptor of a worker. Not 2: when Node starts a process it makes 0 to
 * 2 wait for their readers again, for every process that shares them. A worker's own 2 is a pipe to its
 * primary.
 */
export const LOG_FD = 4;

export type Order =
  | {
      readonly order: 'start';
      /** This worker's share of the limits. */
      readonly settings: Settings;
      /** The state directory, if it is the server's own. */
      readonly state: string | undefined;
      readonly log: LogSetup;
      readonly tls: TlsMaterial | undefined;
    }
  | { readonly order: 'reload'; readonly settings: Settings }
  /** What to show clients from now on. */
  | { readonly order: 'certificates'; readonly tls: TlsMaterial | undefined }
  /** Deliveries that are not finished after `graceMs` are cut off. */
  | { readonly order: 'stop'; readonly graceMs?: number | undefined }
  /** A connection, which comes along as a socket; only to one that is serving. */
  | { readonly order: 'connection'; readonly opening: Opening }
  /** Comes after each connection: one that came without its socket was missed. */
  | { readonly order: 'confirm' }
  /** Asks for its figures; only of one that is serving. */
  | { readonly order: 'tell' };

export type Report =
  /** It listens to orders now; one that is sent earlier is lost. */
  | { readonly report: 'ready' }
  /** It delivers. */
  | { readonly report: 'serving' }
  /** The connection is its own; it has not said a word to the client yet. */
  | { readonly report: 'taken' }
  /** The last connection came without its socket: there was no descriptor for it. */
  | { readonly report: 'missed' }
  /** The answer to `tell`. */
  | { readonly report: 'figures'; readonly figures: Figures }
  /** Messages that came; only if they are counted. */
  | { readonly report: 'received'; readonly rows: readonly Row[] }
  /** It has read a key file (UsedKeys). `bytes`: in base64. */
  | { readonly report: 'key'; readonly file: string; readonly bytes: string; readonly at: number };

export function isOrder(message: unknown): message is Order {
  return typeof message === 'object' && message !== null && 'order' in message;
}

export function isReport(message: unknown): message is Report {
  return typeof message === 'object' && message !== null && 'report' in message;
}
