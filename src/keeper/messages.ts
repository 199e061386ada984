/** What the server and its keeper tell each other, over the channel of child_process. */
import type { Settings } from '../config/settings.ts';
import type { Level } from '../core/eventrow.ts';
import type { EventName } from '../core/events.ts';
import type { Told } from './inbox.ts';
import type { KeeperFigures } from './keeper.ts';

/** The settings come once, and first. */
export type ToKeeper = Settings | 'stop' | Told;

export type FromKeeper =
  | 'alive'
  | { readonly figures: KeeperFigures }
  /** What was used up to this number is in the log. */
  | { readonly taken: number }
  /** A line for the log. */
  | { readonly say: { level: Level; event: EventName; detail: object } };
