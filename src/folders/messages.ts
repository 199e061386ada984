/** What the server and the process that seals folders tell each other, over the channel of child_process. */
import type { Settings } from '../config/settings.ts';
import type { Level } from '../core/eventrow.ts';
import type { EventName } from '../core/events.ts';

/** The settings come once, and first. */
export type ToFolders = Settings | 'stop';

/** What became of messages since this was told the last time, and how many folders are left in clear now. */
export interface FolderFigures {
  readonly sealed: number;
  readonly failed: number;
  readonly left: number;
}

export type FromFolders =
  | { readonly figures: FolderFigures }
  /** A line for the log. */
  | { readonly say: { level: Level; event: EventName; detail: object } };
