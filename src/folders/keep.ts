/**
 * The process that seals folders as its server sees it (folderprocess.ts): there if a setting names folders.
 * It never hinders mail, and whenever it ends, each message is there once.
 */
import type { Settings } from '../config/settings.ts';
import { Kept } from '../edge/kept.ts';
import type { Log } from '../edge/log.ts';
import type { FolderFigures, FromFolders, ToFolders } from './messages.ts';

export interface RunningFolders {
  /** Works with these settings from now on. */
  reload(settings: Settings): void;
  stop(): Promise<void>;
}

export interface FoldersOptions {
  readonly settings: Settings;
  readonly log: Log;
  /** Is given what has become of messages. */
  note(figures: FolderFigures): void;
}

export function startFolders({ settings, log, note }: FoldersOptions): RunningFolders {
  let current = settings;
  const fault = (error: Error) => log.fault('store.seal_folders', error);
  const kept = new Kept<Exclude<ToFolders, 'stop'>, FromFolders>({
    program: new URL('./folderprocess.js', import.meta.url),
    work: () => (current.store.seal_folders.length === 0 ? undefined : current),
    begun: () => ({
      hear(message) {
        if ('figures' in message) note(message.figures);
        else log.say(message.say.level, message.say.event, message.say.detail);
      },
    }),
    failed: fault,
    said: (words) => fault(new Error(words)),
    died: (how) => log.warn('the process that seals folders died, starting it again', how),
  });
  return {
    reload(fresh) {
      current = fresh;
      kept.renew();
    },
    stop: () => kept.stop(),
  };
}
