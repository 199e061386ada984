/** What looking after folders takes from outside. */
import type { Settings } from '../config/settings.ts';
import type { Say } from '../core/events.ts';
import type { World } from '../core/world.ts';
import type { Lookup } from '../lookup.ts';
import type { Mark } from './mark.ts';
import type { FolderFigures } from './messages.ts';

export interface GuardParts {
  readonly settings: Settings;
  readonly world: World;
  readonly lookup: Lookup;
  readonly mark: Mark;
  readonly say: Say;
  note(figures: FolderFigures): void;
  readonly ended: AbortSignal;
}
