/** The keeper as its server sees it: a process (keyprocess.ts) that never hinders mail. */
import { performance } from 'node:perf_hooks';
import type { Settings } from '../config/settings.ts';
import { Kept } from '../edge/kept.ts';
import type { Log } from '../edge/log.ts';
import type { KeeperFigures } from './keeper.ts';
import type { FromKeeper, ToKeeper } from './messages.ts';
import type { NumberedKeys, UsedQueue } from './usedqueue.ts';

/** It tells every minute that it lives. */
const SILENT_AFTER_MS = 5 * 60_000;
const TELL_SILENCE_MS = 60 * 60_000;

export interface RunningKeeper {
  /** Looks with these settings from now on. */
  reload(settings: Settings): void;
  stop(): Promise<void>;
}

export interface KeepOptions {
  readonly settings: Settings;
  readonly log: Log;
  /** Is given what is known of all keys whenever it may have changed. */
  note(figures: KeeperFigures): void;
  /** What deliveries have read. */
  readonly used: UsedQueue;
}

export function startKeeper({ settings, log, note, used }: KeepOptions): RunningKeeper {
  let current = settings;
  const kept = new Kept<Exclude<ToKeeper, 'stop'>, FromKeeper>({
    program: new URL('./keyprocess.js', import.meta.url),
    work: () => current,
    begun(send) {
      const silence = watchSilence(log);
      const listener = {
        used: (keys: NumberedKeys) => send({ used: keys }),
        missed: () => send('read all'),
      };
      used.listen(listener);
      return {
        hear(message) {
          silence.sign();
          if (message === 'alive') return;
          if ('taken' in message) used.taken(message.taken);
          else if ('figures' in message) note(message.figures);
          else log.say(message.say.level, message.say.event, message.say.detail);
        },
        ended() {
          silence.end();
          used.unlisten(listener);
        },
      };
    },
    failed: (error) => log.fault('keeper', error),
    said: (text) => log.error('keeper says on standard error', { text }),
    died: (how) => log.warn('the keeper of the keys died, starting it again', how),
  });
  return {
    reload(fresh) {
      current = fresh;
      kept.renew();
    },
    stop: () => kept.stop(),
  };
}

/** Says, once an hour, that nothing was heard of the keeper for minutes. */
function watchSilence(log: Log): { sign(): void; end(): void } {
  let heardAt = performance.now();
  let toldAt = Number.NEGATIVE_INFINITY;
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - heardAt < SILENT_AFTER_MS || now - toldAt < TELL_SILENCE_MS) return;
    toldAt = now;
    const error = new Error('no sign of life for minutes: does keys.directory or keys.state hang?');
    log.fault('keeper', error);
  }, SILENT_AFTER_MS / 5).unref();
  return {
    sign() {
      heardAt = performance.now();
    },
    end: () => clearInterval(timer),
  };
}
