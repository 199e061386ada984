/**
 * The keeper as its server sees it: a process (child.ts) that is started again when it has died, ends with
 * its server, and never hinders mail.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import type { Settings } from '../config/settings.ts';
import type { Log } from '../edge/log.ts';
import type { KeeperFigures } from './keeper.ts';
import type { FromKeeper, ToKeeper } from './messages.ts';
import type { NumberedKeys, UsedQueue } from './usedqueue.ts';

/** One that has died is started again after this long, and after twice as long each time that it does. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** It tells every minute that it lives. */
const SILENT_AFTER_MS = 5 * 60_000;
const TELL_SILENCE_MS = 60 * 60_000;
const STOP_WITHIN_MS = 3000;
const MOST_WORDS = 4000;

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
  let isStopped = false;
  let pauseMs = FIRST_PAUSE_MS;
  const dismissed = new WeakSet<ChildProcess>();
  let child = begin();

  function begin(): ChildProcess {
    const program = new URL('./child.js', import.meta.url);
    const begun = fork(program, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
      serialization: 'advanced',
    });
    const startedAt = performance.now();
    const silence = watchSilence(log);
    begun.on('message', (message: FromKeeper) => {
      silence.sign();
      if (message === 'alive') return;
      if ('taken' in message) used.taken(message.taken);
      else if ('figures' in message) note(message.figures);
      else log[message.say.level](message.say.what, message.say.detail);
    });
    begun.on('error', (error) => {
      log.fault('keeper', error);
      if (begun.pid === undefined) setTimeout(again, LONGEST_PAUSE_MS).unref(); // it has no end
    });
    begun.stderr?.on('data', (words: Buffer) => {
      log.error('keeper says on standard error', { text: words.toString().slice(0, MOST_WORDS) });
    });
    const listener = {
      used: (keys: NumberedKeys) => send(begun, { used: keys }),
      missed: () => send(begun, 'read all'),
    };
    begun.once('exit', (code, signal) => {
      silence.end();
      used.unlisten(listener);
      if (isStopped) return;
      if (dismissed.has(begun)) return again();
      log.warn('the keeper of the keys died, starting it again', { code, signal });
      if (performance.now() - startedAt > LONGEST_PAUSE_MS) pauseMs = FIRST_PAUSE_MS;
      setTimeout(again, pauseMs).unref();
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    });
    send(begun, current);
    used.listen(listener);
    return begun;
  }

  function again(): void {
    if (!isStopped) child = begin();
  }

  return {
    reload(fresh) {
      current = fresh;
      dismissed.add(child);
      void end(child);
    },
    async stop() {
      isStopped = true;
      await end(child);
    },
  };
}

/** Resolves when it has ended, by force if need be. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  send(child, 'stop');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  // one that hangs in the kernel does not even end then
  const over = new Promise((resolve) => setTimeout(resolve, 2 * STOP_WITHIN_MS).unref());
  await Promise.race([ended, over]);
  clearTimeout(late);
}

function send(child: ChildProcess, message: ToKeeper): void {
  if (child.connected) child.send(message, () => {}); // it is gone: its end is told elsewhere
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
