/** What the gateway and the process of a user tell each other, over the channel of child_process. */
import type { Settings } from '../config/settings.ts';
import type { Level } from '../core/eventrow.ts';
import type { EventName } from '../core/events.ts';

/** Comes once, and first: before it is known whose process it will be. */
export interface ToUser {
  readonly settings: Settings;
  /** Where it listens for logins. */
  readonly socket: string;
}

/** Comes once, before the first login. */
export interface Whose {
  /** The canonical address. */
  readonly address: string;
}

export type FromUser =
  | 'listening'
  /** A line for the log. */
  | { readonly say: { level: Level; event: EventName; detail: object } };
